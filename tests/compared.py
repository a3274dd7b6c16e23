"""The functions in C beside those in Python that they replace: the same values, or left to Python."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vox_gateway import extension
from vox_gateway.encoding import etf, raw_dispatch
from vox_gateway.network import frames

try:
    compiled: Any = importlib.import_module("vox_gateway._speedups") if extension.STATUS == "C" else None
except ImportError:
    compiled = None

#: where each function is called
ACCELERATED = {"whole_messages": frames, "cut": raw_dispatch, "decode_all": etf}

needs_c = pytest.mark.skipif(compiled is None, reason=f"core: {extension.STATUS}")

#: the functions in Python
REFERENCES: dict[str, Callable[..., Any]] = {
    name: getattr(getattr(module, name), "__wrapped__", getattr(module, name)) for name, module in ACCELERATED.items()
}


def outcome(function: Callable[..., Any], *args: Any) -> str:
    """What a call gives, as text, which tells 1 from 1.0 and True, and one order of keys from another."""
    try:
        result = function(*args)
        return repr(list(result) if isinstance(result, Iterator) else result)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def compare(name: str, *args: Any) -> bool:
    """Call both; return whether C did the work."""
    result = getattr(compiled, name)(*args)
    if result is NotImplemented:
        return False
    assert repr(result) == outcome(REFERENCES[name], *args)
    return True


def every_call_is_compared() -> Iterator[None]:
    """As a fixture: whatever a test feeds, both are called, and Python's result is used."""
    if compiled is None:
        yield
        return

    def both(name: str, python: Callable[..., Any]) -> Callable[..., Any]:
        def function(*args: Any) -> Any:
            compare(name, *args)
            return python(*args)

        return function

    with pytest.MonkeyPatch.context() as patch:
        for name, module in ACCELERATED.items():
            patch.setattr(module, name, both(name, REFERENCES[name]))
        yield
