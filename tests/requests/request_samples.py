"""Sample events for the tests of requests, and event data that is malformed in part."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

CHUNK, LIMITED = "GUILD_MEMBERS_CHUNK", "RATE_LIMITED"
STATE, SERVER = "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE"
BOT = "77"


def chunk(index: int, count: int, nonce: str = "n0", guild_id: Any = "1", **fields: Any) -> dict[str, Any]:
    """A chunk with two members."""
    members = [{"user": {"id": f"{nonce} {index} {number}"}} for number in range(2)]
    fields = {"members": members, **fields}
    return {"guild_id": guild_id, "chunk_index": index, "chunk_count": count, "nonce": nonce, **fields}


def limited(nonce: str, retry_after: Any = 30.0, **fields: Any) -> dict[str, Any]:
    """The data of a RATE_LIMITED for a request of members."""
    return {"opcode": 8, "retry_after": retry_after, "meta": {"guild_id": "1", "nonce": nonce}, **fields}


def is_own(state: dict[str, Any]) -> bool:
    """Return whether a voice state is the bot's."""
    return state.get("user_id") in (BOT, int(BOT))


def state(channel_id: Any = "5", user_id: Any = BOT, guild_id: Any = "1") -> tuple[str, dict[str, Any]]:
    """A voice state, with its event's name."""
    return STATE, {"guild_id": guild_id, "channel_id": channel_id, "user_id": user_id, "session_id": "s"}


def server(endpoint: str | None = "host:443", token: str = "secret", guild_id: Any = "1") -> tuple[str, dict[str, Any]]:
    """A voice server, with its event's name."""
    return SERVER, {"guild_id": guild_id, "token": token, "endpoint": endpoint}


NUMBERS = st.sampled_from([0, 1, 5, 77, -1, True, 1 << 64, 1 << 2000, 0.5, 1e308, math.inf, -math.inf, math.nan])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["1", "5", "77", "n0", "s", "status", "", "\ud800"])
#: any value
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "user", "status"]), inner),
    max_leaves=4,
)
#: well-formed values of every field
FIELDS: dict[str, Any] = {
    "guild_id": "1",
    "nonce": "n0",
    "chunk_index": 0,
    "chunk_count": 1,
    "members": [{"user": {"id": "8"}}],
    "not_found": ["9"],
    "presences": [{"status": "idle"}],
    "opcode": 8,
    "retry_after": 1.5,
    "meta": {"guild_id": "1", "nonce": "n0"},
    "soundboard_sounds": [{"name": "quack"}],
    "channels": [{"id": "5", "status": "x"}],
    "channel_id": "5",
    "user_id": "77",
    "session_id": "s",
    "token": "t",
    "endpoint": "host:443",
}
#: an event's name, and data in which some fields are malformed or missing
EVENTS = st.tuples(
    st.sampled_from([CHUNK, LIMITED, STATE, SERVER, "SOUNDBOARD_SOUNDS", "CHANNEL_INFO"]),
    st.builds(
        lambda wrong, gone: {name: value for name, value in {**FIELDS, **wrong}.items() if name not in gone},
        st.dictionaries(st.sampled_from(sorted(FIELDS)), ODD, max_size=3),
        st.sets(st.sampled_from(sorted(FIELDS)), max_size=2),
    ),
)
