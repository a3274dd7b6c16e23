"""What a client opts into when it identifies, and the mark of a channel that the bot cannot view. Pure.

See: https://docs.discord.com/developers/events/gateway-events#identify-gateway-capabilities
"""

from __future__ import annotations

import enum

__all__ = ["CHANNEL_OBFUSCATED", "Capabilities"]

#: The bit in a channel's ``flags`` of a channel that the bot cannot view: only ``id``, ``type``, ``position`` and
#: ``parent_id`` are true. See: https://docs.discord.com/developers/resources/channel#channel-object-obfuscated-channels
CHANNEL_OBFUSCATED = 1 << 17


class Capabilities(enum.IntFlag):
    """The bits of IDENTIFY's ``capabilities``; combine them with ``|``."""

    #: obfuscate channels that the bot cannot view, as Discord does for every bot since 16 November 2026
    CHANNEL_OBFUSCATION = 1 << 15
