"""Runs a client until it is closed, on the main thread, so that Ctrl-C ends it."""

from __future__ import annotations

from collections.abc import Callable

from ...client import Client

__all__ = ["run_client"]


def run_client(
    client: Client,
    *,
    is_ended: Callable[[], bool] = lambda: False,
    tick: Callable[[], None] = lambda: None,
    interval: float | None = None,
) -> None:
    """Connect, and block until the client is closed, by Ctrl-C or by another thread.

    Args:
        is_ended: whether the client is to be closed at once.
        tick: called periodically.
        interval: seconds between calls of `tick`.

    Raises:
        GatewayError: the client failed permanently.
    """
    try:
        client.connect(async_=True)
        while not is_ended() and not client.wait_closed(interval):
            tick()
    except KeyboardInterrupt:
        pass
    finally:
        client.close()
