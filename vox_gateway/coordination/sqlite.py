"""Coordination of processes on one machine, through an SQLite file.

Every step is a transaction that begins with a lock (``BEGIN IMMEDIATE``), reads the state of a bot, changes it and
writes it back. A process that has died is noticed within a second, by its lock; a process that hangs, when its
heartbeats are missed. A process that is stopped in the middle of a step holds up all others. Times are those of the
machine's clock: setting it forward by more than `LeaseTimes.ttl` may cost each shard a RESUME. The file must not be on
a network file system.

See: https://www.sqlite.org/lang_transaction.html
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from ..concurrency.clock import seconds_until
from ..concurrency.fork import FORKED, in_child
from .interface import Change, CoordinationFailed, GateSettings, NodeInfo, Overview, TurnRequest, Turns, View, Watch
from .leases import LeaseTimes
from .slots import Slot, file_id
from .state import Report, SharedState, lost

__all__ = ["SQLiteCoordination"]

T = TypeVar("T")

#: seconds that a step waits for another process's
BUSY_TIMEOUT = 2.0
#: seconds between two looks at what others changed, and at whether they are alive
POLL_INTERVAL, ALIVE_INTERVAL = 0.05, 0.5
_TABLES = """
CREATE TABLE IF NOT EXISTS state (
    bot TEXT PRIMARY KEY, state TEXT NOT NULL, leases_changed INTEGER NOT NULL, gate_changed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
    bot TEXT, total INTEGER, shard INTEGER, session TEXT NOT NULL, PRIMARY KEY (bot, total, shard)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report (
    bot TEXT, total INTEGER, shard INTEGER, node TEXT NOT NULL, at REAL NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (bot, total, shard)
) WITHOUT ROWID;
"""


class SQLiteCoordination:
    """Coordinates the processes of one machine.

    Args:
        path: of the file.
        bot: identifies the bot; bots may share a file.
        times: of leases.
        gate: how often the bot may IDENTIFY.
        create: make the file, and the tables in it, if they do not exist.

    Raises:
        CoordinationFailed: the file cannot be used.
    """

    def __init__(
        self,
        path: str,
        bot: str,
        times: LeaseTimes | None = None,
        gate: GateSettings | None = None,
        *,
        create: bool = True,
    ) -> None:
        self.times: LeaseTimes = times or LeaseTimes()
        self.gate: GateSettings = gate or GateSettings()
        self._path = os.path.abspath(path)
        self._bot = bot
        self._peers: dict[str, int] = {}  # slots of the other nodes at the last heartbeat
        self._lock = threading.Lock()  # guards the connection; taken by the nodes' threads and session writers
        self._connection: sqlite3.Connection | None = None
        try:
            if create:
                _make(self._path)
            self._connection = _connect(self._path)
            (_make_tables if create else _check_tables)(self._connection)
            self._slot = Slot(f"{self._path}-nodes")
            # SQLite keeps the last two while a process is connected.
            names = (self._path, f"{self._path}-wal", f"{self._path}-shm")
            self._files = {name: found for name in names if (found := file_id(name)) is not None}
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._failed(error) from None
        in_child(self, SQLiteCoordination._abandon)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def beat(self, node: NodeInfo, hold: Mapping[int, float], states: Mapping[int, str] | None = None) -> View:
        """See `Coordination`."""

        def step(connection: sqlite3.Connection, state: SharedState, now: float) -> tuple[View, Change]:
            self._check_files()
            self._slot.renew()
            buried = self._bury(state)
            view, changed = state.beat(node, hold, self.times, now, self._slot.number)
            self._peers = {name: slot for name, slot in state.slots().items() if name != node.id}
            rows = [
                (self._bot, node.total, shard, node.id, now, text)
                for shard, text in (states or {}).items()
                if state.owns(node, shard)
            ]
            connection.executemany("INSERT OR REPLACE INTO report VALUES (?, ?, ?, ?, ?, ?)", rows)
            return view, changed | buried

        return self._change(step)

    def leave(self, node: NodeInfo) -> None:
        """See `Coordination`."""
        self._change(lambda _, state, now: (None, state.leave(node.id)))

    def turns(self, node: NodeInfo, request: TurnRequest) -> Turns:
        """See `Coordination`."""
        return self._change(lambda _, state, now: state.turns(node, request, self.gate, self.times.ttl, now))

    def load(self, total: int, shards: Collection[int]) -> dict[int, str]:
        """See `Coordination`."""
        with self._transaction() as connection:
            query = "SELECT shard, session FROM session WHERE bot = ? AND total = ?"
            rows = connection.execute(query, (self._bot, total)).fetchall()
            return {shard: session for shard, session in rows if shard in shards}

    def save(self, node: NodeInfo, shard: int, session: str) -> None:
        """See `Coordination`."""
        with self._transaction() as connection:
            self._check(connection, node, shard)
            values = (self._bot, node.total, shard, session)
            connection.execute("INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?)", values)

    def clear(self, node: NodeInfo, shard: int) -> None:
        """See `Coordination`."""
        with self._transaction() as connection:
            self._check(connection, node, shard)
            key = (self._bot, node.total, shard)
            connection.execute("DELETE FROM session WHERE bot = ? AND total = ? AND shard = ?", key)

    def overview(self) -> Overview:
        """See `Coordination`."""
        with self._transaction() as connection:
            state = self._decode(self._read(connection)[0])
            query = "SELECT total, shard, node, at, state FROM report WHERE bot = ?"
            rows = connection.execute(query, (self._bot,)).fetchall()
        self._bury(state)
        reports = {(total, shard): Report(node, at, text) for total, shard, node, at, text in rows}
        return state.overview(reports, self.gate, time.time())

    def order_drain(self, node_id: str) -> bool:
        """See `Coordination`."""
        return self._change(lambda _, state, now: state.order_drain(node_id, now))

    def order_move(self, node_id: str, shard: int) -> bool:
        """See `Coordination`."""
        return self._change(lambda _, state, now: state.order_move(node_id, shard, now))

    def bots(self) -> list[str]:
        """See `Coordination`."""
        with self._transaction() as connection:
            return [str(bot) for (bot,) in connection.execute("SELECT bot FROM state ORDER BY bot")]

    def watch(self) -> Watch:
        """See `Coordination`."""
        return _SQLiteWatch(self)

    def close(self) -> None:
        """See `Coordination`."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
        if slot := getattr(self, "_slot", None):
            slot.close()

    # -- transactions --------------------------------------------------------------------------------------------------

    def _change(self, step: Callable[[sqlite3.Connection, SharedState, float], tuple[T, Change]]) -> T:
        with self._transaction() as connection:
            before, leases_changed, gate_changed = self._read(connection)
            state = self._decode(before)
            result, changed = step(connection, state, time.time())
            after = json.dumps(state.to_json())
            if after != before or changed:
                counts = leases_changed + (Change.LEASES in changed), gate_changed + (Change.GATE in changed)
                connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", (self._bot, after, *counts))
            return result

    def _check(self, connection: sqlite3.Connection, node: NodeInfo, shard: int) -> None:
        state = self._decode(self._read(connection)[0])
        state.expire(time.time(), self.times.ttl)
        if not state.owns(node, shard):
            raise lost(node, shard)

    def _read(self, connection: sqlite3.Connection) -> tuple[str, int, int]:
        query = "SELECT state, leases_changed, gate_changed FROM state WHERE bot = ?"
        row: tuple[str, int, int] | None = connection.execute(query, (self._bot,)).fetchone()
        return row or ("", 0, 0)

    def _decode(self, text: str) -> SharedState:
        return SharedState.from_json(json.loads(text)) if text else SharedState(self.gate.max_concurrency)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._connection
            if connection is None:
                raise CoordinationFailed(f"{self._path} was closed")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except (OSError, sqlite3.Error) as error:
                raise self._failed(error) from None
            finally:
                if connection.in_transaction:  # after some errors, such as a full disk, SQLite itself has rolled back
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")

    def _check_files(self) -> None:
        """Refuse to go on if other processes, which start now, would coordinate through other files of these names."""
        for path, opened in self._files.items():
            if file_id(path) != opened:
                raise self._failed(f"{path} was deleted or replaced; restart all processes of the bot")

    def _failed(self, error: Exception | str) -> CoordinationFailed:
        reason = error.strerror if isinstance(error, OSError) else error
        return CoordinationFailed(f"the shards cannot be coordinated through {self._path}: {reason}")

    # -- changes -------------------------------------------------------------------------------------------------------

    def _counts(self) -> tuple[int, int] | None:
        """Return the numbers of changes; None if they cannot be read."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                return self._read(self._connection)[1:]
            except sqlite3.Error:
                return None

    def _bury(self, state: SharedState) -> Change:
        return state.bury({name for name, slot in state.slots().items() if self._slot.is_free(slot)})

    def _has_dead_peer(self) -> bool:
        return any(self._slot.is_free(slot) for slot in self._peers.values())

    def _abandon(self) -> None:
        # SQLite's locks are the parent's: closing the child's copy of the connection could release them.
        if self._connection is not None:
            _abandoned.append(self._connection)
        self._connection = None
        self._slot.number = None
        self._lock = threading.Lock()
        self._path = f"{self._path} ({FORKED})"


#: connections of the parent process, which must not be closed here
_abandoned: list[sqlite3.Connection] = []


def _make(path: str) -> None:
    """Make the file if it does not exist, for this user alone: it holds session ids.

    A file that exists is not opened: closing it would release the locks of this process's other connections.

    See: https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connect(path: str) -> sqlite3.Connection:
    url = f"{Path(path).as_uri()}?mode=rw"  # makes no file
    return sqlite3.connect(url, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(_TABLES)


def _check_tables(connection: sqlite3.Connection) -> None:
    """Refuse a file that no process has used, such as somebody else's database. Writes nothing.

    Raises:
        sqlite3.Error: it has other tables, or cannot be read.
    """
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('state')")}
    if not columns >= {"bot", "state", "leases_changed", "gate_changed"}:
        raise sqlite3.DatabaseError("no process of a bot has used this file")


class _SQLiteWatch:
    """Polls: SQLite does not report changes of other processes."""

    def __init__(self, coordination: SQLiteCoordination) -> None:
        self._coordination = coordination
        self._seen: tuple[int, int] | None = None
        self._pause = threading.Event()
        self._alive_at = 0.0

    def wait(self, seconds: float) -> Change:
        until = time.monotonic() + seconds
        while not (changed := self._look()) and (left := seconds_until(until)) > 0:
            self._pause.wait(min(left, POLL_INTERVAL))
        return changed

    def _look(self) -> Change:
        changed = Change.NONE
        counts = self._coordination._counts()
        if counts is not None:
            seen, self._seen = self._seen or (-1, -1), counts
            changed |= Change.LEASES if counts[0] != seen[0] else Change.NONE
            changed |= Change.GATE if counts[1] != seen[1] else Change.NONE
        if (now := time.monotonic()) >= self._alive_at:
            self._alive_at = now + ALIVE_INTERVAL
            if self._coordination._has_dead_peer():
                changed |= Change.LEASES
        return changed

    def close(self) -> None:
        pass
