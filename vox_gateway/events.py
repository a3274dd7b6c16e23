"""The names of all events, with the types of what they carry. ::

    from vox_gateway import events
    from vox_gateway.payloads import MessageCreate

    @client.on(events.MESSAGE_CREATE)
    def greet(message: MessageCreate) -> None:
        print(message["content"])

A constant is a `str`, equal to the name as Discord writes it, which may be used instead. To a type checker it also has
the type of the data, so a handler, a check or the result of `Client.wait_for` is checked and completed. Only type
checkers import the types.

See: https://docs.discord.com/developers/events/gateway-events#receive-events
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from . import payloads as p

__all__ = ["DISPATCHES", "EventName", "PlainName", "SignalName"]  # and the constants

T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")


class EventName(str, Generic[T_co]):
    """The name of an event whose handlers are called with one argument, of the type `T_co`."""

    __slots__ = ()

    if TYPE_CHECKING:  # see `PlainName`

        def __getnewargs__(self) -> tuple[str, T_co]: ...  # type: ignore[override]


class SignalName(str, Generic[P]):
    """The name of an event whose handlers are called with the arguments `P`."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getnewargs__(self) -> tuple[str, Callable[P, None]]: ...  # type: ignore[override]


class PlainName(Protocol):
    """For type checkers: any `str` that is neither an `EventName` nor a `SignalName`.

    An overload for every `str` would also accept a constant with a handler of the wrong type. So the constants pretend
    that a method of `str` returns something else, and this protocol names that method.
    """

    def __getnewargs__(self) -> tuple[str]:
        """As `str` has it."""


# -- dispatches: handlers get the data ---------------------------------------------------------------------------------

# The session
READY: EventName[p.Ready] = EventName("READY")
RESUMED: EventName[Any] = EventName("RESUMED")
RATE_LIMITED: EventName[p.RateLimitedEvent] = EventName("RATE_LIMITED")

# Commands and interactions
APPLICATION_COMMAND_PERMISSIONS_UPDATE: EventName[p.ApplicationCommandPermissionsUpdate] = EventName(
    "APPLICATION_COMMAND_PERMISSIONS_UPDATE"
)
INTERACTION_CREATE: EventName[p.Interaction] = EventName("INTERACTION_CREATE")

# Auto moderation
AUTO_MODERATION_RULE_CREATE: EventName[p.AutoModerationRule] = EventName("AUTO_MODERATION_RULE_CREATE")
AUTO_MODERATION_RULE_UPDATE: EventName[p.AutoModerationRule] = EventName("AUTO_MODERATION_RULE_UPDATE")
AUTO_MODERATION_RULE_DELETE: EventName[p.AutoModerationRule] = EventName("AUTO_MODERATION_RULE_DELETE")
AUTO_MODERATION_ACTION_EXECUTION: EventName[p.AutoModerationExecution] = EventName("AUTO_MODERATION_ACTION_EXECUTION")

# Channels and threads
CHANNEL_CREATE: EventName[p.GuildChannel] = EventName("CHANNEL_CREATE")
CHANNEL_UPDATE: EventName[p.GuildChannel] = EventName("CHANNEL_UPDATE")
CHANNEL_DELETE: EventName[p.GuildChannel] = EventName("CHANNEL_DELETE")
CHANNEL_INFO: EventName[p.ChannelInfo] = EventName("CHANNEL_INFO")
CHANNEL_PINS_UPDATE: EventName[p.ChannelPinsUpdate] = EventName("CHANNEL_PINS_UPDATE")
THREAD_CREATE: EventName[p.ThreadCreate] = EventName("THREAD_CREATE")
THREAD_UPDATE: EventName[p.Thread] = EventName("THREAD_UPDATE")
THREAD_DELETE: EventName[p.ThreadDelete] = EventName("THREAD_DELETE")
THREAD_LIST_SYNC: EventName[p.ThreadListSync] = EventName("THREAD_LIST_SYNC")
THREAD_MEMBER_UPDATE: EventName[p.ThreadMemberUpdate] = EventName("THREAD_MEMBER_UPDATE")
THREAD_MEMBERS_UPDATE: EventName[p.ThreadMembersUpdate] = EventName("THREAD_MEMBERS_UPDATE")
TYPING_START: EventName[p.TypingStart] = EventName("TYPING_START")
WEBHOOKS_UPDATE: EventName[p.WebhooksUpdate] = EventName("WEBHOOKS_UPDATE")

