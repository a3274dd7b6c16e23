"""Compares `vox_gateway.payloads` with the types of the npm package discord-api-types. ::

    python tools/compare_payloads.py

Needs node and npm, which fetch the package into a temporary folder. Every event is compared, and every object in it:
the names of fields, whether they are optional, whether they may be null, and what they hold. Differences that are meant
are listed in `MEANT`, with the reason. Prints the others, and returns 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union

import typing_extensions

from vox_gateway import events, payloads

PACKAGES = ("discord-api-types@0.38.57", "typescript@5.9.3")
SCRIPT = Path(__file__).with_name("payload_types.cjs")
#: fields whose literal tells the members of a union apart
TAGS = ("type", "component_type")

_UNDOCUMENTED = "not in the official documentation, or deprecated there"
_DOCUMENTED = "as in the official documentation"
_PARTIAL_EMOJI = "a partial emoji: it has `id`, `name` and `animated`"
_NO_MESSAGE = "documented for components and forms only"
_NO_FOCUS = "documented for autocompletion only"
#: differences that are meant, by class and field: the official documentation decides
MEANT = {
    "Activity.emoji": _DOCUMENTED,
    "Activity.id": _UNDOCUMENTED,
    "Activity.platform": _UNDOCUMENTED,
    "Activity.session_id": _UNDOCUMENTED,
    "Activity.sync_id": _UNDOCUMENTED,
    "ActivityEmoji.id": _DOCUMENTED,
    "ActivityEmoji.name": _DOCUMENTED,
    "AddedThreadMember.presence": _DOCUMENTED,
    "Application.flags": _DOCUMENTED,
    "Application.flags_new": _DOCUMENTED,
    "Application.summary": _UNDOCUMENTED,
    "AutocompleteInteraction.message": _NO_MESSAGE,
    "CommandInteraction.message": _NO_MESSAGE,
    "EntityMetadata.location": _DOCUMENTED,
    "Guild.hub_type": _UNDOCUMENTED,
    "GuildCreate.hub_type": _UNDOCUMENTED,
    "GuildMembersChunk.not_found[]": "unknown there; the documentation says that they are the requested ids",
    "INTERACTION_CREATE.type 1": "a PING, which comes over HTTP only",
    "IntegerOption.focused": _NO_FOCUS,
    "MentionedUser.avatar_decoration": _UNDOCUMENTED,
    "MessageReference.channel_id": _DOCUMENTED,
    "MessageSnapshot.guild_id": _UNDOCUMENTED,
    "NumberOption.focused": _NO_FOCUS,
    "PartialApplication.summary": _UNDOCUMENTED,
    "PartialChannel.app_permissions": _DOCUMENTED,
    "PartialChannel.permissions": _DOCUMENTED,
    "PartialEmoji.available": _PARTIAL_EMOJI,
    "PartialEmoji.managed": _PARTIAL_EMOJI,
    "PartialEmoji.require_colons": _PARTIAL_EMOJI,
    "PartialEmoji.roles": _PARTIAL_EMOJI,
    "PartialEmoji.user": _PARTIAL_EMOJI,
    "PartialUser.avatar_decoration": _UNDOCUMENTED,
    "Presence.guild_id": "documented as partial in GUILD_CREATE, whose `id` it would repeat",
    "ReadyApplication.flags_new": _DOCUMENTED,
    "StageInstance.guild_scheduled_event_id": _DOCUMENTED,
    "Sticker.asset": _UNDOCUMENTED,
    "TeamMember.permissions": _UNDOCUMENTED,
    "ThreadMetadata.create_timestamp": _DOCUMENTED,
    "User.avatar_decoration": _UNDOCUMENTED,
}
#: objects that are not compared, by class and field
NOT_COMPARED = {
    "Message.thread": "any channel there; it is always a thread",
    "MessageCreate.thread": "any channel there; it is always a thread",
    "MessageUpdate.thread": "any channel there; it is always a thread",
}


@dataclass
class Field:
    """A field of an object: what it may hold, as kinds, and the parts of these."""

    optional: bool
    kinds: set[str] = field(default_factory=set)
    objects: list[Any] = field(default_factory=list)  # of either side: handed to its `fields`
    items: list[Any] = field(default_factory=list)  # the types of items of arrays and values of mappings


class Ours:
    """The types of `vox_gateway.payloads`: classes and type hints."""

    def name(self, one: type) -> str:
        """Return the name of an object type."""
        return one.__name__

    def fields(self, one: type) -> dict[str, Field]:
        """Return the fields of an object type."""
        found = {}
        for name, hint in typing_extensions.get_type_hints(one, include_extras=True).items():
            origin: Any = typing_extensions.get_origin(hint)
            optional = origin is typing_extensions.NotRequired
            found[name] = self.describe(typing.get_args(hint)[0] if optional else hint, optional)
        return found

    def tags(self, one: type, tag: str) -> set[object]:
        """Return the literals of the field `tag`; empty if it may hold more."""
        hint = typing_extensions.get_type_hints(one).get(tag)
        return set(typing.get_args(hint)) if typing.get_origin(hint) is Literal else set()

    def describe(self, hint: Any, optional: bool = False) -> Field:
        """Return what a type hint allows."""
        found = Field(optional)
        origin = typing.get_origin(hint)
        if origin in (Union, types.UnionType):
            for part in typing.get_args(hint):
                merge(found, self.describe(part))
        elif origin is Literal:
            found.kinds |= {KINDS[type(value)] for value in typing.get_args(hint)}
        elif origin in (list, dict):
            found.kinds.add("array" if origin is list else "object")
            found.items.append(typing.get_args(hint)[-1])
        elif hint in KINDS:
            found.kinds.add(KINDS[hint])
        else:
            found.kinds.add("object")
            found.objects.append(hint)
        return found


KINDS: dict[Any, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    None: "null",
    Any: "any",
}


class Theirs:
    """The types that payload_types.cjs has printed: numbers, and lists of alternatives."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._types = described["types"]

    def name(self, one: int) -> str:
        """Return the name of an object type."""
        return str(self._types[one]["name"] or "an unnamed type")

    def fields(self, one: int) -> dict[str, Field]:
        """Return the fields of an object type."""
        return {
            name: self.describe(described["type"], described["optional"])
            for name, described in self._types[one]["fields"].items()
        }

    def tags(self, one: int, tag: str) -> set[object]:
        """Return the literals of the field `tag`; empty if it may hold more."""
        alternatives = self._types[one]["fields"].get(tag, {"type": []})["type"]
        return {alternative.get("literal") for alternative in alternatives if isinstance(alternative, dict)} - {None}

    def describe(self, alternatives: list[Any], optional: bool = False) -> Field:
        """Return what a list of alternatives allows."""
        found = Field(optional)
        for alternative in alternatives:
            match alternative:
                case str():
                    found.kinds.add(alternative)
                case {"literal": value}:
                    found.kinds.add(KINDS[type(value)])
                case {"array": items}:
                    found.kinds.add("array")
                    found.items.append(items)
                case {"record": items}:
                    found.kinds.add("object")
                    found.items.append(items)
                case {"object": number}:
                    found.kinds.add("object")
                    found.objects.append(number)
        return found


