"""The data of events, in the shape of Discord's documentation, for `LocalGateway.dispatch`. No I/O."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .world import BOT_ID, TEXT_CHANNEL, public_channel, public_member
from .world import member as new_member

Json = dict[str, Any]

#: application command option types
_BOOLEAN, _INTEGER, _NUMBER, _STRING = 5, 4, 10, 3
_APPLICATION_COMMAND, _CHAT_INPUT, _IN_GUILD = 2, 1, 0
#: bytes that an attachment may have without Nitro or boosts
_ATTACHMENT_SIZE_LIMIT = 10 * 1024 * 1024

_ids = itertools.count(1_300_000_000_000_000_001)


def message(
    guild: Mapping[str, Any],
    content: str,
    *,
    author: Mapping[str, Any] | None = None,
    channel: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Json:
    """Make a message, the data of MESSAGE_CREATE.

    Args:
        guild: one of `LocalGateway.guilds`.
        content: the text.
        author: from `user`; the guild's first member that is not a bot if `None`.
        channel: one of the guild's channels; its first text channel if `None`.
        fields: any other field of a message.

    Raises:
        ValueError: the guild has no such member or channel.

    See: https://docs.discord.com/developers/resources/message#message-object
    """
    author = _someone(guild) if author is None else author
    return {
        "id": str(next(_ids)),
        "channel_id": (_text_channel(guild) if channel is None else channel)["id"],
        "guild_id": guild["id"],
        "author": dict(author),
        "member": {name: value for name, value in _member_of(guild, author).items() if name != "user"},
        "content": content,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "type": 0,
        "flags": 0,
        **fields,
    }


def slash_command(
    guild: Mapping[str, Any],
    name: str,
    options: Mapping[str, str | int | float | bool] | None = None,
    *,
    user: Mapping[str, Any] | None = None,
    channel: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Json:
    """Make the interaction of a slash command, the data of INTERACTION_CREATE.

    Args:
        guild: one of `LocalGateway.guilds`.
        name: the command's name, without the slash.
        options: the values of its options.
        user: who uses it, from `user`; the guild's first member that is not a bot if `None`.
        channel: one of the guild's channels; its first text channel if `None`.
        fields: any other field of an interaction, such as ``token``.

    Raises:
        ValueError: the guild has no such member or channel.

    See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object
    """
    user = _someone(guild) if user is None else user
    channel = _text_channel(guild) if channel is None else channel
    interaction_id = str(next(_ids))
    return {
        "id": interaction_id,
        "application_id": BOT_ID,
        "type": _APPLICATION_COMMAND,
        "data": {
            "id": str(next(_ids)),
            "name": name,
            "type": _CHAT_INPUT,
            "options": [
                {"name": option, "type": _option_type(value), "value": value}
                for option, value in (options or {}).items()
            ],
        },
        "guild": {"id": guild["id"], "locale": guild["preferred_locale"], "features": guild["features"]},
        "guild_id": guild["id"],
        "channel": public_channel(channel),
        "channel_id": channel["id"],
        "member": {**_member_of(guild, user), "permissions": "2222085186637376"},
        "token": f"token-of-{interaction_id}",
        "version": 1,
        "app_permissions": "2222085186637376",
        "locale": "en-US",
        "guild_locale": guild["preferred_locale"],
        "entitlements": [],
        "authorizing_integration_owners": {"0": guild["id"]},
        "context": _IN_GUILD,
        "attachment_size_limit": _ATTACHMENT_SIZE_LIMIT,
        **fields,
    }


def _option_type(value: object) -> int:
    for kind, number in ((bool, _BOOLEAN), (int, _INTEGER), (float, _NUMBER)):  # a bool is an int too
        if isinstance(value, kind):
            return number
    return _STRING


def _someone(guild: Mapping[str, Any]) -> Mapping[str, Any]:
    for member in guild["members"]:
        if not member["user"].get("bot"):
            found: Mapping[str, Any] = member["user"]
            return found
    raise ValueError(f"guild {guild['id']} has no members but bots")


def _text_channel(guild: Mapping[str, Any]) -> Mapping[str, Any]:
    for channel in guild["channels"]:
        if channel["type"] == TEXT_CHANNEL:
            found: Mapping[str, Any] = channel
            return found
    raise ValueError(f"guild {guild['id']} has no text channel")


def _member_of(guild: Mapping[str, Any], user: Mapping[str, Any]) -> Json:
    """The member that a user is in the guild, or would be after joining."""
    for member in guild["members"]:
        if member["user"]["id"] == user["id"]:
            return public_member(member)
    return public_member(new_member(user))