# Entitlements and subscriptions
ENTITLEMENT_CREATE: EventName[p.Entitlement] = EventName("ENTITLEMENT_CREATE")
ENTITLEMENT_UPDATE: EventName[p.Entitlement] = EventName("ENTITLEMENT_UPDATE")
ENTITLEMENT_DELETE: EventName[p.Entitlement] = EventName("ENTITLEMENT_DELETE")
SUBSCRIPTION_CREATE: EventName[p.Subscription] = EventName("SUBSCRIPTION_CREATE")
SUBSCRIPTION_UPDATE: EventName[p.Subscription] = EventName("SUBSCRIPTION_UPDATE")
SUBSCRIPTION_DELETE: EventName[p.Subscription] = EventName("SUBSCRIPTION_DELETE")

# Guilds
GUILD_CREATE: EventName[p.GuildCreate] = EventName("GUILD_CREATE")
GUILD_UPDATE: EventName[p.Guild] = EventName("GUILD_UPDATE")
GUILD_DELETE: EventName[p.GuildDelete] = EventName("GUILD_DELETE")
GUILD_AUDIT_LOG_ENTRY_CREATE: EventName[p.GuildAuditLogEntryCreate] = EventName("GUILD_AUDIT_LOG_ENTRY_CREATE")
GUILD_BAN_ADD: EventName[p.GuildBanAdd] = EventName("GUILD_BAN_ADD")
GUILD_BAN_REMOVE: EventName[p.GuildBanRemove] = EventName("GUILD_BAN_REMOVE")
GUILD_EMOJIS_UPDATE: EventName[p.GuildEmojisUpdate] = EventName("GUILD_EMOJIS_UPDATE")
GUILD_STICKERS_UPDATE: EventName[p.GuildStickersUpdate] = EventName("GUILD_STICKERS_UPDATE")
GUILD_INTEGRATIONS_UPDATE: EventName[p.GuildIntegrationsUpdate] = EventName("GUILD_INTEGRATIONS_UPDATE")
GUILD_MEMBER_ADD: EventName[p.GuildMemberAdd] = EventName("GUILD_MEMBER_ADD")
GUILD_MEMBER_REMOVE: EventName[p.GuildMemberRemove] = EventName("GUILD_MEMBER_REMOVE")
GUILD_MEMBER_UPDATE: EventName[p.GuildMemberUpdate] = EventName("GUILD_MEMBER_UPDATE")
GUILD_MEMBERS_CHUNK: EventName[p.GuildMembersChunk] = EventName("GUILD_MEMBERS_CHUNK")
GUILD_ROLE_CREATE: EventName[p.GuildRoleCreate] = EventName("GUILD_ROLE_CREATE")
GUILD_ROLE_UPDATE: EventName[p.GuildRoleUpdate] = EventName("GUILD_ROLE_UPDATE")
GUILD_ROLE_DELETE: EventName[p.GuildRoleDelete] = EventName("GUILD_ROLE_DELETE")
GUILD_SCHEDULED_EVENT_CREATE: EventName[p.ScheduledEvent] = EventName("GUILD_SCHEDULED_EVENT_CREATE")
GUILD_SCHEDULED_EVENT_UPDATE: EventName[p.ScheduledEvent] = EventName("GUILD_SCHEDULED_EVENT_UPDATE")
GUILD_SCHEDULED_EVENT_DELETE: EventName[p.ScheduledEvent] = EventName("GUILD_SCHEDULED_EVENT_DELETE")
GUILD_SCHEDULED_EVENT_USER_ADD: EventName[p.ScheduledEventUser] = EventName("GUILD_SCHEDULED_EVENT_USER_ADD")
GUILD_SCHEDULED_EVENT_USER_REMOVE: EventName[p.ScheduledEventUser] = EventName("GUILD_SCHEDULED_EVENT_USER_REMOVE")
GUILD_SOUNDBOARD_SOUND_CREATE: EventName[p.SoundboardSound] = EventName("GUILD_SOUNDBOARD_SOUND_CREATE")
GUILD_SOUNDBOARD_SOUND_UPDATE: EventName[p.SoundboardSound] = EventName("GUILD_SOUNDBOARD_SOUND_UPDATE")
GUILD_SOUNDBOARD_SOUND_DELETE: EventName[p.GuildSoundboardSoundDelete] = EventName("GUILD_SOUNDBOARD_SOUND_DELETE")
GUILD_SOUNDBOARD_SOUNDS_UPDATE: EventName[p.GuildSoundboardSoundsUpdate] = EventName("GUILD_SOUNDBOARD_SOUNDS_UPDATE")
SOUNDBOARD_SOUNDS: EventName[p.SoundboardSounds] = EventName("SOUNDBOARD_SOUNDS")
INTEGRATION_CREATE: EventName[p.Integration] = EventName("INTEGRATION_CREATE")
INTEGRATION_UPDATE: EventName[p.Integration] = EventName("INTEGRATION_UPDATE")
INTEGRATION_DELETE: EventName[p.IntegrationDelete] = EventName("INTEGRATION_DELETE")
INVITE_CREATE: EventName[p.InviteCreate] = EventName("INVITE_CREATE")
INVITE_DELETE: EventName[p.InviteDelete] = EventName("INVITE_DELETE")
STAGE_INSTANCE_CREATE: EventName[p.StageInstance] = EventName("STAGE_INSTANCE_CREATE")
STAGE_INSTANCE_UPDATE: EventName[p.StageInstance] = EventName("STAGE_INSTANCE_UPDATE")
STAGE_INSTANCE_DELETE: EventName[p.StageInstance] = EventName("STAGE_INSTANCE_DELETE")

