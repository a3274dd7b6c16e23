"""The clients of a bot's shards, run as one."""

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
    """Connects clients, and closes all of them when one ends, on Ctrl-C, or when that is asked for.

    Args:
        clients: one for each shard.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._ended = MainInbox[GatewayError | None]()

    def run(self, tick: Callable[[], None] | None = None, every: float | None = None) -> None:
        """Stay connected until the end; for the main thread, where Ctrl-C is the end.

        Args:
            tick: called now and then.
            every: how often: seconds.

        Raises:
            GatewayError: what ended a client for good.
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
            error = self._wait(tick, every)
        except KeyboardInterrupt:
            pass
        finally:
            self._close()
        for watcher in watchers:
            # One whose start Ctrl-C came into cannot be joined; if it runs, it ends by itself now.
            with contextlib.suppress(RuntimeError):
                watcher.join()
        if error is not None:
            raise error

    def end(self) -> None:
        """End it; from any thread."""
        self._ended.put(None)

    def _wait(self, tick: Callable[[], None] | None, every: float | None) -> GatewayError | None:
        while True:
            try:
                return self._ended.get(every)
            except queue.Empty:
                if tick is not None:
                    tick()

    def _watch(self, client: Client) -> None:
        """On a thread for each client: `close` ends it."""
        try:
            client.wait_closed()
        except GatewayError as error:
            self._ended.put(error)
        else:
            self._ended.put(None)

    def _close(self) -> None:
        """Close all, side by side: each may take 2 seconds."""
        first, *others = self._clients
        closers = [threading.Thread(target=client.close, name="vox_gateway-close") for client in others]
        with defer_sigint():
            for closer in closers:
                closer.start()
        first.close()
        for closer in closers:
            closer.join()
