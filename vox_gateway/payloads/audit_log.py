"""The audit log.

See: https://docs.discord.com/developers/resources/audit-log
"""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake

__all__ = ["AuditLogChange", "AuditLogOptions", "GuildAuditLogEntryCreate"]


class AuditLogChange(TypedDict):
    """What was changed; the types of the values depend on the key.

    See: https://docs.discord.com/developers/resources/audit-log#audit-log-change-object
    """

    key: str
    new_value: NotRequired[Any]
    old_value: NotRequired[Any]


class AuditLogOptions(TypedDict):
    """Details of some actions.

    See: https://docs.discord.com/developers/resources/audit-log#audit-log-entry-object-optional-audit-entry-info
    """

    application_id: NotRequired[Snowflake]
    auto_moderation_rule_name: NotRequired[str]
    auto_moderation_rule_trigger_type: NotRequired[str]
    channel_id: NotRequired[Snowflake]
    count: NotRequired[str]
    delete_member_days: NotRequired[str]
    id: NotRequired[Snowflake]
    members_removed: NotRequired[str]
    message_id: NotRequired[Snowflake]
    role_name: NotRequired[str]
    type: NotRequired[str]
    integration_type: NotRequired[str]
    status: NotRequired[str]


class GuildAuditLogEntryCreate(TypedDict):
    """The data of GUILD_AUDIT_LOG_ENTRY_CREATE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-audit-log-entry-create
    """

    guild_id: Snowflake
    id: Snowflake
    user_id: Snowflake | None
    target_id: str | None
    action_type: int
    changes: NotRequired[list[AuditLogChange]]
    options: NotRequired[AuditLogOptions]
    reason: NotRequired[str]