def merge(one: Field, other: Field) -> Field:
    """Add to a field what it holds in another member of a union."""
    one.optional |= other.optional
    one.kinds |= other.kinds
    one.objects += other.objects
    one.items += other.items
    return one


def merged(all_fields: Iterable[dict[str, Field]]) -> dict[str, Field]:
    """Return the fields of a union: those that not every member has are optional."""
    members = list(all_fields)
    found: dict[str, Field] = {}
    for member in members:
        for name, one in member.items():
            found[name] = merge(found[name], one) if name in found else one
    for name, one in found.items():
        one.optional |= not all(name in member for member in members)
    return found


class Comparison:
    """Walks both sides at once, each pair of unions once."""

    def __init__(self, ours: Ours, theirs: Theirs) -> None:
        self._ours, self._theirs = ours, theirs
        self._seen: set[tuple[frozenset[Any], frozenset[Any]]] = set()

    def compare(self, where: str, our: Field, their: Field) -> Iterator[tuple[str, str]]:
        """Yield the differences of a field, each with the field's name."""
        if "any" in our.kinds:
            return
        if our.optional != their.optional:
            yield where, f"{_requirement(our)} here, {_requirement(their)} there"
        if our.kinds != their.kinds:
            yield where, f"{_kinds(our)} here, {_kinds(their)} there"
        if where not in NOT_COMPARED:
            yield from self._objects(where, our.objects, their.objects)
        if our.items and their.items:
            our_items, their_items = Field(False), Field(False)
            for items in our.items:
                merge(our_items, self._ours.describe(items))
            for items in their.items:
                merge(their_items, self._theirs.describe(items))
            yield from self.compare(f"{where}[]", our_items, their_items)

    def _objects(self, where: str, our: list[Any], their: list[Any]) -> Iterator[tuple[str, str]]:
        pair = frozenset(our), frozenset(their)
        if not our or not their or pair in self._seen:
            return
        self._seen.add(pair)
        for tag in TAGS:
            values = {value for one in our for value in self._ours.tags(one, tag)}
            if len(our) > 1 and values and all(self._theirs.tags(one, tag) for one in their):
                values |= {value for one in their for value in self._theirs.tags(one, tag)}
                for value in sorted(values, key=str):
                    our_part = [one for one in our if value in self._ours.tags(one, tag)]
                    their_part = [one for one in their if value in self._theirs.tags(one, tag)]
                    if not our_part or not their_part:
                        yield f"{where}.{tag} {value}", "not here" if their_part else "not there"
                    yield from self._objects(where, our_part, their_part)
                return
        our_fields = merged(map(self._ours.fields, our))
        their_fields = merged(map(self._theirs.fields, their))
        name = " | ".join(sorted({self._ours.name(one) for one in our}))
        for missing in sorted(their_fields.keys() - our_fields.keys()):
            yield f"{name}.{missing}", "not here"
        for added in sorted(our_fields.keys() - their_fields.keys()):
            yield f"{name}.{added}", "not there"
        for both in our_fields.keys() & their_fields.keys():
            yield from self.compare(f"{name}.{both}", our_fields[both], their_fields[both])


