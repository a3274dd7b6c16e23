"""Where handlers run: on the dispatcher's own thread, on workers, or on the thread that asks for them."""

from .base import HandlerExecutor
from .caller import CallerExecutor, CallerQueue
from .inline import InlineExecutor
from .runner import Runner
from .thread_pool import WorkerExecutor, WorkerPool

__all__ = [
    "CallerExecutor",
    "CallerQueue",
    "HandlerExecutor",
    "InlineExecutor",
    "Runner",
    "WorkerExecutor",
    "WorkerPool",
]
