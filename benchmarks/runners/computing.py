"""A thread that computes beside a client, as a busy program does."""

from __future__ import annotations

import threading

__all__ = ["compute"]


def compute() -> None:
    """Use the interpreter from now on, on a thread that ends with the process."""
    threading.Thread(target=_compute, daemon=True).start()


def _compute() -> None:
    while True:
        sum(range(1000))
