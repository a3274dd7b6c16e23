"""The session on disk: what it holds, whose it is, and who keeps it up to date. No socket."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from vox_gateway import Client
from vox_gateway.logs import ShardLog
from vox_gateway.session import Session
from vox_gateway.session_file import SessionFile, check_session_file
from vox_gateway.session_keeper import SessionKeeper

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
SESSION = Session("abc", 7, "wss://resume.example")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


def file(path: Path, token: str = TOKEN, shard: tuple[int, int] = (0, 1), intents: int = 5) -> SessionFile:
    return SessionFile.of(path, token, shard, intents)


def test_what_is_saved_is_loaded(path: Path) -> None:
    assert file(path).load() is None
    file(path).save(SESSION)
    assert file(path).load() == SESSION
    file(path).save(Session("abc", 8, None))
    assert file(path).load() == Session("abc", 8, None)
    assert os.listdir(path.parent) == [path.name]
    file(path).clear()
    file(path).clear()
    assert file(path).load() is None


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_only_its_owner_may_read_it(path: Path) -> None:
    path.with_name("session.json.new").touch(0o666)  # of a process that was killed
    file(path).save(SESSION)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_neither_the_token_nor_a_part_of_it_is_in_it(path: Path) -> None:
    file(path).save(SESSION)
    assert not any(part in path.read_text() for part in TOKEN.split("."))


def test_a_file_that_cannot_be_replaced_stays_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file(path).save(SESSION)

    def fail(*args: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        file(path).save(Session("abc", 8, None))
    assert file(path).load() == SESSION


def test_another_bots_file_is_refused_and_another_shards(path: Path) -> None:
    file(path).save(SESSION)
    with pytest.raises(ValueError, match=r"session_file=.* is of another bot"):
        file(path, token="MTIz.Gabcde.not-a-real-token").load()
    with pytest.raises(ValueError, match=r"session_file=.* is of shard 0/1"):
        file(path, shard=(1, 2)).load()
    with pytest.raises(ValueError, match="is of another bot"):
        Client(token="another", session_file=path)


def test_a_session_of_another_token_or_other_intents_is_not_resumed(path: Path) -> None:
    file(path).save(SESSION)
    assert file(path, token="MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gxyz.was-reset").load() is None
    assert file(path, intents=6).load() is None


@pytest.mark.parametrize(
    "content",
    [
        b"[settings]",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format": "vox_gateway session 1"}',
        b'{"format": "vox_gateway session 1", "bot": "", "shard": [0, 1], "identity": "", "session_id": "", "seq": ""}',
    ],
)
def test_what_is_no_session_file_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no session file: delete it, or choose another"):
        Client(token=TOKEN, session_file=str(path))
    assert path.read_bytes() == content


def test_an_empty_file_is_as_good_as_none(path: Path) -> None:
    path.touch()
    assert file(path).load() is None


def test_paths_are_checked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, error, words in [
        (5, TypeError, "session_file must be a path or None, not 5"),
        (b"session", TypeError, "session_file must be a path"),
        (tmp_path, ValueError, "is a folder"),
        (tmp_path / "no" / "session", ValueError, "in a folder that does not exist: make it first"),
    ]:
        with pytest.raises(error, match=words):
            Client(token=TOKEN, session_file=wrong)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    assert check_session_file("session") == tmp_path / "session"


class Position:
    """A position that is moved by the test, and a file that says when it is written."""

    def __init__(self, path: Path) -> None:
        self.session: Session | None = None
        self.arrived: int | None = None
        self.failing = False
        self.written = threading.Semaphore(0)
        self.file = file(path)
        outer = self

        class Told(SessionFile):
            def save(self, session: Session) -> None:
                if outer.failing:
                    outer.written.release()
                    raise OSError("the disk is full")
                super().save(session)
                outer.written.release()

            def clear(self) -> None:
                super().clear()
                outer.written.release()

        self.told = Told(self.file.path, self.file.bot, self.file.shard, self.file.identity)

    def keeper(self, saved: Session | None = None) -> SessionKeeper:
        behind = lambda: self.session is not None and self.session.seq != self.arrived  # noqa: E731
        return SessionKeeper("keeper", self.told, lambda: self.session, behind, saved, ShardLog((0, 1)))


@pytest.fixture
def position(path: Path, monkeypatch: pytest.MonkeyPatch) -> Position:
    monkeypatch.setattr("vox_gateway.session_keeper.SAVE_WITHIN", 0.01)
    return Position(path)


def test_the_keeper_saves_what_has_moved_and_follows_until_nothing_is_behind(position: Position) -> None:
    keeper = position.keeper()
    keeper.start()
    position.session, position.arrived = Session("abc", 1, None), 3
    keeper.arm()
    keeper.arm()
    assert position.written.acquire(timeout=5)
    position.session = Session("abc", 3, None)  # nobody arms it for that
    assert position.written.acquire(timeout=5)
    assert position.file.load() == position.session
    position.session = None
    keeper.stop()
    assert position.file.load() is None


def test_a_session_that_begins_is_saved_without_the_wait(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session_keeper.SAVE_WITHIN", 600.0)
    keeper = position.keeper()
    keeper.start()
    keeper.arm()
    position.session, position.arrived = Session("abc", 1, None), 1
    keeper.save_soon()
    assert position.written.acquire(timeout=5)
    keeper.arm()  # a wait of minutes, which the end does not wait for
    position.session = Session("abc", 2, None)
    keeper.stop()
    assert position.file.load() == Session("abc", 2, None)


def test_what_the_file_says_already_is_not_written_again(position: Position) -> None:
    position.session, position.arrived = SESSION, 7
    keeper = position.keeper(saved=SESSION)
    keeper.start()
    keeper.save_soon()
    keeper.stop()
    assert position.file.load() is None


def test_a_disk_that_fails_is_told_of_once_and_tried_again(
    position: Position, caplog: pytest.LogCaptureFixture
) -> None:
    position.failing = True
    position.session, position.arrived = Session("abc", 1, None), 2
    keeper = position.keeper()
    keeper.start()
    keeper.arm()
    for _ in range(3):
        assert position.written.acquire(timeout=5)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("session_file cannot be written: the disk is full")
    position.failing = False
    keeper.stop()
    assert json.loads(position.file.path.read_text())["seq"] == 1


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    position: Position, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session_keeper.DISK_GRACE", 0.05)
    hangs, goes_on = threading.Event(), threading.Event()
    save = SessionFile.save

    def hang(file: SessionFile, session: Session) -> None:
        hangs.set()
        goes_on.wait(5)
        save(file, session)

    monkeypatch.setattr(SessionFile, "save", hang)
    position.session, position.arrived = SESSION, 7
    keeper = position.keeper()
    keeper.start()
    keeper.save_soon()
    assert hangs.wait(5)
    keeper.stop()
    assert "close() does not wait for it" in caplog.text
    goes_on.set()
    assert position.written.acquire(timeout=5)


def test_options_of_a_client_are_what_the_file_is_bound_to(path: Path) -> None:
    client: Any = Client(token=TOKEN, session_file=path, intents=5)
    client._options.session_file.save(SESSION)
    assert file(path).load() == SESSION
