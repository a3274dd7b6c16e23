"""Obfuscates channels that the bot cannot view.

See: https://docs.discord.com/developers/resources/channel#channel-object-obfuscated-channels
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHANNEL_OBFUSCATION = 1 << 15
"""The capability of a client that gets obfuscated channels."""

CHANNEL_OBFUSCATED = 1 << 17
"""The flag of an obfuscated channel."""

HIDDEN_NAME = "___hidden___"
VIEW_CHANNEL = 1 << 10
_KEPT = ("id", "type", "position", "parent_id", "guild_id")


def obfuscated(channel: Mapping[str, Any], guild_id: str) -> dict[str, Any]:
    """Return what a client gets of a channel that the bot cannot view. The id of a guild is that of its @everyone."""
    return {
        **{key: channel[key] for key in _KEPT if key in channel},
        "name": HIDDEN_NAME,
        "flags": CHANNEL_OBFUSCATED,
        "permission_overwrites": [{"id": guild_id, "type": 0, "allow": "0", "deny": str(VIEW_CHANNEL)}],
    }
