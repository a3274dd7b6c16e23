"""The session on disk: what it holds, whose it is, and who keeps it up to date. No gateway."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import running

from vox_gateway import AlreadyConnected, Client
from vox_gateway.log import ShardLog
from vox_gateway.session.file import SessionFile
from vox_gateway.session.lock import SessionLock
from vox_gateway.session.state import Session
from vox_gateway.session.writer import SessionLease, SessionWriter

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
SESSION = Session("abc", 7, "wss://resume.example", "1100000000000000001")
LOG = ShardLog((0, 1))
#: as an earlier version wrote it
FORMAT_1 = (
    b'{"format": "vox_gateway session 1", "bot": "%s", "shard": [0, 1], "identity": "%s", "session_id": "abc", '
    b'"seq": 7, "resume_url": "wss://resume.example", "user_id": null}'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


def file(
    path: Path,
    token: str = TOKEN,
    shard: tuple[int, int] = (0, 1),
    intents: int = 5,
    encoding: str = "json",
    compress: str | None = None,
) -> SessionFile:
    return SessionFile.of(path, token=token, shard=shard, intents=intents, encoding=encoding, compress=compress)


def loaded(path: Path, **options: Any) -> Session | None:
    return file(path, **options).load(LOG)


def test_what_is_saved_is_loaded(path: Path) -> None:
    assert loaded(path) is None
    file(path).save(SESSION)
    kept = loaded(path)
    assert kept == SESSION
    assert kept is not None
    assert kept.user_id == SESSION.user_id
    file(path).save(Session("\ud800", 8, None))
    assert loaded(path) == Session("\ud800", 8, None)
    assert os.listdir(path.parent) == [path.name]
    file(path).clear()
    file(path).clear()
    assert loaded(path) is None


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
    assert loaded(path) == SESSION


@pytest.mark.skipif(os.name != "posix", reason="folders can be synced")
def test_the_disk_has_the_file_before_its_name_and_the_name_before_save_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, move = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("folder" if is_folder else f"file of {os.fstat(descriptor).st_size} bytes")
        sync(descriptor)

    def rename(*args: Any) -> None:
        done.append("replace")
        move(*args)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("os.replace", rename)
    file(path).save(SESSION)
    assert done == [f"file of {path.stat().st_size} bytes", "replace", "folder"]
    file(path).clear()
    assert done[3:] == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="folders can be opened")
@pytest.mark.parametrize(("code", "is_raised"), [(22, False), (5, True)], ids=["EINVAL", "EIO"])
def test_a_folder_that_cannot_be_synced_is_left_so_but_a_broken_disk_is_not(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_raised: bool
) -> None:
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    if is_raised:
        with pytest.raises(OSError, match=os.strerror(code)):
            file(path).save(SESSION)
    else:
        file(path).save(SESSION)
    assert loaded(path) == SESSION


def test_another_bots_file_is_refused_and_another_shards(path: Path) -> None:
    file(path).save(SESSION)
    with pytest.raises(ValueError, match=r"session_file=.* belongs to another bot"):
        loaded(path, token="MTIz.Gabcde.not-a-real-token")
    with pytest.raises(ValueError, match=r"session_file=.* belongs to shard 0/1"):
        loaded(path, shard=(1, 2))
    with pytest.raises(ValueError, match="belongs to another bot"):
        Client(token="another", session_file=path)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"token": "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gxyz.was-reset"}, "its session has another token or other intents"),
        ({"intents": 6}, "its session has another token or other intents"),
        ({"encoding": "etf"}, "its session has encoding='json', and this client encoding='etf'"),
        ({"compress": "payload"}, "its session has compress=None, and this client compress='payload'"),
    ],
)
def test_a_session_of_other_settings_is_not_resumed(
    path: Path, caplog: pytest.LogCaptureFixture, other: dict[str, Any], words: str
) -> None:
    caplog.set_level(logging.INFO, "vox_gateway")
    file(path).save(SESSION)
    assert loaded(path) == SESSION
    assert caplog.messages == []
    assert loaded(path, **other) is None
    assert caplog.messages == [
        f"[shard 0/1] session_file={str(path)!r} was not resumed, since {words}: a new session begins"
    ]
    assert loaded(path) == SESSION, "it stays until there is another"


def test_a_session_of_another_gateway_version_is_not_resumed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vox_gateway")
    ours = file(path)
    replace(ours, settings={**ours.settings, "version": 9}).save(SESSION)
    assert ours.load(LOG) is None
    assert "its session has version=9, and this client version=10" in caplog.text


@pytest.mark.parametrize("options", [{}, {"encoding": "etf"}, {"compress": "payload"}])
def test_a_file_of_the_first_format_is_resumed(path: Path, options: dict[str, Any]) -> None:
    ours = file(path, **options)
    path.write_bytes(FORMAT_1 % (ours.bot.encode(), ours.identity.encode()))
    Client(token=TOKEN, session_file=path)
    assert ours.load(LOG) == SESSION
    assert loaded(path, intents=6) is None
    with pytest.raises(ValueError, match="belongs to another bot"):
        loaded(path, token="MTIz.Gabcde.not-a-real-token")


@pytest.mark.parametrize(
    "content",
    [b"[settings]", b"{}", b"[]", b"\xff", b"\0\0\1", b'{"format": "png"}', bytes(70000)],
    ids=["ini", "object", "list", "binary", "zeros and more", "other JSON", "long"],
)
def test_a_file_of_something_else_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a session file: delete it, or choose another"):
        Client(token=TOKEN, session_file=str(path))
    assert path.read_bytes() == content


def whole(path: Path) -> bytes:
    file(path).save(SESSION)
    return path.read_bytes()


def torn_in_every_way(data: bytes) -> list[bytes]:
    size = len(data)
    return [
        *(data[:end] for end in range(size)),
        *(data[:end] + bytes(size - end) for end in range(size)),
        *(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(40, size)),
        data + b"}",
    ]


def test_a_torn_file_is_recognised_and_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = whole(path)
    for torn in torn_in_every_way(data):
        path.write_bytes(torn)
        file(path).check()
        assert path.read_bytes() == torn, "only its owner may move it"
        assert loaded(path) is None
        assert not path.exists()
        assert path.with_name("session.json.damaged").read_bytes() == torn
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert len(caplog.records) == len(torn_in_every_way(data))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (bytes(300), "it holds nothing but zero bytes"),
        (b'{"format": "vox_gateway session 1", "bo', "it is incomplete"),
        (b'{"format": "vox_gateway session 1"}', "bot is missing or of the wrong type"),
        (FORMAT_1.replace(b"[0, 1]", b"[0]") % (b"", b""), "shard is not a pair of numbers"),
        (FORMAT_1.replace(b"7", b'"7"') % (b"", b""), "seq is missing or of the wrong type"),
        (b'{"format": "vox_gateway session 3"}', "its format 'vox_gateway session 3' is unknown"),
        (b'{"format": "vox_gateway session 2", "checksum": 5}', "its checksum does not match"),
        (b'{"format": "vox_gateway session 2", "a": ' + b"[" * 60000, "it is incomplete"),
    ],
)
def test_what_is_wrong_with_a_damaged_file_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes, words: str
) -> None:
    path.write_bytes(content)
    assert loaded(path) is None
    (message,) = caplog.messages
    assert message == (
        f"[shard 0/1] session_file={str(path)!r} is damaged ({words}); it was renamed to session.json.damaged; a new "
        "session begins, so events since the last run are missed"
    )


def test_a_damaged_file_that_cannot_be_renamed_keeps_nobody_from_starting(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.touch()
    path.with_name("session.json.damaged").mkdir()
    assert loaded(path) is None
    assert "it could not be renamed to session.json.damaged: " in caplog.text
    file(path).save(SESSION)
    assert loaded(path) == SESSION


@pytest.mark.skipif(os.name != "posix", reason="kinds of files as POSIX has them")
@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device"])
def test_what_is_no_regular_file_is_refused_at_once(path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    client = Client(token=TOKEN, session_file=path)
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        monkeypatch.chdir(path.parent)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    else:
        path.symlink_to(os.devnull)

    def refused() -> None:
        for use in (lambda: Client(token=TOKEN, session_file=path), lambda: client.connect(async_=True)):
            with pytest.raises(ValueError, match=f"session.json' must be a regular file, and it is {kind}"):
                use()

    with running(refused):
        pass


def test_paths_are_checked_at_once(tmp_path: Path) -> None:
    for wrong, error, words in [
        (5, TypeError, "session_file must be a path or None, not 5"),
        (b"session", TypeError, "session_file must be a path"),
        (tmp_path, ValueError, "is a folder"),
        (tmp_path / "no" / "session", ValueError, "in a folder that does not exist: make it first"),
    ]:
        with pytest.raises(error, match=words):
            Client(token=TOKEN, session_file=wrong)  # type: ignore[arg-type]


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
            def save(self, session: Session) -> None:
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

        ours = file(path)
        self.file = Told(ours.path, ours.bot, ours.shard, ours.identity, ours.settings)
        self.writer = SessionWriter("writer", self.file, LOG)

    def lease(self) -> SessionLease:
        """A lease for the position."""
        lease = self.writer.acquire(Session())
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


def test_the_first_progress_is_saved_at_once_and_what_follows_with_the_end(position: Position) -> None:
    lease = position.lease()
    lease.progressed()  # there is nothing to save yet, so that this is no save
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


def test_a_session_that_begins_is_saved_without_the_wait(position: Position) -> None:
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


def test_ready_does_not_put_off_the_first_progress(position: Position) -> None:
    lease = position.lease()
    position.session = Session("abc", 1, None)
    lease.wait_until_saved()
    assert position.is_written()
    position.moves(lease, 2)
    assert position.is_written()
    lease.end()


def test_what_the_file_says_already_is_not_written_again(position: Position, path: Path) -> None:
    file(path).save(SESSION)
    position.session = SESSION
    lease = position.lease()
    lease.wait_until_saved()
    lease.end()
    assert not position.written.acquire(blocking=False)


def test_a_disk_that_fails_is_told_of_once_and_tried_again(
    position: Position, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 0.01)
    position.failing = True
    lease = position.lease()
    position.moves(lease, 1)
    for _ in range(3):  # though there is no progress
        assert position.is_written()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("session_file cannot be written: the disk is full")
    position.failing = False
    lease.end()
    assert position.kept == Session("abc", 1, None)


def test_a_disk_that_hangs_holds_up_neither_ready_nor_the_end(
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


def test_a_run_that_begins_while_the_disk_hangs_owns_the_file(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.DISK_GRACE", 0.05)
    position.may_write.clear()
    first = position.lease()
    position.moves(first, 1)
    first.settle()
    first.end()
    memory = Session()
    second = position.writer.acquire(memory)
    assert memory == Session(), "the file has not said yet what memory knows"
    position.may_write.set()
    second.start(lambda: SESSION, lambda: None, pytest.fail)
    second.wait_until_saved()
    assert position.kept == SESSION
    first.end()
    assert not is_free(position.file.path)
    second.end()
    assert is_free(position.file.path)


def test_the_file_does_not_pass_what_an_earlier_run_has_not_finished(position: Position) -> None:
    unfinished: list[Session | None] = [Session("abc", 4, None)]
    first = position.writer.acquire(Session())
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


def test_a_run_that_never_began_gives_the_file_back(position: Position) -> None:
    position.writer.acquire(Session()).end()
    first = position.lease()
    position.writer.acquire(Session()).end()
    position.moves(first, 1)
    assert position.is_written()
    first.end()
    lock = SessionLock(position.file.path)
    lock.acquire()
    with pytest.raises(AlreadyConnected):
        position.writer.acquire(Session())
    lock.release()


def test_what_others_wrote_in_between_counts_more_than_memory(position: Position, path: Path) -> None:
    lease = position.lease()
    position.session = SESSION
    lease.end()
    memory = Session("abc", 8, None)  # given to handlers that had not returned
    position.writer.acquire(memory).end()
    assert memory == Session("abc", 8, None)
    file(path).save(Session("abc", 20, None))
    position.writer.acquire(memory).end()
    assert memory == Session("abc", 20, None)
    file(path).clear()
    position.writer.acquire(memory).end()
    assert memory == Session()


def is_free(path: Path) -> bool:
    lock = SessionLock(path)
    try:
        lock.acquire()
    except AlreadyConnected:
        return False
    lock.release()
    return True


# -- the lock ----------------------------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one_client_whatever_the_path_is_called(path: Path) -> None:
    (path.parent / "link").symlink_to(path.parent)
    lock, other = SessionLock(path), SessionLock(path.parent / "link" / path.name)
    lock.acquire()
    with pytest.raises(AlreadyConnected, match=r"is in use by another client \(in this process\): close that"):
        other.acquire()
    other.release()
    assert not is_free(path)
    lock.release()
    lock.release()
    other.acquire()
    other.release()


@pytest.mark.skipif(os.name != "posix", reason="hard links")
def test_a_lock_with_two_names_is_one(path: Path) -> None:
    lock = SessionLock(path)
    lock.acquire()
    os.link(path.with_name("session.json.lock"), path.with_name("SESSION.json.lock"))
    assert not is_free(path.with_name("SESSION.json"))
    refused = subprocess.run([sys.executable, "-c", LOCKING, str(path)], stderr=subprocess.PIPE, text=True, check=False)
    assert f"is in use by another client (process {os.getpid()})" in refused.stderr, "the refusal above kept the lock"
    lock.release()


LOCKING = """
import sys
from pathlib import Path
from vox_gateway.session.lock import SessionLock

