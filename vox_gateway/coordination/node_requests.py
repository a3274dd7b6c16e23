"""A node's requests to its coordination: one at a time, on a thread of its own, as each may block for seconds.

The node's thread asks; each answer is posted to it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..concurrency.fork import in_child
from .gate import Said
from .interface import Coordination, CoordinationFailed, NodeInfo, Turns, View

__all__ = ["Answer", "Beat", "Beaten", "Mistake", "NodeRequests", "Turned"]

_LOG = logging.getLogger("vox_gateway.coordination")


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat.

    Attributes:
        node: the node.
        hold: the shards whose leases are renewed or taken, and their loads.
        states: of shards, for operators.
        take: of `hold`, those that are new.
    """

    node: NodeInfo
    hold: Mapping[int, float]
    states: Mapping[int, str]
    take: frozenset[int]


@dataclass(frozen=True, slots=True)
class Beaten:
    """The answer to a heartbeat.

    Attributes:
        beat: the heartbeat.
        asked_at: when it was sent, as monotonic time.
        answer: what came, or why nothing did.
        sessions: what was saved of the sessions of shards that the node has taken.
    """

    beat: Beat
    asked_at: float
    answer: View | CoordinationFailed
    sessions: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turned:
    """The answer to a question to the identify gate.

    Attributes:
        said: the question.
        answer: what came, or why nothing did.
    """

    said: Said
    answer: Turns | CoordinationFailed


@dataclass(frozen=True, slots=True)
class Mistake:
    """A thread of the node has failed.

    Attributes:
        error: how.
    """

    error: Exception


Answer = Beaten | Turned | Mistake


class NodeRequests:
    """Makes the requests.

    Args:
        coordination: answers them.
        post: called with each answer; must not block.
        name: of the thread.

    Attributes:
        thread: makes the requests, until `end`.
    """

    def __init__(self, coordination: Coordination, post: Callable[[Answer], None], name: str) -> None:
        self.thread: threading.Thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._coordination = coordination
        self._post = post
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._left = threading.Event()
        in_child(self, NodeRequests._abandon)

    def beat(self, beat: Beat) -> None:
        """Send a heartbeat. Does not wait; `Beaten` is posted."""
        self._inbox.put(lambda: self._beat(beat))

    def turns(self, node: NodeInfo, said: Said) -> None:
        """Ask the identify gate. Does not wait; `Turned` is posted."""
        self._inbox.put(lambda: self._turns(node, said))

    def leave(self, node: NodeInfo, said: Said, *, is_known: bool) -> None:
        """Leave the other nodes, after all else. Does not wait.

        Args:
            said: what to tell the identify gate first: leaving returns the node's turns, so an IDENTIFY that was sent
                must be counted before.
            is_known: whether they have seen the node.
        """
        self._inbox.put(lambda: self._leave(node, said, is_known))

    def wait_until_left(self, timeout: float) -> None:
        """Wait until the request to leave is over, for `timeout` seconds at most."""
        self._left.wait(timeout)

    def end(self) -> None:
        """End the thread after the requests before. Does not wait."""
        self._inbox.put(None)

    def _abandon(self) -> None:
        """In a forked child: the thread is the parent's."""
        self._inbox = queue.SimpleQueue()
        self._left = threading.Event()
        self._left.set()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (request := self._inbox.get()) is not None:
            try:
                request()
            except Exception as mistake:
                self._post(Mistake(mistake))

    def _beat(self, beat: Beat) -> None:
        node, asked_at = beat.node, time.monotonic()
        try:
            view = self._coordination.beat(node, beat.hold, beat.states)
            mine = [
                shard for shard in sorted(beat.take) if shard in view.leases and view.leases[shard].owner == node.id
            ]
            # From now on nobody else can change the sessions.
            sessions = self._coordination.load(node.total, mine) if mine else {}
        except CoordinationFailed as error:
            self._post(Beaten(beat, asked_at, error))
        else:
            self._post(Beaten(beat, asked_at, view, sessions))

    def _turns(self, node: NodeInfo, said: Said) -> None:
        try:
            self._post(Turned(said, self._coordination.turns(node, said.request(time.monotonic()))))
        except CoordinationFailed as error:
            self._post(Turned(said, error))

    def _leave(self, node: NodeInfo, said: Said, is_known: bool) -> None:
        try:
            if said.sent:
                self._coordination.turns(node, said.request(time.monotonic()))
            self._coordination.leave(node)
        except CoordinationFailed as error:
            if is_known:
                ttl = self._coordination.times.ttl
                _LOG.info("the other processes will notice in %g seconds that this process left: %s", ttl, error)
        finally:
            self._left.set()
