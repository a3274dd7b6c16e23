"""The constants of `vox_gateway.events`: plain text at run time, types for type checkers."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import typing
from collections.abc import Callable

import pytest
import typing_extensions

import vox_gateway
from vox_gateway import Opcode, events, payloads

CONSTANTS = {name: value for name, value in vars(events).items() if isinstance(value, str) and name.isupper()}
#: what the client reports of itself
SIGNALS = {"open", "close", "error", "guilds_ready"}
HINTS = typing_extensions.get_type_hints(events, localns={"p": payloads, "Callable": Callable})


def test_every_constant_is_named_after_its_event() -> None:
    assert {name for name in CONSTANTS if not name.startswith("_")} >= events.DISPATCHES
    for name, value in CONSTANTS.items():
        assert value == (name.lower() if value in SIGNALS else name)


def test_every_opcode_that_is_received_has_a_constant() -> None:
    others = set(CONSTANTS.values()) - events.DISPATCHES - SIGNALS
    assert others == {op.name for op in Opcode if op in (0, 1, 7, 9, 10, 11)}


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_every_constant_has_a_type(name: str) -> None:
    (carried,) = typing_extensions.get_args(HINTS[name])
    if isinstance(CONSTANTS[name], events.SignalName):
        return  # the arguments of their handlers
    for member in typing_extensions.get_args(carried) or (carried,):
        assert typing_extensions.is_typeddict(member) or (name, member) == ("RESUMED", typing.Any)
        if typing_extensions.is_typeddict(member):
            assert getattr(payloads, member.__name__) is member


def test_a_constant_is_text() -> None:
    name = events.MESSAGE_CREATE
    assert isinstance(name, str)
    assert (f"{name}", repr(name), hash(name)) == ("MESSAGE_CREATE", "'MESSAGE_CREATE'", hash("MESSAGE_CREATE"))
    assert {name: 1}["MESSAGE_CREATE"] == 1
    assert pickle.loads(pickle.dumps(name)) == copy.deepcopy(name) == name


def test_importing_the_package_imports_no_payload_type() -> None:
    program = (
        "import sys, vox_gateway; print([name for name in sys.modules if name.startswith('vox_gateway.payloads')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_no_payload_type_is_named_like_something_of_the_package() -> None:
    assert not set(payloads.__all__) & set(vox_gateway.__all__)


def test_the_names_of_all_payload_types_can_be_resolved() -> None:
    for name in payloads.__all__:
        if typing_extensions.is_typeddict(getattr(payloads, name)):
            assert typing_extensions.get_type_hints(getattr(payloads, name), include_extras=True)
