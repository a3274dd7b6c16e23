"""Turns lines such as ``alice #general: hello`` and ``/roll sides=6`` into events. Needs the extra ``testing``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...testing import message, slash_command, user

__all__ = ["MadeEvent", "Typist"]

_FIRST_USER_ID = 1_400_000_000_000_000_001
_TEXT = 0
#: AUTHOR, #CHANNEL or both, a colon and a space
_PREFIX = re.compile(r"(?=[^\s:])(?P<author>[^\s#:/]+)?\s*(?:#(?P<channel>[^\s:]+))?:\s+(?P<rest>\S.*)")
_COMMAND = re.compile(r"/(?P<name>[\w-]{1,32})(?:\s+(?P<options>.*))?")


class MadeEvent(NamedTuple):
    """An event, and the line that it stands for, complete with author and channel."""

    name: str
    data: dict[str, Any]
    text: str


class Typist:
    """Makes events from lines; remembers the authors that it made up.

    Args:
        guilds: those of the gateway.
    """

    def __init__(self, guilds: Iterable[Mapping[str, Any]]) -> None:
        self._guilds = tuple(guilds)
        self._users: dict[str, Mapping[str, Any]] = {}

    def event(self, line: str) -> MadeEvent:
        """Return the event of a line.

        Raises:
            ValueError: the channel does not exist, or an option is invalid.
        """
        found = _PREFIX.fullmatch(line)
        author, channel, rest = (found["author"], found["channel"], found["rest"]) if found else (None, None, line)
        guild, where = self._channel(channel)
        who = self._user(guild, author)
        text = f"{who['username']} #{where['name']}: {rest}"
        command = _COMMAND.fullmatch(rest)
        if command is None:
            return MadeEvent("MESSAGE_CREATE", message(guild, rest, author=who, channel=where), text)
        options = dict(map(_option, shlex.split(command["options"] or "")))
        interaction = slash_command(guild, command["name"], options, user=who, channel=where)
        return MadeEvent("INTERACTION_CREATE", interaction, text)

    def _channel(self, name: str | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The guild and the text channel of this name; the first without a name."""
        channels = [(guild, each) for guild in self._guilds for each in guild["channels"] if each["type"] == _TEXT]
        for guild, each in channels:
            if name in (None, each["name"]):
                return guild, each
        raise ValueError(f"no channel #{name}: choose from {', '.join('#' + each['name'] for _, each in channels)}")

    def _user(self, guild: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
        """The member with this user name, or else a user that is made up; the first without a name."""
        for member in guild["members"]:
            found: Mapping[str, Any] = member["user"]
            if name == found["username"] or (name is None and not found["bot"]):
                return found
        name = name or "alice"
        return self._users.setdefault(name, user(_FIRST_USER_ID + len(self._users), name))


def _option(text: str) -> tuple[str, str | int | bool]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"invalid option {text!r}: expected NAME=VALUE")
    if re.fullmatch(r"-?\d{1,15}", value, re.ASCII):
        return name, int(value)
    return name, {"true": True, "false": False}.get(value, value)
