"""The comparison of the payload types with those of discord-api-types, with types that are made up."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any, Literal

import pytest
from snippets import ROOT
from typing_extensions import NotRequired, TypedDict


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_payloads", ROOT / "tools" / "compare_payloads.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


class Cat(TypedDict):
    type: Literal[1]
    name: str
    lives: NotRequired[int]


class Dog(TypedDict):
    type: Literal[2]
    name: str | None
    friends: list[Cat | Dog]


CAT = {"type": (False, [{"literal": 1}]), "name": (False, ["string"]), "lives": (True, ["number"])}
DOG = {
    "type": (False, [{"literal": 2}]),
    "name": (False, ["string", "null"]),
    "friends": (False, [{"array": [{"object": 0}, {"object": 1}]}]),
}
Fields = dict[str, tuple[bool, list[Any]]]


def differences(tool: ModuleType, cat: Fields, dog: Fields) -> dict[str, str]:
    """The differences of a list of cats and dogs from these."""
    types = [
        {"name": name, "fields": {field: {"optional": one[0], "type": one[1]} for field, one in fields.items()}}
        for name, fields in (("Cat", cat), ("Dog", dog))
    ]
    ours, theirs = tool.Ours(), tool.Theirs({"types": types})
    there = theirs.describe([{"array": [{"object": 0}, {"object": 1}]}])
    return dict(tool.Comparison(ours, theirs).compare("PETS", ours.describe(list[Cat | Dog]), there))


def test_equal_types_do_not_differ(tool: ModuleType) -> None:
    assert differences(tool, CAT, DOG) == {}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"lives": (False, ["number"])}, {"Cat.lives": "optional here, required there"}),
        ({"name": (True, ["string"])}, {"Cat.name": "required here, optional there"}),
        ({"name": (False, ["string", "null"])}, {"Cat.name": "string here, null or string there"}),
        ({"name": (False, ["number"])}, {"Cat.name": "string here, number there"}),
        ({"tail": (False, ["boolean"])}, {"Cat.tail": "not here"}),
        ({"lives": None}, {"Cat.lives": "not there"}),
        ({"type": (False, [{"literal": 3}])}, {"PETS[].type 1": "not there", "PETS[].type 3": "not here"}),
    ],
)
def test_every_difference_is_found(tool: ModuleType, change: dict[str, Any], found: dict[str, str]) -> None:
    changed = {field: value for field, value in {**CAT, **change}.items() if value is not None}
    assert differences(tool, changed, DOG) == found


def test_what_is_within_lists_is_compared(tool: ModuleType) -> None:
    assert differences(tool, CAT, {**DOG, "friends": (False, [{"array": ["string"]}])}) == {
        "Dog.friends[]": "object here, string there"
    }


def test_the_differences_that_are_meant_are_of_types_that_there_are(tool: ModuleType) -> None:
    import vox_gateway.payloads as payloads
    from vox_gateway import events

    for where in tool.MEANT.keys() | tool.NOT_COMPARED.keys():
        name = where.partition(".")[0]
        assert name in events.DISPATCHES or hasattr(payloads, name)
