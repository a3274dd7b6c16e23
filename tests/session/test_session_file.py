"""The session file: its content, its owner, and how it is replaced."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import running

from vox_gateway import Client
from vox_gateway.log import ShardLog
from vox_gateway.session.file import SessionFile
from vox_gateway.session.owner import SessionOwner
from vox_gateway.session.state import Session
from vox_gateway.session.store import OwnedStore

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
    capabilities: int = 0,
) -> OwnedStore:
    owner = SessionOwner.of(
        token=token,
        shard=shard,
        intents=intents,
        encoding=encoding,
        compress=compress,
        capabilities=capabilities,
    )
    return OwnedStore(SessionFile(path), owner)


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
def test_the_file_is_readable_by_its_owner_only(path: Path) -> None:
    path.with_name("session.json.new").touch(0o666)  # of a process that was killed
    file(path).save(SESSION)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_holds_no_part_of_the_token(path: Path) -> None:
    file(path).save(SESSION)
    assert not any(part in path.read_text() for part in TOKEN.split("."))


def test_a_failed_save_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_an_unsupported_folder_sync_is_ignored_and_a_disk_error_raised(
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
        (
            {"token": "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gxyz.was-reset"},
            "its session has another token, intents or capabilities",
        ),
        ({"intents": 6}, "its session has another token, intents or capabilities"),
        ({"capabilities": 1 << 15}, "its session has another token, intents or capabilities"),
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
    settings = {**ours.owner.settings, "version": 9}
    replace(ours, owner=replace(ours.owner, settings=settings)).save(SESSION)
    assert ours.load(LOG) is None
    assert "its session has version=9, and this client version=10" in caplog.text


@pytest.mark.parametrize("options", [{}, {"encoding": "etf"}, {"compress": "payload"}])
def test_a_file_of_the_first_format_is_resumed(path: Path, options: dict[str, Any]) -> None:
    ours = file(path, **options)
    path.write_bytes(FORMAT_1 % (ours.owner.bot.encode(), ours.owner.identity.encode()))
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
def test_a_foreign_file_is_left_alone(path: Path, content: bytes) -> None:
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
def test_the_damage_of_a_file_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes, words: str
) -> None:
    path.write_bytes(content)
    assert loaded(path) is None
    (message,) = caplog.messages
    assert message == (
        f"[shard 0/1] session_file={str(path)!r} is damaged: {words}; it was renamed to session.json.damaged; a new "
        "session begins, so events since the last run are missed"
    )


def test_a_damaged_file_that_cannot_be_renamed_does_not_prevent_the_start(
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
def test_other_than_a_regular_file_is_refused_at_once(path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
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
        (5, TypeError, "session_file must be a path, a SessionStore or None, not 5"),
        (b"session", TypeError, "session_file must be a path"),
        (tmp_path, ValueError, "is a folder"),
        (tmp_path / "no" / "session", ValueError, "in a folder that does not exist: make it first"),
    ]:
        with pytest.raises(error, match=words):
            Client(token=TOKEN, session_file=wrong)  # type: ignore[arg-type]


def test_the_file_is_bound_to_the_arguments_of_the_client(path: Path) -> None:
    client: Any = Client(token=TOKEN, session_file=path, intents=5)
    client._options.session_store.save(SESSION)
    assert loaded(path, compress="zlib-stream") == SESSION
    assert json.loads(path.read_text())["settings"] == {"encoding": "json", "compress": "zlib-stream", "version": 10}
