"""Handlers on the dispatcher's thread, one after the other: the default."""

from __future__ import annotations

from collections.abc import Callable

from ..dispatcher_thread import DispatcherThread
from ..emitter import Emitter
from ..progress import InlineProgress
from .base import HandlerExecutor
from .runner import Runner, RunnerConfig

__all__ = ["InlineExecutor"]


class InlineExecutor(Runner, HandlerExecutor):
    """Runs the handlers at once."""

    def __init__(self, config: RunnerConfig, progress: InlineProgress, *, thread: DispatcherThread) -> None:
        super().__init__(config, lambda: thread.ident)
        self.progress: InlineProgress = progress
        self._thread = thread

    def finish(self, on_finished: Callable[[], None]) -> None:
        """See `HandlerExecutor`. Every event was handled when it came."""
        on_finished()

    @property
    def direct_runner(self) -> Runner | None:
        """See `HandlerExecutor`. A program may have overridden `emit`, which then has to be called."""
        emitter = self._emitter
        is_plain = getattr(emitter.emit, "__func__", None) is Emitter.emit and emitter.heard is emitter._snapshots
        return self if is_plain else None

    def is_current_thread(self) -> bool:
        """See `HandlerExecutor`."""
        return self._thread.is_current()
