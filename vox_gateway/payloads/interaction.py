"""Interactions: commands, components and forms that a user has used.

An interaction is told from the others by its `type`: after ``if interaction["type"] == 2`` it is a `CommandInteraction`
to a type checker, and likewise its data and options.

See: https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

from .basics import Locale, Permissions, Snowflake
from .channel import PartialChannel
from .guild import PartialGuild
from .member import InteractionMember
from .message import Message
from .modal import ModalSubmitData
from .monetization import Entitlement
from .resolved import ResolvedChannels, ResolvedData, ResolvedMentionables, ResolvedRoles, ResolvedUsers
from .user import User

__all__ = [
    "AutocompleteData",
    "AutocompleteInteraction",
    "AutocompleteNumberOption",
    "AutocompleteOption",
    "AutocompleteSubcommand",
    "AutocompleteSubcommandGroup",
    "BooleanOption",
    "ButtonData",
    "ChannelSelectData",
    "ChatInputCommandData",
    "CommandData",
    "CommandInteraction",
    "CommandOption",
    "ComponentData",
    "ComponentInteraction",
    "EntryPointCommandData",
    "IntegerOption",
    "Interaction",
    "MentionableSelectData",
    "MessageCommandData",
    "ModalSubmitInteraction",
    "NumberOption",
    "ResolvedMessages",
    "RoleSelectData",
    "SnowflakeOption",
    "StringOption",
    "StringSelectData",
    "Subcommand",
    "SubcommandGroup",
    "UserCommandData",
    "UserSelectData",
    "ValueOption",
]

# -- the options of a command ------------------------------------------------------------------------------------------


class _Option(TypedDict):
    name: str


class StringOption(_Option):
    """A text."""

    type: Literal[3]
    value: str
    focused: NotRequired[bool]


class IntegerOption(_Option):
    """A whole number."""

    type: Literal[4]
    value: int


class BooleanOption(_Option):
    """True or false."""

    type: Literal[5]
    value: bool


class SnowflakeOption(_Option):
    """The id of a user (6), a channel (7), a role (8), a user or role (9) or an attachment (11)."""

    type: Literal[6, 7, 8, 9, 11]
    value: Snowflake


class NumberOption(_Option):
    """A number."""

    type: Literal[10]
    value: float


class AutocompleteNumberOption(_Option):
    """A number that is being typed, as a text."""

    type: Literal[4, 10]
    value: str
    focused: NotRequired[bool]


#: An option with a value.
ValueOption: TypeAlias = StringOption | IntegerOption | BooleanOption | SnowflakeOption | NumberOption


class Subcommand(_Option):
    """A subcommand."""

    type: Literal[1]
    options: NotRequired[list[ValueOption]]


class SubcommandGroup(_Option):
    """A group of subcommands; its only option is the subcommand."""

    type: Literal[2]
    options: list[Subcommand]


#: An option of a command.
#: See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-application-command-interaction-data-option-structure
CommandOption: TypeAlias = ValueOption | Subcommand | SubcommandGroup

_AutocompleteValueOption: TypeAlias = StringOption | AutocompleteNumberOption | BooleanOption | SnowflakeOption


class AutocompleteSubcommand(_Option):
    """A subcommand that is being typed."""

    type: Literal[1]
    options: NotRequired[list[_AutocompleteValueOption]]


class AutocompleteSubcommandGroup(_Option):
    """A group with a subcommand that is being typed."""

    type: Literal[2]
    options: list[AutocompleteSubcommand]


#: An option of a command that is being typed; `focused` says which is being edited.
AutocompleteOption: TypeAlias = _AutocompleteValueOption | AutocompleteSubcommand | AutocompleteSubcommandGroup

# -- the data ----------------------------------------------------------------------------------------------------------


class _CommandData(TypedDict):
    id: Snowflake
    name: str
    guild_id: NotRequired[Snowflake]


class ChatInputCommandData(_CommandData):
    """A slash command."""

    type: Literal[1]
    options: NotRequired[list[CommandOption]]
    resolved: NotRequired[ResolvedData]


class UserCommandData(_CommandData):
    """A command of the menu of a user."""

    type: Literal[2]
    target_id: Snowflake
    resolved: ResolvedUsers


class ResolvedMessages(TypedDict):
    """The message of a `MessageCommandData`, by its id."""

    messages: dict[Snowflake, Message]


class MessageCommandData(_CommandData):
    """A command of the menu of a message."""

    type: Literal[3]
    target_id: Snowflake
    resolved: ResolvedMessages


class EntryPointCommandData(_CommandData):
    """The command that starts an Activity."""

    type: Literal[4]


#: The data of a command.
#: See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-application-command-data-structure
CommandData: TypeAlias = ChatInputCommandData | UserCommandData | MessageCommandData | EntryPointCommandData


class AutocompleteData(_CommandData):
    """A slash command that is being typed."""

    type: Literal[1]
    options: list[AutocompleteOption]
    resolved: NotRequired[ResolvedData]


class ButtonData(TypedDict):
    """A button that was pressed."""

    custom_id: str
    component_type: Literal[2]


class StringSelectData(TypedDict):
    """The texts that were selected."""

    custom_id: str
    component_type: Literal[3]
    values: list[str]


class UserSelectData(TypedDict):
    """The ids of the users who were selected."""

    custom_id: str
    component_type: Literal[5]
    values: list[Snowflake]
    resolved: ResolvedUsers


class RoleSelectData(TypedDict):
    """The ids of the roles that were selected."""

    custom_id: str
    component_type: Literal[6]
    values: list[Snowflake]
    resolved: ResolvedRoles


class MentionableSelectData(TypedDict):
    """The ids of the users and roles that were selected."""

    custom_id: str
    component_type: Literal[7]
    values: list[Snowflake]
    resolved: ResolvedMentionables


class ChannelSelectData(TypedDict):
    """The ids of the channels that were selected."""

    custom_id: str
    component_type: Literal[8]
    values: list[Snowflake]
    resolved: ResolvedChannels


#: The data of a component.
#: See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-message-component-data-structure
ComponentData: TypeAlias = (
    ButtonData | StringSelectData | UserSelectData | RoleSelectData | MentionableSelectData | ChannelSelectData
)

# -- the interactions --------------------------------------------------------------------------------------------------


class _Interaction(TypedDict):
    id: Snowflake
    application_id: Snowflake
    guild: NotRequired[PartialGuild]
    guild_id: NotRequired[Snowflake]
    member: NotRequired[InteractionMember]
    user: NotRequired[User]
    token: str
    version: int
    app_permissions: Permissions
    locale: Locale
    guild_locale: NotRequired[Locale]
    entitlements: list[Entitlement]
    authorizing_integration_owners: dict[str, Snowflake]
    context: NotRequired[int]
    attachment_size_limit: int


class CommandInteraction(_Interaction):
    """A command was used. In a guild it has a `member`, elsewhere a `user`."""

    type: Literal[2]
    data: CommandData
    channel: PartialChannel
    channel_id: Snowflake


class ComponentInteraction(_Interaction):
    """A component of `message` was used."""

    type: Literal[3]
    data: ComponentData
    message: Message
    channel: PartialChannel
    channel_id: Snowflake


class AutocompleteInteraction(_Interaction):
    """An option of a command is being typed."""

    type: Literal[4]
    data: AutocompleteData
    channel: NotRequired[PartialChannel]
    channel_id: NotRequired[Snowflake]


class ModalSubmitInteraction(_Interaction):
    """A form was filled in; `message` is there if a component opened it."""

    type: Literal[5]
    data: ModalSubmitData
    message: NotRequired[Message]
    channel: NotRequired[PartialChannel]
    channel_id: NotRequired[Snowflake]


#: The data of INTERACTION_CREATE.
#: See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object
Interaction: TypeAlias = CommandInteraction | ComponentInteraction | AutocompleteInteraction | ModalSubmitInteraction