# Messages
MESSAGE_CREATE: EventName[p.MessageCreate] = EventName("MESSAGE_CREATE")
MESSAGE_UPDATE: EventName[p.MessageUpdate] = EventName("MESSAGE_UPDATE")
MESSAGE_DELETE: EventName[p.MessageDelete] = EventName("MESSAGE_DELETE")
MESSAGE_DELETE_BULK: EventName[p.MessageDeleteBulk] = EventName("MESSAGE_DELETE_BULK")
MESSAGE_REACTION_ADD: EventName[p.MessageReactionAdd] = EventName("MESSAGE_REACTION_ADD")
MESSAGE_REACTION_REMOVE: EventName[p.MessageReactionRemove] = EventName("MESSAGE_REACTION_REMOVE")
MESSAGE_REACTION_REMOVE_ALL: EventName[p.MessageReactionRemoveAll] = EventName("MESSAGE_REACTION_REMOVE_ALL")
MESSAGE_REACTION_REMOVE_EMOJI: EventName[p.MessageReactionRemoveEmoji] = EventName("MESSAGE_REACTION_REMOVE_EMOJI")
MESSAGE_POLL_VOTE_ADD: EventName[p.MessagePollVoteAdd] = EventName("MESSAGE_POLL_VOTE_ADD")
MESSAGE_POLL_VOTE_REMOVE: EventName[p.MessagePollVoteRemove] = EventName("MESSAGE_POLL_VOTE_REMOVE")

# Users and voice
PRESENCE_UPDATE: EventName[p.PresenceUpdate] = EventName("PRESENCE_UPDATE")
USER_UPDATE: EventName[p.User] = EventName("USER_UPDATE")
VOICE_STATE_UPDATE: EventName[p.VoiceState] = EventName("VOICE_STATE_UPDATE")
VOICE_SERVER_UPDATE: EventName[p.VoiceServerUpdate] = EventName("VOICE_SERVER_UPDATE")
VOICE_CHANNEL_EFFECT_SEND: EventName[p.VoiceChannelEffectSend] = EventName("VOICE_CHANNEL_EFFECT_SEND")
VOICE_CHANNEL_STATUS_UPDATE: EventName[p.VoiceChannelStatusUpdate] = EventName("VOICE_CHANNEL_STATUS_UPDATE")
VOICE_CHANNEL_START_TIME_UPDATE: EventName[p.VoiceChannelStartTimeUpdate] = EventName("VOICE_CHANNEL_START_TIME_UPDATE")

# -- opcodes: handlers get the whole payload ---------------------------------------------------------------------------

DISPATCH: EventName[p.Dispatch] = EventName("DISPATCH")
HEARTBEAT: EventName[p.Heartbeat] = EventName("HEARTBEAT")
RECONNECT: EventName[p.Reconnect] = EventName("RECONNECT")
INVALID_SESSION: EventName[p.InvalidSession] = EventName("INVALID_SESSION")
HELLO: EventName[p.Hello] = EventName("HELLO")
HEARTBEAT_ACK: EventName[p.HeartbeatAck] = EventName("HEARTBEAT_ACK")

# -- the connection ----------------------------------------------------------------------------------------------------

OPEN: SignalName[[]] = SignalName("open")
CLOSE: EventName[p.Close] = EventName("close")
ERROR: SignalName[[BaseException, str]] = SignalName("error")
GUILDS_READY: SignalName[[]] = SignalName("guilds_ready")

_NOT_DISPATCHES = {DISPATCH, HEARTBEAT, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK, CLOSE}

#: Every dispatch event of the official documentation.
DISPATCHES: frozenset[str] = frozenset(
    name for name in tuple(globals().values()) if isinstance(name, EventName) and name not in _NOT_DISPATCHES
)
