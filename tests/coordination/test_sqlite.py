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