SessionLock(Path(sys.argv[1])).acquire()
"""
FORKED = """
import os, sys
from pathlib import Path
from vox_gateway import AlreadyConnected
from vox_gateway.session.lock import SessionLock

lock = SessionLock(Path(sys.argv[1]))
lock.acquire()
child = os.fork()
if child == 0:
    lock.release()
    try:
        lock.acquire()
    except AlreadyConnected as error:
        os.write(1, f"{error}\\n".encode())  # in one piece, as both write
else:
    os.write(1, f"{child}\\n".encode())
sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork()")
def test_a_forked_child_neither_has_the_lock_nor_ends_it(path: Path) -> None:
    command = [sys.executable, "-c", FORKED, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        lines = sorted(parent.stdout.readline() for _ in range(2))
        assert lines[0].strip().isdigit()
        in_use = f"is in use by another client (process {parent.pid})"
        assert in_use in lines[1]
        with pytest.raises(AlreadyConnected) as refused:
            SessionLock(path).acquire()
        assert in_use in str(refused.value)
        parent.kill()
        parent.wait(5)
        assert is_free(path), "though the child still runs"


def test_where_nothing_can_be_locked_the_client_goes_on(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.with_name("session.json.lock").mkdir()
    position = Position(path)
    lease = position.lease()
    position.session = SESSION
    lease.end()
    assert position.kept == SESSION
    (words,) = caplog.messages
    assert f"session_file={str(path)!r} cannot be locked: make sure that no other client uses it: " in words


def test_options_of_a_client_are_what_the_file_is_bound_to(path: Path) -> None:
    client: Any = Client(token=TOKEN, session_file=path, intents=5)
    client._options.session_file.save(SESSION)
    assert loaded(path, compress="zlib-stream") == SESSION
    assert json.loads(path.read_text())["settings"] == {"encoding": "json", "compress": "zlib-stream", "version": 10}