def _requirement(one: Field) -> str:
    return "optional" if one.optional else "required"


def _kinds(one: Field) -> str:
    return " or ".join(sorted(one.kinds)) or "nothing"


def described() -> dict[str, Any]:
    """Return the types of discord-api-types, fetched by npm into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent", *PACKAGES]
        subprocess.run(fetch, cwd=folder, check=True)
        output = subprocess.run(["node", str(SCRIPT)], cwd=folder, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(output)
    return found


def payload_types() -> dict[str, Any]:
    """Return the type of each dispatch event's data, as `vox_gateway.events` has it."""
    hints = typing_extensions.get_type_hints(events, localns={"p": payloads, "Callable": Callable})
    return {name: typing.get_args(hint)[0] for name, hint in hints.items() if name in events.DISPATCHES}


def differences(theirs: dict[str, Any]) -> dict[str, list[str]]:
    """Return the differences by field."""
    comparison = Comparison(Ours(), Theirs(theirs))
    ours = payload_types()
    found: dict[str, list[str]] = {}
    for event in sorted(ours.keys() ^ theirs["events"].keys()):
        found[event] = ["only here" if event in ours else "only there"]
    for event in sorted(ours.keys() & theirs["events"].keys()):
        our, their = Ours().describe(ours[event]), Theirs(theirs).describe(theirs["events"][event])
        for where, what in comparison.compare(event, our, their):
            if what not in found.setdefault(where, []):
                found[where].append(what)
    return found


def main() -> int:
    """Print the differences, and return the exit status."""
    parser = argparse.ArgumentParser(description="Compare vox_gateway.payloads with discord-api-types.")
    parser.add_argument("--meant", action="store_true", help="print the differences that are meant too")
    arguments = parser.parse_args()
    found = differences(described())
    unknown = {where: what for where, what in found.items() if where not in MEANT}
    for where, what in unknown.items():
        print(f"{where}: {', '.join(what)}")
    for where in sorted(MEANT.keys() - found.keys()):
        print(f"{where}: no difference any more; remove it from MEANT")
    if arguments.meant:
        for where, reason in MEANT.items():
            print(f"{where}: {', '.join(found.get(where, []))} ({reason})")
    print(f"{len(unknown)} differences, and {len(found) - len(unknown)} that are meant")
    return 1 if unknown or MEANT.keys() - found.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
