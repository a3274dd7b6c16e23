"""The thread that keeps the session file up to date, and the leases of runs."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from vox_gateway import AlreadyConnected
from vox_gateway.log import ShardLog
from vox_gateway.session.file import SessionFile
from vox_gateway.session.format import SavedSession
from vox_gateway.session.lock import SessionLock
from vox_gateway.session.owner import SessionOwner
from vox_gateway.session.state import Session
from vox_gateway.session.store import OwnedStore, SessionStore
from vox_gateway.session.writer import SessionLease, SessionWriter

SESSION = Session("abc", 7, "wss://resume.example", "1100000000000000001")
LOG = ShardLog((0, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


def owned(store: SessionStore) -> OwnedStore:
    owner = SessionOwner.of(token="a token", shard=(0, 1), intents=5, encoding="json", compress=None)
    return OwnedStore(store, owner)


def file(path: Path) -> OwnedStore:
    return owned(SessionFile(path))


def is_free(path: Path) -> bool:
    lock = SessionLock(path)
    try:
        lock.acquire()
    except AlreadyConnected:
        return False
    lock.release()
    return True


class Position:
    """A position that is moved by the test, and a file that says when it is written."""

    def __init__(self, path: Path) -> None:
        self.session: Session | None = None
        self.failing = False
        self.written = threading.Semaphore(0)
        self.may_write = threading.Event()
        self.may_write.set()
        outer = self

        class Told(SessionFile):
            def save(self, session: SavedSession) -> None:
                if not outer.may_write.wait(5):
                    pytest.fail("the test ended")
                if outer.failing:
                    outer.written.release()
                    raise OSError("the disk is full")
                super().save(session)
                outer.written.release()

            def clear(self) -> None:
                super().clear()
                outer.written.release()

        self.path, self.file = path, owned(Told(path))
        self.writer = SessionWriter("writer", self.file, LOG)

    def lease(self) -> SessionLease:
        """A lease for the position."""
        lease, _ = self.writer.acquire(Session())
        lease.start(lambda: self.session, lambda: None, pytest.fail)
        return lease

    def moves(self, lease: SessionLease, seq: int) -> None:
        self.session = Session("abc", seq, None)
        lease.progressed()

    @property
    def kept(self) -> Session | None:
        return self.file.load(LOG)

    def is_written(self) -> bool:
        return self.written.acquire(timeout=5)


@pytest.fixture
def position(path: Path, monkeypatch: pytest.MonkeyPatch) -> Position:
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 600.0)
    monkeypatch.setattr("vox_gateway.session.writer.READY_WAITS", 5.0)
    return Position(path)


def test_the_first_progress_is_saved_at_once_and_the_rest_at_the_end(position: Position) -> None:
    lease = position.lease()
    lease.progressed()  # nothing to save yet
    position.moves(lease, 1)
    assert position.is_written()
    assert position.kept == Session("abc", 1, None)
    position.moves(lease, 2)  # not for 600 seconds
    lease.end()
    assert position.kept == Session("abc", 2, None)


def test_progress_is_followed(position: Position, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 0.01)
    lease = position.lease()
    for seq in range(1, 5):
        position.moves(lease, seq)
        assert position.is_written()
        assert position.kept == Session("abc", seq, None)
    position.session = None
    lease.progressed()
    assert position.is_written()
    assert position.kept is None
    lease.end()


def test_a_new_session_is_saved_without_delay(position: Position) -> None:
    lease = position.lease()
    position.moves(lease, 1)
    assert position.is_written()
    position.session = Session("def", 1, None)
    lease.save_soon()
    assert position.is_written()
    assert position.kept == position.session
    position.session = Session("ghi", 1, None)
    lease.wait_until_saved()
    assert position.kept == position.session
    lease.end()


def test_ready_does_not_delay_the_first_progress(position: Position) -> None:
    lease = position.lease()
    position.session = Session("abc", 1, None)
    lease.wait_until_saved()
    assert position.is_written()
    position.moves(lease, 2)
    assert position.is_written()
    lease.end()


def test_an_unchanged_session_is_not_written_again(position: Position, path: Path) -> None:
    file(path).save(SESSION)
    position.session = SESSION
    lease = position.lease()
    lease.wait_until_saved()
    lease.end()
    assert not position.written.acquire(blocking=False)


def test_a_disk_error_is_logged_once_and_retried(
    position: Position, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 0.01)
    position.failing = True
    lease = position.lease()
    position.moves(lease, 1)
    for _ in range(3):  # without further progress
        assert position.is_written()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("session_file cannot be written: the disk is full")
    position.failing = False
    lease.end()
    assert position.kept == Session("abc", 1, None)


def test_a_hanging_disk_delays_neither_ready_nor_the_end(
    position: Position, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.DISK_GRACE", 0.05)
    monkeypatch.setattr("vox_gateway.session.writer.READY_WAITS", 0.05)
    position.may_write.clear()
    lease = position.lease()
    position.session = SESSION
    lease.wait_until_saved()
    lease.settle()
    lease.end()
    ready, end = caplog.messages
    assert ready.endswith("takes long to be written: READY went to its handlers before the session was kept")
    assert end.endswith("takes long to be written: close() does not wait for it")
    position.may_write.set()
    assert position.is_written()


def test_a_run_that_starts_while_the_disk_hangs_owns_the_file(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.DISK_GRACE", 0.05)
    position.may_write.clear()
    first = position.lease()
    position.moves(first, 1)
    first.settle()
    first.end()
    memory = Session()
    second, memory = position.writer.acquire(memory)
    assert memory == Session(), "the file has not said yet what memory knows"
    position.may_write.set()
    second.start(lambda: SESSION, lambda: None, pytest.fail)
    second.wait_until_saved()
    assert position.kept == SESSION
    first.end()
    assert not is_free(position.path)
    second.end()
    assert is_free(position.path)


def test_the_file_does_not_pass_what_an_earlier_run_has_not_finished(position: Position) -> None:
    unfinished: list[Session | None] = [Session("abc", 4, None)]
    first, _ = position.writer.acquire(Session())
    first.start(lambda: Session("abc", 4, None), lambda: unfinished[0], pytest.fail)
    first.settle()
    assert position.is_written()
    second = position.lease()
    position.moves(second, 9)
    second.settle()
    first.end()
    assert position.kept == Session("abc", 4, None)
    second.end()
    third = position.lease()
    third.settle()
    assert position.kept == Session("abc", 4, None)
    unfinished[0] = None
    first.progressed()
    assert position.is_written()
    assert position.kept == Session("abc", 9, None)
    unfinished[0] = Session("abc", 4, None)
    position.session = Session("def", 1, None)  # of which the earlier run knows nothing
    third.end()
    assert position.kept == Session("def", 1, None)


def test_a_run_that_never_started_releases_the_file(position: Position) -> None:
    position.writer.acquire(Session())[0].end()
    first = position.lease()
    position.writer.acquire(Session())[0].end()
    position.moves(first, 1)
    assert position.is_written()
    first.end()
    lock = SessionLock(position.path)
    lock.acquire()
    with pytest.raises(AlreadyConnected):
        position.writer.acquire(Session())
    lock.release()


def test_a_file_written_by_others_replaces_the_session_in_memory(position: Position, path: Path) -> None:
    lease = position.lease()
    position.session = SESSION
    lease.end()
    memory = Session("abc", 8, None)  # given to handlers that had not returned
    lease, memory = position.writer.acquire(memory)
    lease.end()
    assert memory == Session("abc", 8, None)
    file(path).save(Session("abc", 20, None))
    lease, memory = position.writer.acquire(memory)
    lease.end()
    assert memory == Session("abc", 20, None)
    file(path).clear()
    lease, memory = position.writer.acquire(memory)
    lease.end()
    assert memory == Session()


def test_without_lock_support_a_warning_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.with_name("session.json.lock").mkdir()
    position = Position(path)
    lease = position.lease()
    position.session = SESSION
    lease.end()
    assert position.kept == SESSION
    (words,) = caplog.messages
    assert f"session_file={str(path)!r} cannot be locked: make sure that no other client uses it: " in words
