"""Defaults that `Client` and `ShardManager` share. Their signatures need them before anything else is imported."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DEFAULT_PROPERTIES", "MAX_BACKLOG_BYTES", "MAX_MESSAGE_SIZE"]

#: What IDENTIFY says about this library.
DEFAULT_PROPERTIES: Mapping[str, str] = MappingProxyType(
    {"os": sys.platform, "browser": "vox_gateway", "device": "vox_gateway"}
)
#: Default limit of a message in bytes. The largest that Discord sends is the GUILD_CREATE of a guild of 75,000
#: members to a bot with the presences intent: about 850 bytes for each member who is online, 64 MB if all are. For
#: larger guilds it holds only the members in voice channels.
#: See: https://docs.discord.com/developers/events/gateway-events#guild-create
MAX_MESSAGE_SIZE = 64 * 1024 * 1024
#: bytes of payloads that may wait for their handlers, unless the program says otherwise
MAX_BACKLOG_BYTES = 64 * 1024 * 1024
