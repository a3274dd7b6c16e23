"""Runs the clients of a bot's shards together."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence

from ...client import Client
from ...concurrency.signals import defer_sigint
from ...errors import GatewayError
from ..shared.inbox import MainInbox

__all__ = ["Shards"]


class Shards:
    """Connects clients, and closes all of them when any closes, on Ctrl-C, or on `close`.

    Args:
        clients: a client per shard.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._ended = MainInbox[GatewayError | None]()

    def run(self, tick: Callable[[], None] | None = None, interval: float | None = None) -> None:
        """Block until every client is closed. Main thread only, so that Ctrl-C ends it.

        Args:
            tick: called periodically.
            interval: seconds between calls of `tick`.

        Raises:
            GatewayError: a client failed permanently.
        """
        watchers: list[threading.Thread] = []
        error = None
        try:
            for client in self._clients:
                client.connect(async_=True)
                name = f"vox_gateway-watch-{len(watchers)}"
                watchers.append(threading.Thread(target=self._watch, args=(client,), name=name, daemon=True))
                with defer_sigint():
                    watchers[-1].start()
            error = self._wait(tick, interval)
        except KeyboardInterrupt:
            pass
        finally:
            self._close_all()
        for watcher in watchers:
            # A thread whose start was interrupted by Ctrl-C cannot be joined; its client is closed, so it ends.
            with contextlib.suppress(RuntimeError):
                watcher.join()
        if error is not None:
            raise error

    def close(self) -> None:
        """Make `run` close every client. Thread-safe; does not block."""
        self._ended.put(None)

    def _wait(self, tick: Callable[[], None] | None, interval: float | None) -> GatewayError | None:
        while True:
            try:
                return self._ended.get(interval)
            except queue.Empty:
                if tick is not None:
                    tick()

    def _watch(self, client: Client) -> None:
        """Report the end of a client. Runs on a thread per client, which ends when the client closes."""
        try:
            client.wait_closed()
        except GatewayError as error:
            self._ended.put(error)
        else:
            self._ended.put(None)

    def _close_all(self) -> None:
        """Close the clients in parallel, as each may take 2 seconds."""
        first, *others = self._clients
        closers = [threading.Thread(target=client.close, name="vox_gateway-close") for client in others]
        with defer_sigint():
            for closer in closers:
                closer.start()
        first.close()
        for closer in closers:
            closer.join()
