"""Which guilds the bot is in, and which of them have come in this session.

The dispatcher shows READY, RESUMED, GUILD_CREATE and GUILD_DELETE to the `GuildTracker` before their handlers run,
so the states follow the order of the events. Any thread reads them through `Guilds`, and waits in `GuildTracker.wait`.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, NamedTuple, Protocol, TypeVar, overload

from .. import events
from ..concurrency.signals import SignalSafeCondition
from ..encoding import Payload
from ..encoding.fields import id_of, objects_of
from ..encoding.raw_dispatch import RawDispatch
from ..log import ShardLog

__all__ = ["GUILD_EVENTS", "Arrival", "GuildState", "GuildTracker", "Guilds"]

T = TypeVar("T")

#: the events that the tracker reads
GUILD_EVENTS = frozenset({events.READY, events.RESUMED, events.GUILD_CREATE, events.GUILD_DELETE})
#: seconds without a GUILD_CREATE after which the guilds that have not come count as unavailable
SETTLE_AFTER = 5.0
#: number of the newest GUILD_CREATEs whose arrival is kept by event; as many as wait in a full backlog by default
RECENT = 10_000

_IDS = re.compile(rb'"id":"(\d+)"').findall
_UNAVAILABLE = b'"unavailable":true'


class GuildState(str, enum.Enum):
    """Whether a guild is there."""

    LOADING = "loading"  #: READY has it, and its GUILD_CREATE has not come yet
    AVAILABLE = "available"  #: its GUILD_CREATE has come
    UNAVAILABLE = "unavailable"  #: it is in an outage, or did not come with the other guilds

    def __str__(self) -> str:
        return self.value


class Arrival(str, enum.Enum):
    """Why a GUILD_CREATE came."""

    FIRST_LOAD = "first load"  #: READY has the guild, and this is the first time that it comes in the session
    JOINED = "joined"  #: the bot was added to the guild
    AVAILABLE_AGAIN = "available again"  #: an outage of the guild is over

    def __str__(self) -> str:
        return self.value


class _Guild(NamedTuple):
    """What is known of a guild.

    Attributes:
        following: what the next GUILD_CREATE will be, unless the guild is available; None if that cannot be known.
        arrival: what the last GUILD_CREATE was; None before the first, or if that cannot be known.
    """

    state: GuildState
    following: Arrival | None
    arrival: Arrival | None = None


class GuildTracker:
    """Owns the states of a client's guilds. They go on over a RESUME, also in another run, and begin anew with READY.

    Any thread may call `wait`; the shard calls `begin` and `end`, the dispatcher the rest.

    Args:
        is_sent: whether the intents bring guilds.

    Attributes:
        view: the states, for the program.
        is_due: whether the dispatcher should call `complete`, and emit `events.GUILDS_READY`.
        is_listed: whether READY has come in this process, and so the guilds are known.
    """

    def __init__(self, is_sent: bool, log: ShardLog) -> None:
        self.view: Guilds = Guilds(self)
        self.is_due: bool = False
        self._is_sent = is_sent
        self._log = log
        #: replaced by READY; entries are replaced by single assignments, so that any thread may read them
        self.guilds: dict[str, _Guild] = {}
        self._loading = 0
        self.is_listed: bool = False
        # By the identity of the id in the event's data; kept here, so that no other object can take its place.
        self._recent: dict[int, tuple[object, Arrival | None]] = {}
        self._came_at = 0.0  # when a guild came last
        self._is_timed = False  # a check is scheduled
        self._check_at: Callable[[float], object] = lambda when: None
        self._is_connected: Callable[[], bool] = lambda: False
        # No lock, since a signal handler that closes the client may interrupt a caller's wait: each change is a single
        # step. The supervisor counts the runs that have ended, and the dispatcher sets the count at which the guilds
        # came, so that they are not complete in another run.
        self._is_running = False
        self._runs_ended = 0
        self._complete_at: int | None = None
        self._changed = SignalSafeCondition()

    # -- for any thread ----------------------------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """Whether the guilds have come, in the run that is under way."""
        return self._is_running and self._complete_at == self._runs_ended

    def wait(self, timeout: float | None) -> bool:
        """Wait until the guilds have come, and before the first run for that run too.

        Args:
            timeout: seconds; None for no limit.

        Returns:
            False if `timeout` passed first, or the run ended.
        """
        ended = self._runs_ended
        if not self._is_running and ended:
            return False
        self._changed.wait_for(lambda: self.is_complete or self._runs_ended != ended, timeout)
        return self.is_complete and self._runs_ended == ended

    def arrival(self, guild_id: object) -> Arrival | None:
        """Return why the GUILD_CREATE came whose data holds this very `guild_id`; of an equal id, the last."""
        guild, arrival = self._recent.get(id(guild_id), (None, None))
        if guild is guild_id:
            return arrival
        known = self.guilds.get(id_of(guild_id) or "")
        return None if known is None else known.arrival

    # -- for the shard -----------------------------------------------------------------------------------------------

    def begin(self, check_at: Callable[[float], object], is_connected: Callable[[], bool]) -> None:
        """A run begins.

        Args:
            check_at: makes the dispatcher call `check` at a time, behind the events that have arrived by then.
            is_connected: whether events arrive.
        """
        self._check_at, self._is_connected = check_at, is_connected
        self._is_timed = self.is_due = False
        self._complete_at = None
        self._is_running = True

    def end(self) -> None:
        """End every wait: the run is over."""
        self._is_running = False
        self._runs_ended += 1
        self._changed.notify_all()

    # -- for the dispatcher ------------------------------------------------------------------------------------------

    def observe(self, payload: Payload) -> None:
        """Take one of `GUILD_EVENTS`, before its handlers run. Accepts any data."""
        name, data = payload["t"], payload.get("d")
        if name == "READY":
            self._list(data)
        elif name == "RESUMED":
            self._count()
        elif isinstance(data, dict) and (guild_id := id_of(data.get("id"))) is not None:
            if name == "GUILD_DELETE":
                self._delete(guild_id, is_outage=data.get("unavailable") is True)
            else:
                self._remember(data["id"], self._create(guild_id, is_outage=data.get("unavailable") is True))

    def skim(self, name: str, event: RawDispatch) -> bool:
        """Take an event that nobody else wants, without decoding it; return False if it has to be decoded.

        A GUILD_CREATE can be large, and its keys come in any order. The guild is known by being the only one of our
        guilds whose id is in it; where there is doubt the event is decoded.
        """
        if name != "GUILD_CREATE" or _UNAVAILABLE in event:
            return False
        found = [guild_id for guild_id in map(bytes.decode, set(_IDS(event))) if guild_id in self.guilds]
        if len(found) != 1 or self.guilds[found[0]].state is GuildState.AVAILABLE:
            return False
        self._create(found[0], is_outage=False)
        return True

    def check(self) -> None:
        """Give up the guilds that have not come, unless a guild came lately."""
        self._is_timed = False
        if not self._loading:
            return
        if not self._is_connected():
            self._came_at = time.monotonic()  # the connection may come back with more
        if time.monotonic() < self._came_at + SETTLE_AFTER:
            self._schedule()
            return
        self._log.info(
            "%d of %d guilds have not come, and none has for %g seconds: they count as unavailable",
            self._loading,
            len(self.guilds),
            SETTLE_AFTER,
        )
        for guild_id, guild in self.guilds.items():
            if guild.state is GuildState.LOADING:
                self.guilds[guild_id] = guild._replace(state=GuildState.UNAVAILABLE)
        self._loading = 0
        self._count()

    def complete(self) -> None:
        """The guilds have come: end the waits for that."""
        self.is_due = False
        self._complete_at = self._runs_ended
        self._changed.notify_all()

    def _list(self, data: Any) -> None:
        """Take the guilds of READY."""
        listed = objects_of(data.get("guilds")) if isinstance(data, dict) else []
        ids = [guild_id for guild in listed if (guild_id := id_of(guild.get("id"))) is not None]
        state = GuildState.LOADING if self._is_sent else GuildState.UNAVAILABLE
        self.guilds = {guild_id: _Guild(state, Arrival.FIRST_LOAD) for guild_id in ids}
        self._loading = len(self.guilds) if self._is_sent else 0
        self.is_listed = True
        self._complete_at, self.is_due = None, False
        self._count()

    def _create(self, guild_id: str, *, is_outage: bool) -> Arrival | None:
        known = self.guilds.get(guild_id)
        if known is None:  # after a resume from a file the guilds are unknown, and so is whether this one is new
            known = _Guild(GuildState.UNAVAILABLE, Arrival.JOINED if self.is_listed else None)
        arrival = None
        if is_outage:
            self._set(guild_id, known._replace(state=GuildState.UNAVAILABLE))
        elif known.state is GuildState.AVAILABLE:
            arrival = known.arrival  # a RESUME may bring an event again
        else:
            arrival = known.following
            self._set(guild_id, _Guild(GuildState.AVAILABLE, Arrival.AVAILABLE_AGAIN, arrival))
        return arrival

    def _delete(self, guild_id: str, *, is_outage: bool) -> None:
        if is_outage:
            known = self.guilds.get(guild_id) or _Guild(GuildState.AVAILABLE, Arrival.AVAILABLE_AGAIN)
            self._set(guild_id, known._replace(state=GuildState.UNAVAILABLE))
        else:
            self._set(guild_id, None)

    def _set(self, guild_id: str, guild: _Guild | None) -> None:
        before = self.guilds.get(guild_id)
        if guild is None:
            self.guilds.pop(guild_id, None)
        else:
            self.guilds[guild_id] = guild
        if before is not None and before.state is GuildState.LOADING:
            self._loading -= 1
            self._count()

    def _count(self) -> None:
        """The session goes on, or a guild has come: it may have been the last."""
        self._came_at = time.monotonic()
        if self._loading:
            self._schedule()
        else:
            self.is_due = self._is_sent and not self.is_complete

    def _schedule(self) -> None:
        if not self._is_timed:
            self._is_timed = True
            self._check_at(self._came_at + SETTLE_AFTER)

    def _remember(self, guild_id: object, arrival: Arrival | None) -> None:
        self._recent[id(guild_id)] = guild_id, arrival
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]


class GuildStates(Protocol):
    """What `Guilds` shows: the tracker of a shard, or those of all shards."""

    @property
    def guilds(self) -> dict[str, _Guild]:
        """The guilds by id."""

    def arrival(self, guild_id: object) -> Arrival | None:
        """See `Guilds.arrival`."""


class AllGuilds:
    """The guilds of all shards.

    Args:
        trackers: returns those of the shards.
    """

    def __init__(self, trackers: Callable[[], Iterable[GuildTracker]]) -> None:
        self._trackers = trackers

    @property
    def guilds(self) -> dict[str, _Guild]:
        """The guilds by id."""
        found: dict[str, _Guild] = {}
        for tracker in self._trackers():
            found.update(tracker.guilds)
        return found

    def arrival(self, guild_id: object) -> Arrival | None:
        """See `Guilds.arrival`. A guild is in one of the trackers."""
        arrivals = (tracker.arrival(guild_id) for tracker in self._trackers())
        return next((arrival for arrival in arrivals if arrival is not None), None)


class Guilds(Mapping[str, GuildState]):
    """The ids of the bot's guilds, each with its state; always up to date, and read-only. ::

        @client.on("GUILD_CREATE")
        def guild_create(guild):
            if client.guilds.arrival(guild) is Arrival.JOINED:
                print("hello,", guild["name"])

    READY lists the guilds, and each is LOADING until its GUILD_CREATE comes. A guild that the bot has left is no longer
    there. A RESUME continues the states; with a new session they begin anew. Ids may also be given as integers.

    After a resume from `session_file` there was no READY: only guilds that have changed since are there.

    See: https://docs.discord.com/developers/events/gateway-events#guild-create
    """

    def __init__(self, tracker: GuildStates) -> None:
        self._tracker = tracker

    def arrival(self, guild: Mapping[str, Any]) -> Arrival | None:
        """Return why a GUILD_CREATE came.

        The answer belongs to that event: it is the same on workers, on a caller's thread and for events of a stream,
        even if the guild has come again since. For a copy of the data with an id of its own, such as one that was
        unpickled, the newest GUILD_CREATE of the guild counts.

        Args:
            guild: the data of the event, as it came.

        Returns:
            None if the guild is still ``unavailable``, if no such GUILD_CREATE came, and if the session was resumed
            from `session_file` and what came before is unknown.

        Raises:
            TypeError: `guild` is not the data of an event.
        """
        if not isinstance(guild, Mapping):
            raise TypeError(f"guild must be the data of a GUILD_CREATE, not {guild!r}")
        return self._tracker.arrival(guild.get("id"))

    def __getitem__(self, guild_id: str | int) -> GuildState:
        return self._tracker.guilds[str(guild_id)].state

    @overload
    def get(self, guild_id: str | int, /) -> GuildState | None: ...
    @overload
    def get(self, guild_id: str | int, /, default: GuildState | T) -> GuildState | T: ...
    def get(self, guild_id: str | int, /, default: Any = None) -> Any:
        """Return the state of a guild; `default` if the bot is not in it."""
        try:
            return self[guild_id]
        except KeyError:
            return default

    def __contains__(self, guild_id: object) -> bool:
        return str(guild_id) in self._tracker.guilds

    def __iter__(self) -> Iterator[str]:
        return iter(self._copy())

    def __len__(self) -> int:
        return len(self._tracker.guilds)

    def items(self) -> ItemsView[str, GuildState]:
        """Return the ids and states as they are now."""
        return self._copy().items()

    def values(self) -> ValuesView[GuildState]:
        """Return the states as they are now."""
        return self._copy().values()

    def __repr__(self) -> str:
        return f"<Guilds {self._copy()!r}>"

    def _copy(self) -> dict[str, GuildState]:
        # The copy is a single step, which the dispatcher cannot disturb.
        return {guild_id: guild.state for guild_id, guild in self._tracker.guilds.copy().items()}
