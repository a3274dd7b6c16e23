"""The content of a session file: one line of JSON with a checksum, which reveals a file torn by a power cut. Pure.

Called by `file`, which reads and writes the bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .state import Session

__all__ = ["DamagedSessionFile", "SessionOwner", "SessionRecord", "decode", "encode"]

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


class DamagedSessionFile(Exception):
    """The content is an incomplete or altered session file; the text says what is wrong."""


@dataclass(frozen=True)
class SessionOwner:
    """The bot, shard and settings that may resume a session.

    Attributes:
        bot: fingerprint of the bot's id.
        shard: shard id and number of shards.
        identity: fingerprint of the token and the intents, which a RESUME cannot change.
        settings: encoding, compression and gateway version, which a RESUME must repeat; None in format 1.
    """

    bot: str
    shard: tuple[int, int]
    identity: str
    settings: Mapping[str, Any] | None


@dataclass(frozen=True)
class SessionRecord:
    """A session and its owner."""

    owner: SessionOwner
    session: Session


def encode(record: SessionRecord) -> bytes:
    """Return the content of a file with `record`."""
    owner, session = record.owner, record.session
    document = {
        "format": _FORMAT_2,
        "bot": owner.bot,
        "shard": owner.shard,
        "identity": owner.identity,
        "settings": dict(owner.settings or {}),
        "session_id": session.id,
        "seq": session.seq,
        "resume_url": session.resume_url,
        "user_id": session.user_id,
    }
    return json.dumps({**document, "checksum": _checksum(document)}).encode("ascii")


def decode(data: bytes) -> SessionRecord:
    """Return the record in `data`.

    Raises:
        DamagedSessionFile: a part is missing or altered.
        ValueError: not a session file.
    """
    written = data.rstrip(b"\0")
    if not data.startswith(_PREFIX) and not _PREFIX.startswith(written):
        raise ValueError("not a session file")
    if not written:
        raise DamagedSessionFile("it holds nothing but zero bytes" if data else "it is empty")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise DamagedSessionFile("it is incomplete") from None
    if document["format"] not in (_FORMAT_1, _FORMAT_2):
        raise DamagedSessionFile(f"its format {document['format']!r} is unknown")
    if document["format"] == _FORMAT_2 and document.pop("checksum", None) != _checksum(document):
        raise DamagedSessionFile("its checksum does not match")
    return _record(document)


def _record(document: dict[str, Any]) -> SessionRecord:
    for name, types in _FIELDS.items():
        if type(document.get(name)) not in types:
            raise DamagedSessionFile(f"{name} is missing or of the wrong type")
    shard = document["shard"]
    if [type(number) for number in shard] != [int, int]:
        raise DamagedSessionFile("shard is not a pair of numbers")
    session = Session(document["session_id"], document["seq"], document.get("resume_url"), document.get("user_id"))
    owner = SessionOwner(document["bot"], (shard[0], shard[1]), document["identity"], document.get("settings"))
    return SessionRecord(owner, session)


def _checksum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode("ascii")).hexdigest()
