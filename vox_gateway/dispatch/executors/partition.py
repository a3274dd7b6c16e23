"""Which events must keep their order among each other: those of one guild, else of one channel, else of one user."""

from __future__ import annotations

from typing import Any

__all__ = ["partition_key"]

#: events that are about what their own ``id`` names
_OF_ITSELF = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE")


def partition_key(name: str, data: Any) -> str | None:
    """What a dispatch belongs to; None for what belongs to the bot as a whole. Accepts any data.

    Rests on the fields of the official Gateway Events documentation.
    """
    if not isinstance(data, dict):
        return None
    author = data.get("user") or data.get("author")
    user_id = data.get("user_id") or (author.get("id") if isinstance(author, dict) else None)
    itself = data.get("id") if name in _OF_ITSELF else None
    key = data.get("guild_id") or (itself if name.startswith("GUILD_") else None)
    key = key or data.get("channel_id") or itself or (user_id if name != "READY" else None)
    if isinstance(key, int):  # ETF has integers where JSON has strings; Python refuses to print huge ones in decimal
        return str(key) if key.bit_length() <= 64 else f"{key:x}"
    return key if isinstance(key, str) else None
