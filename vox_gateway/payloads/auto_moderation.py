"""Auto moderation.

See: https://docs.discord.com/developers/resources/auto-moderation
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake

__all__ = [
    "AutoModerationAction",
    "AutoModerationActionMetadata",
    "AutoModerationExecution",
    "AutoModerationRule",
    "AutoModerationTriggerMetadata",
]


class AutoModerationActionMetadata(TypedDict):
    """The details of an action; which are there depends on its type."""

    channel_id: NotRequired[Snowflake]
    duration_seconds: NotRequired[int]
    custom_message: NotRequired[str | None]


class AutoModerationAction(TypedDict):
    """What a rule does.

    See: https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-action-object
    """

    type: int
    metadata: NotRequired[AutoModerationActionMetadata]


class AutoModerationTriggerMetadata(TypedDict):
    """What triggers a rule; which fields are there depends on its trigger type."""

    keyword_filter: NotRequired[list[str]]
    regex_patterns: NotRequired[list[str]]
    presets: NotRequired[list[int]]
    allow_list: NotRequired[list[str]]
    mention_total_limit: NotRequired[int]
    mention_raid_protection_enabled: NotRequired[bool]


class AutoModerationRule(TypedDict):
    """A rule; the data of AUTO_MODERATION_RULE_CREATE, ..._UPDATE and ..._DELETE.

    See: https://docs.discord.com/developers/resources/auto-moderation#auto-moderation-rule-object
    """

    id: Snowflake
    guild_id: Snowflake
    name: str
    creator_id: Snowflake
    event_type: int
    trigger_type: int
    trigger_metadata: AutoModerationTriggerMetadata
    actions: list[AutoModerationAction]
    enabled: bool
    exempt_roles: list[Snowflake]
    exempt_channels: list[Snowflake]


class AutoModerationExecution(TypedDict):
    """The data of AUTO_MODERATION_ACTION_EXECUTION.

    See: https://docs.discord.com/developers/events/gateway-events#auto-moderation-action-execution
    """

    guild_id: Snowflake
    action: AutoModerationAction
    rule_id: Snowflake
    rule_trigger_type: int
    user_id: Snowflake
    channel_id: NotRequired[Snowflake]
    message_id: NotRequired[Snowflake]
    alert_system_message_id: NotRequired[Snowflake]
    content: str
    matched_keyword: str | None
    matched_content: str | None
