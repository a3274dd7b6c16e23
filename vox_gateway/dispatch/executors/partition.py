"""Which events must keep their order: those of the same guild, else channel, else user."""

from __future__ import annotations

from typing import Any

__all__ = ["partition_key"]

#: events that are about what their own ``id`` names
_OF_ITSELF = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE")


def partition_key(name: str, data: Any) -> str | None:
    """Return the guild, channel or user of a dispatch; None if it has none. Accepts any data.

    See: https://docs.discord.com/developers/events/gateway-events
    """
    if not isinstance(data, dict):
        return None
    author = data.get("user") or data.get("author")
    user_id = data.get("user_id") or (author.get("id") if isinstance(author, dict) else None)
    itself = data.get("id") if name in _OF_ITSELF else None
    key = data.get("guild_id") or (itself if name.startswith("GUILD_") else None)
    key = key or data.get("channel_id") or itself or (user_id if name != "READY" else None)
    if key is None and name == "RATE_LIMITED":  # its guild is that of the refused command
        meta = data.get("meta")
        key = meta.get("guild_id") if isinstance(meta, dict) else None
    if isinstance(key, int):  # ETF has integers where JSON has strings; Python refuses to print huge ones in decimal
        return str(key) if key.bit_length() <= 64 else f"{key:x}"
    return key if isinstance(key, str) else None
