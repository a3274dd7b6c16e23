"""What goes wrong with the SQLite file itself."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from coordination_support import TIMES

from vox_gateway.coordination import CoordinationFailed, NodeInfo, open_coordination


def test_an_error_after_which_sqlite_rolls_back_is_named(tmp_path: Path) -> None:
    with contextlib.closing(open_coordination(f"sqlite:///{tmp_path}/bot.db", bot="1", times=TIMES)) as coordination:
        info = NodeInfo("id", "name", 1, 1)
        coordination.beat(info, {0: 1.0})
        with contextlib.closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as other:
            full = "SELECT RAISE(ROLLBACK, 'database or disk is full')"  # as SQLite rolls back on a full disk
            other.execute(f"CREATE TRIGGER full BEFORE INSERT ON session BEGIN {full}; END")
            with pytest.raises(CoordinationFailed, match="database or disk is full"):
                coordination.save(info, 0, "text")
            other.execute("DROP TRIGGER full")
        coordination.save(info, 0, "text")
        assert coordination.load(1, [0]) == {0: "text"}


def test_a_file_that_others_no_longer_find_is_refused_at_the_next_heartbeat(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/bot.db", tmp_path / "bot.db"
    info, other = NodeInfo("id", "name", 1, 1), NodeInfo("id2", "name", 1, 1)
    with contextlib.closing(open_coordination(url, bot="1", times=TIMES)) as coordination:
        coordination.beat(info, {0: 1.0})
        for name in ("bot.db", "bot.db-wal", "bot.db-shm"):
            file, away = tmp_path / name, tmp_path / "away"
            file.rename(away)
            with pytest.raises(CoordinationFailed, match=f"{file} was deleted or replaced; restart all processes"):
                coordination.beat(info, {0: 1.0})
            file.write_bytes(b"")
            with pytest.raises(CoordinationFailed, match="deleted or replaced"):
                coordination.beat(info, {0: 1.0})
            away.rename(file)
            assert coordination.beat(info, {0: 1.0}).leases[0].owner == info.id, "it is back"
        for file in tmp_path.iterdir():
            file.unlink()
        with contextlib.closing(open_coordination(url, bot="1", times=TIMES)) as new:
            assert new.beat(other, {0: 1.0}).leases[0].owner == other.id
            with pytest.raises(CoordinationFailed, match=f"{path} was deleted or replaced"):
                coordination.beat(info, {0: 1.0})
