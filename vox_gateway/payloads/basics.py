"""The plain values that payloads are made of."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Locale", "Permissions", "PresenceStatus", "PresenceUpdateStatus", "Snowflake", "Timestamp"]

#: An id: the digits of a number of 64 bits.
#: See: https://docs.discord.com/developers/reference#snowflakes
Snowflake: TypeAlias = str
#: A time in the format of ISO 8601, such as ``"2026-08-01T12:00:00.000000+00:00"``.
#: See: https://docs.discord.com/developers/reference#iso8601-datetime
Timestamp: TypeAlias = str
#: A bit set as the digits of a number, since it may be larger than 53 bits.
#: See: https://docs.discord.com/developers/topics/permissions
Permissions: TypeAlias = str
#: A language, such as ``"en-US"``.
#: See: https://docs.discord.com/developers/reference#locales
Locale: TypeAlias = str
#: What others see of a user; an invisible user is ``"offline"``.
#: See: https://docs.discord.com/developers/events/gateway-events#update-presence-status-types
PresenceStatus: TypeAlias = Literal["online", "idle", "dnd", "offline"]
#: What a bot may set as its own status, with `Client.presence_update`.
#: See: https://docs.discord.com/developers/events/gateway-events#update-presence-status-types
PresenceUpdateStatus: TypeAlias = Literal["online", "dnd", "idle", "invisible", "offline"]
