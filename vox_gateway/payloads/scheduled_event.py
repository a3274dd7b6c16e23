"""Scheduled events of guilds.

See: https://docs.discord.com/developers/resources/guild-scheduled-event
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake, Timestamp
from .user import User

__all__ = [
    "EntityMetadata",
    "RecurrenceRule",
    "RecurrenceWeekday",
    "ScheduledEvent",
    "ScheduledEventUser",
]


class EntityMetadata(TypedDict):
    """Where an event outside of Discord takes place."""

    location: NotRequired[str]


class RecurrenceWeekday(TypedDict):
    """A weekday of a month: the `n`-th `day`."""

    n: int
    day: int


class RecurrenceRule(TypedDict):
    """When an event repeats.

    See: https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-recurrence-rule-object
    """

    start: Timestamp
    end: Timestamp | None
    frequency: int
    interval: int
    by_weekday: list[int] | None
    by_n_weekday: list[RecurrenceWeekday] | None
    by_month: list[int] | None
    by_month_day: list[int] | None
    by_year_day: list[int] | None
    count: int | None


class ScheduledEvent(TypedDict):
    """A scheduled event; the data of GUILD_SCHEDULED_EVENT_CREATE, ..._UPDATE and ..._DELETE.

    See: https://docs.discord.com/developers/resources/guild-scheduled-event#guild-scheduled-event-object
    """

    id: Snowflake
    guild_id: Snowflake
    channel_id: Snowflake | None
    creator_id: NotRequired[Snowflake | None]
    name: str
    description: NotRequired[str | None]
    scheduled_start_time: Timestamp
    scheduled_end_time: Timestamp | None
    privacy_level: int
    status: int
    entity_type: int
    entity_id: Snowflake | None
    entity_metadata: EntityMetadata | None
    creator: NotRequired[User]
    user_count: NotRequired[int]
    image: NotRequired[str | None]
    recurrence_rule: RecurrenceRule | None


class ScheduledEventUser(TypedDict):
    """Who wants to come; the data of GUILD_SCHEDULED_EVENT_USER_ADD and GUILD_SCHEDULED_EVENT_USER_REMOVE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-scheduled-event-user-add
    """

    guild_scheduled_event_id: Snowflake
    user_id: Snowflake
    guild_id: Snowflake
