"""What is kept of a session, and its text: one line of JSON with a checksum, which reveals a file torn by a power cut.

Pure. `owner` makes it of a session and judges it; a session store keeps it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DamagedSession", "SavedSession"]

#: the start of every session file, whatever its format
_PREFIX = b'{"format": "vox_gateway session '
#: has no checksum and no settings
_FORMAT_1 = "vox_gateway session 1"
_FORMAT_2 = "vox_gateway session 2"
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "bot": (str,),
    "shard": (list,),
    "identity": (str,),
    "settings": (dict, type(None)),
    "session_id": (str,),
    "seq": (int,),
    "resume_url": (str, type(None)),
    "user_id": (str, type(None)),
}


class DamagedSession(ValueError):
    """The text is an incomplete or altered saved session; the message says what is wrong."""


@dataclass(frozen=True)
class SavedSession:
    """A session as a `SessionStore` keeps it. It never holds the token.

    Attributes:
        session_id: the session's id.
        seq: the sequence number of the last event whose handlers had returned.
        resume_url: where the session resumes; None for the gateway's URL.
        user_id: the bot's user id, or None.
        shard: shard id and number of shards.
        settings: ``encoding``, ``compress`` and gateway ``version``, which a RESUME must repeat; None if unknown.
        bot: fingerprint of the bot's id.
        identity: fingerprint of the token and the intents, which a RESUME must repeat.

    See: https://docs.discord.com/developers/events/gateway#resuming
    """

    session_id: str
    seq: int
    resume_url: str | None
    user_id: str | None
    shard: tuple[int, int]
    settings: Mapping[str, Any] | None
    bot: str
    identity: str

    def to_json(self) -> str:
        """Return it as a line of ASCII, for `from_json`."""
        document = {
            "format": _FORMAT_2,
            "bot": self.bot,
            "shard": self.shard,
            "identity": self.identity,
            "settings": None if self.settings is None else dict(self.settings),
            "session_id": self.session_id,
            "seq": self.seq,
            "resume_url": self.resume_url,
            "user_id": self.user_id,
        }
        return json.dumps({**document, "checksum": _checksum(document)})

    @classmethod
    def from_json(cls, text: str | bytes) -> SavedSession:
        """Return the session that `to_json` wrote as `text`.

        Raises:
            ValueError: it is not a saved session, or a part of it is missing or altered.
        """
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else bytes(text)
        written = data.rstrip(b"\0")
        if not data.startswith(_PREFIX) and not _PREFIX.startswith(written):
            raise ValueError("not a saved session")
        if not written:
            raise DamagedSession("it holds nothing but zero bytes" if data else "it is empty")
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise DamagedSession("it is incomplete") from None
        if document["format"] not in (_FORMAT_1, _FORMAT_2):
            raise DamagedSession(f"its format {document['format']!r} is unknown")
        if document["format"] == _FORMAT_2 and document.pop("checksum", None) != _checksum(document):
            raise DamagedSession("its checksum does not match")
        return _saved_session(document)


def _saved_session(document: dict[str, Any]) -> SavedSession:
    for name, types in _FIELDS.items():
        if type(document.get(name)) not in types:
            raise DamagedSession(f"{name} is missing or of the wrong type")
    shard = document["shard"]
    if [type(number) for number in shard] != [int, int]:
        raise DamagedSession("shard is not a pair of numbers")
    return SavedSession(**{name: document.get(name) for name in _FIELDS} | {"shard": (shard[0], shard[1])})


def _checksum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode("ascii")).hexdigest()
