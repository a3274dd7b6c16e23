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
from vox_gateway.logs import ShardLog
from vox_gateway.session import Session
from vox_gateway.session_file import SessionFile, check_session_file
from vox_gateway.session_keeper import SessionKeeper
from vox_gateway.session_lock import SessionLock

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
    return SessionFile.of(path, token, shard, intents, encoding, compress)


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
    with pytest.raises(ValueError, match=r"session_file=.* is of another bot"):
        loaded(path, token="MTIz.Gabcde.not-a-real-token")
    with pytest.raises(ValueError, match=r"session_file=.* is of shard 0/1"):
        loaded(path, shard=(1, 2))
    with pytest.raises(ValueError, match="is of another bot"):
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
    with pytest.raises(ValueError, match="is of another bot"):
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

        self.told = Told(self.file.path, self.file.bot, self.file.shard, self.file.identity, self.file.settings)

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
    assert position.file.load(LOG) == position.session
    position.session = None
    keeper.stop()
    assert position.file.load(LOG) is None


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
    assert position.file.load(LOG) == Session("abc", 2, None)


def test_what_the_file_says_already_is_not_written_again(position: Position) -> None:
    position.session, position.arrived = SESSION, 7
    keeper = position.keeper(saved=SESSION)
    keeper.start()
    keeper.save_soon()
    keeper.stop()
    assert position.file.load(LOG) is None


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
from vox_gateway.session_lock import SessionLock

SessionLock(Path(sys.argv[1])).acquire()
"""
FORKED = """
import os, sys
from pathlib import Path
from vox_gateway import AlreadyConnected
from vox_gateway.session_lock import SessionLock

lock = SessionLock(Path(sys.argv[1]))
lock.acquire()
child = os.fork()
if child == 0:
    lock.release()
    try:
        lock.acquire()
    except AlreadyConnected as error:
        print(error, flush=True)
else:
    print(child, flush=True)
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


def test_options_of_a_client_are_what_the_file_is_bound_to(path: Path) -> None:
    client: Any = Client(token=TOKEN, session_file=path, intents=5)
    client._options.session_file.save(SESSION)
    assert loaded(path, compress="zlib-stream") == SESSION
    assert json.loads(path.read_text())["settings"] == {"encoding": "json", "compress": "zlib-stream", "version": 10}
