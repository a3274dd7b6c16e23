"""What is kept of a session, and how a client uses a store that is not a file."""

from __future__ import annotations

import json
import logging
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from vox_gateway import Client, SavedSession, SessionStore
from vox_gateway.log import ShardLog
from vox_gateway.session.file import SessionFile
from vox_gateway.session.owner import SessionOwner
from vox_gateway.session.state import Session
from vox_gateway.session.store import OwnedStore

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
SESSION = Session("abc", 7, "wss://resume.example", "1100000000000000001")
LOG = ShardLog((0, 1))


class Box:
    """A store in memory, which its repr shows."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    def load(self) -> SavedSession | None:
        return None if self.text is None else SavedSession.from_json(self.text)

    def save(self, session: SavedSession) -> None:
        self.text = session.to_json()

    def clear(self) -> None:
        self.text = None

    def __repr__(self) -> str:
        return "Box('redis://:password@example')"


def owned(store: SessionStore, **options: Any) -> OwnedStore:
    defaults = {"token": TOKEN, "shard": (0, 1), "intents": 5, "encoding": "json", "compress": None}
    return OwnedStore(store, SessionOwner.of(**{**defaults, **options}))


def test_what_is_saved_is_loaded() -> None:
    store = Box()
    assert owned(store).load(LOG) is None
    owned(store).save(SESSION)
    loaded = owned(store).load(LOG)
    assert loaded == SESSION
    assert loaded is not None
    assert loaded.user_id == SESSION.user_id
    owned(store).clear()
    assert owned(store).load(LOG) is None


def test_a_saved_session_is_a_value_that_json_can_hold() -> None:
    store = Box()
    owned(store).save(SESSION)
    assert store.text is not None
    saved = SavedSession.from_json(store.text)
    assert (saved.session_id, saved.seq, saved.resume_url, saved.shard) == ("abc", 7, "wss://resume.example", (0, 1))
    assert saved.settings == {"encoding": "json", "compress": None, "version": 10}
    assert SavedSession.from_json(saved.to_json().encode()) == saved
    assert SavedSession.from_json(replace(saved, settings=None).to_json()).settings is None
    assert not any(part in store.text + repr(saved) for part in TOKEN.split("."))
    with pytest.raises(FrozenInstanceError):
        saved.seq = 8  # type: ignore[misc]


def test_the_file_and_any_store_hold_the_same(tmp_path: Any) -> None:
    store, file = Box(), SessionFile(tmp_path / "session")
    owned(store).save(SESSION)
    owned(file).save(SESSION)
    assert file.path.read_text() == store.text
    assert isinstance(file, SessionStore)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "vox_gateway session 2"}', "\ud800"])
def test_what_was_not_saved_is_not_a_saved_session(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a saved session|it is empty|its checksum does not match"):
        SavedSession.from_json(text)


def test_a_damaged_session_is_not_resumed(caplog: pytest.LogCaptureFixture) -> None:
    store = Box()
    owned(store).save(SESSION)
    assert store.text is not None
    store.text = store.text.replace("abc", "abd")
    assert owned(store).load(LOG) is None
    (words,) = caplog.messages
    assert "session_file=Box is damaged: its checksum does not match; a new session begins, so events since" in words


def test_the_session_of_another_client_is_not_resumed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vox_gateway")
    store = Box()
    owned(store).save(SESSION)
    assert owned(store, compress="zlib-stream").load(LOG) is None
    assert "session_file=Box was not resumed, since its session has compress=None, and this client" in caplog.text
    with pytest.raises(ValueError, match="session_file=Box belongs to shard 0/1: use a separate session_file"):
        owned(store, shard=(1, 2)).load(LOG)
    with pytest.raises(ValueError, match="session_file=Box belongs to another bot"):
        owned(store, token="MTIz.Gabcde.x").load(LOG)


def test_what_a_store_returns_is_checked() -> None:
    store: Any = Box()
    store.load = lambda: json.dumps({})
    with pytest.raises(TypeError, match=r"session_file=Box: load\(\) must return a SavedSession or None, not str"):
        owned(store).load(LOG)


class NoClear:
    """Lacks a method of a store."""

    def load(self) -> None: ...

    def save(self, session: SavedSession) -> None: ...


def test_a_store_is_checked_at_once() -> None:
    Client(token=TOKEN, session_file=Box("not looked into yet"))
    for wrong, words in [
        (NoClear(), "session_file must be a path, a SessionStore or None; .* has no clear"),
        (Box, "session_file must be a path, a SessionStore or None, not <class"),
    ]:
        with pytest.raises(TypeError, match=words):
            Client(token=TOKEN, session_file=wrong)  # type: ignore[arg-type]


def test_a_store_with_an_async_method_is_refused() -> None:
    class AsyncStore:
        def load(self) -> None: ...
        async def save(self, session: SavedSession) -> None: ...
        def clear(self) -> None: ...

    with pytest.raises(TypeError, match=r"session_file=AsyncStore: save\(\) must be a plain function"):
        Client(token="any", session_file=AsyncStore())  # type: ignore[arg-type]
