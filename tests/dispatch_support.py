"""A dispatcher whose handlers run inline, without threads: with the part of its loop that is in C, or without."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.dispatch.current_shard import CurrentShard
from vox_gateway.dispatch.dispatcher import Dispatcher, DispatcherConfig
from vox_gateway.dispatch.dispatcher_thread import DispatcherThread
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.dispatch.event_queue import EventQueue
from vox_gateway.dispatch.executors import InlineExecutor
from vox_gateway.dispatch.executors.runner import RunnerConfig
from vox_gateway.dispatch.guilds import GuildTracker
from vox_gateway.dispatch.progress import InlineProgress
from vox_gateway.dispatch.subscriptions import Subscribers
from vox_gateway.encoding.json import JSONCodec
from vox_gateway.log import ShardLog
from vox_gateway.session.state import Session

__all__ = ["LOG", "Inline", "OverriddenEmitter", "raw"]

LOG = ShardLog((0, 1))


def raw(seq: object, data: str = "null", name: str = "NEWS") -> bytes:
    """The bytes of a dispatch, as Discord lays it out."""
    return f'{{"t":"{name}","s":{seq},"op":0,"d":{data}}}'.encode()


class OverriddenEmitter(Emitter):
    """Has to be called for each event, so the loop in C cannot do its work."""

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """See `Emitter`."""
        return super().emit(event, *args, **kwargs)


class _NoTimers(Scheduler):
    """Calls nothing, and so needs no thread."""

    def call_at(self, when: float, function: Callable[[], None]) -> bool:
        """See `Scheduler`."""
        return True


class _ThisThread(DispatcherThread):
    """The thread that runs the test, which is never started."""

    @property
    def ident(self) -> int:
        """See `DispatcherThread`."""
        return threading.get_ident()


class Inline:
    """A dispatcher, with all its parts, that runs on the thread that calls `put`.

    Args:
        emitter: has the handlers.
        on_completed: called when `progress.completed` may have moved, as by a session file; None without one.
        decode: decodes raw dispatches.
    """

    def __init__(
        self,
        emitter: Emitter,
        *,
        on_completed: Callable[[], None] | None = None,
        decode: Callable[[bytes], Any] | None = None,
    ) -> None:
        self.emitter, self.subscribers, self.guilds = emitter, Subscribers(0), GuildTracker(True, LOG)
        self.failures: list[BaseException] = []
        self.undecodable: list[BaseException] = []
        thread = _ThisThread("test-dispatcher", pytest.fail)
        self.progress = InlineProgress(on_completed)
        self.queue = EventQueue(1 << 20, 1 << 30, self.progress, thread.inbox)
        config = RunnerConfig(emitter, 60.0, _NoTimers("test-timers", LOG, pytest.fail), LOG)
        self.executor = InlineExecutor(config, self.progress, thread=thread)
        self.dispatcher = Dispatcher(
            DispatcherConfig(
                shard=0,
                current=CurrentShard(),
                emitter=emitter,
                subscribers=self.subscribers,
                guilds=self.guilds,
                decode=decode or JSONCodec().decode,
                on_undecodable=self.undecodable.append,
                on_failure=self.failures.append,
                on_drained=lambda: None,
                on_end=lambda: None,
            ),
            self.queue,
            self.executor,
        )
        self.dispatcher.start(Session("abc", 0))

    def put(self, batch: list[Any]) -> None:
        """Dispatch a batch."""
        self.queue.put(batch, len(batch), lambda: True, pytest.fail)
        while not self.queue.inbox.empty():
            entry = self.queue.inbox.get()
            assert entry is not None
            consumer, item = entry
            consumer.consume(item)
