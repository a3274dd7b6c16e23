"""Two generations of shards that get the same events, of which each is dispatched once.

Everything here runs on the dispatcher's thread, which all shards share, so the switch from the old generation to the
new falls between two events. Before it the old shards' events are dispatched, and the new shards' are held back; after
it the new shards' are dispatched. An event of one generation that the other has dispatched is discarded.

Events are compared by a fingerprint, as nothing in an event is the same in both sessions but its name and its data.
What is kept is bounded: by the backlog of each new shard, which an event that is held back occupies until the other
generation dispatches it, and by `WINDOW`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..dispatch.dispatcher import Dispatcher, EventFilter
from ..dispatch.guilds import GUILD_EVENTS
from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..errors import DecodeError

__all__ = ["WINDOW", "Overlap"]

#: seconds for which a dispatched event is remembered, in case that the other generation gets it later
WINDOW = 30.0
#: events of a session alone, which the other generation does not get
_OF_SESSION = ("READY", "RESUMED")

Fingerprint = tuple[str, bytes]


@dataclass(slots=True, eq=False)
class _Held:
    """An event of a new shard that was held back.

    Attributes:
        event: only what it says about the state of a guild, once it was dispatched.
        is_dispatched: whether an old shard has dispatched it.
    """

    event: Payload | RawDispatch
    is_dispatched: bool = False


class Overlap:
    """The time in which both generations are connected.

    Args:
        decode: decodes a payload.
        on_ready: called with a shard's id when its READY has been taken.
        clock: returns monotonic time in seconds.
    """

    def __init__(
        self,
        decode: Callable[[bytes], Any],
        on_ready: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.decode = decode
        self.on_ready = on_ready
        self.is_switched: bool = False
        self._clock = clock
        self._new: list[_NewShard] = []
        # Dispatched by the old generation and not seen in the new: when, by fingerprint; and both in order of time.
        self._dispatched: dict[Fingerprint, deque[float]] = {}
        self._expiry: deque[tuple[float, Fingerprint]] = deque()
        self._held: dict[Fingerprint, deque[tuple[_NewShard, _Held]]] = {}

    def old(self, dispatcher: Dispatcher) -> EventFilter:
        """Return the filter of a shard of the old generation."""
        return _OldShard(self, dispatcher)

    def new(self, dispatcher: Dispatcher) -> EventFilter:
        """Return the filter of a shard of the new generation."""
        shard = _NewShard(self, dispatcher)
        self._new.append(shard)
        return shard

    def switch(self) -> None:
        """Dispatch the events of the new generation from now on, beginning with those that were held back."""
        self.is_switched = True
        self._held = {}
        for shard in self._new:
            shard.release()

    def note_dispatched(self, fingerprint: Fingerprint) -> None:
        """The old generation dispatches an event."""
        held = self._held.get(fingerprint)
        if held:
            shard, entry = held.popleft()
            if not held:
                del self._held[fingerprint]
            shard.forget(entry)
            return
        now = self._clock()
        self._expire(now)
        self._dispatched.setdefault(fingerprint, deque()).append(now)
        self._expiry.append((now, fingerprint))

    def was_dispatched(self, fingerprint: Fingerprint) -> bool:
        """Return whether the old generation has dispatched such an event once more than the new has got it."""
        times = self._dispatched.get(fingerprint)
        if not times:
            return False
        times.popleft()
        return True

    def hold(self, shard: _NewShard, fingerprint: Fingerprint, entry: _Held) -> None:
        """Find `entry` again when the old generation dispatches the same event."""
        self._held.setdefault(fingerprint, deque()).append((shard, entry))

    def _expire(self, now: float) -> None:
        while self._expiry and self._expiry[0][0] < now - WINDOW:
            at, fingerprint = self._expiry.popleft()
            times = self._dispatched.get(fingerprint)
            if times and times[0] == at:
                times.popleft()
            if not times:
                self._dispatched.pop(fingerprint, None)


class _OldShard(EventFilter):
    def __init__(self, overlap: Overlap, dispatcher: Dispatcher) -> None:
        self._overlap = overlap
        self._dispatcher = dispatcher

    def select(self, batch: list[Any]) -> list[Any]:
        """See `EventFilter`."""
        overlap, progress = self._overlap, self._dispatcher.progress
        if overlap.is_switched:
            self._dispatcher.discard(len(batch))
            return []
        if not (progress.is_dropping or progress.is_rejecting):
            for event in batch:
                if (payload := _decoded(event, overlap.decode)) is not None and payload["t"] not in _OF_SESSION:
                    overlap.note_dispatched(_fingerprint(payload))
        return batch


class _NewShard(EventFilter):
    def __init__(self, overlap: Overlap, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self._overlap = overlap
        self._held: dict[_Held, None] = {}  # in order
        self._initial: set[str] = set()  # guilds whose GUILD_CREATE belongs to READY: the old shards had it long ago

    def select(self, batch: list[Any]) -> list[Any]:
        """See `EventFilter`."""
        selected = []
        for event in batch:
            payload = _decoded(event, self._overlap.decode)
            fingerprint = None
            if payload is not None:
                if payload["t"] == "READY":
                    self._begin(payload)
                elif payload["t"] != "RESUMED":
                    fingerprint = _fingerprint(payload)
                    if self._is_initial(payload) or self._overlap.was_dispatched(fingerprint):
                        self._discard(payload)
                        continue
            if self._overlap.is_switched:
                selected.append(event)
                continue
            self._held[held := _Held(event)] = None
            if fingerprint is not None:
                self._overlap.hold(self, fingerprint, held)
        return selected

    def release(self) -> None:
        """Dispatch what was held back and not dispatched by the old generation."""
        held, self._held = self._held, {}
        for entry in held:
            if not entry.is_dispatched:
                self.dispatcher.dispatch([entry.event])
            elif (payload := _decoded(entry.event, self._overlap.decode)) is not None:
                self.dispatcher.observe(payload)
        self.dispatcher.dispatch([])

    def forget(self, entry: _Held) -> None:
        """The old generation has dispatched an event that is held back here: keep what it says about its guild."""
        self.dispatcher.discard(1)
        payload = _decoded(entry.event, self._overlap.decode)
        if payload is None or (brief := _brief(payload)) is None:
            del self._held[entry]
        else:
            entry.event, entry.is_dispatched = brief, True

    def _discard(self, payload: Payload) -> None:
        """Count an event that is not dispatched. What it says about its guild is noted after READY."""
        self.dispatcher.discard(1)
        if self._overlap.is_switched:
            self.dispatcher.observe(payload)
        elif (brief := _brief(payload)) is not None:
            self._held[_Held(brief, is_dispatched=True)] = None

    def _begin(self, ready: Payload) -> None:
        guilds = ready["d"].get("guilds") if isinstance(ready.get("d"), dict) else None
        known = [guild for guild in guilds or () if isinstance(guild, dict)]
        self._initial = {str(guild.get("id")) for guild in known}
        self._overlap.on_ready(self.dispatcher.shard)

    def _is_initial(self, payload: Payload) -> bool:
        data = payload.get("d")
        if payload["t"] != "GUILD_CREATE" or not isinstance(data, dict) or str(data.get("id")) not in self._initial:
            return False
        self._initial.remove(str(data["id"]))
        return True


def _brief(payload: Payload) -> Payload | None:
    """Return what an event says about the state of its guild; None if it says nothing."""
    if payload["t"] not in GUILD_EVENTS:
        return None
    data = payload.get("d")
    brief = {key: data[key] for key in ("id", "unavailable") if key in data} if isinstance(data, dict) else data
    return {**payload, "d": brief}


def _decoded(event: Payload | RawDispatch, decode: Callable[[bytes], Any]) -> Payload | None:
    """Return the payload of an event; None if it cannot be decoded, which the dispatcher reports."""
    if not isinstance(event, bytes):
        return event
    try:
        return raw_dispatch.decode(event, decode)
    except DecodeError:
        return None


def _fingerprint(payload: Payload) -> Fingerprint:
    data = json.dumps(payload.get("d"), sort_keys=True, separators=(",", ":"), default=str)
    return payload["t"], hashlib.blake2b(data.encode(), digest_size=16).digest()
