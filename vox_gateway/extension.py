"""Puts the functions of the optional module in C, `_speedups`, in the place of those in Python.

The module is built with the package where a compiler is. ``VOX_GATEWAY_PURE=1`` in the environment leaves it out, both
when the package is built and when it is imported.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from ._version import __version__

__all__ = ["STATUS", "accelerated", "compiled"]

Function = TypeVar("Function", bound=Callable[..., object])


def _load() -> tuple[ModuleType | None, str]:
    """Return the module if it can be used, and what is in use, with the reason."""
    if os.environ.get("VOX_GATEWAY_PURE"):
        return None, "Python (VOX_GATEWAY_PURE is set)"
    try:
        module = importlib.import_module("vox_gateway._speedups")
    except ModuleNotFoundError:
        return None, "Python (the C extension is not built)"
    except Exception as error:  # whatever is wrong with the file, the package must work
        return None, f"Python (the C extension does not load: {error})"
    if module.__version__ != __version__:
        return None, f"Python (the C extension is of version {module.__version__}, not {__version__})"
    return module, "C"


#: STATUS is what is in use: C, or Python with the reason in brackets
_speedups, STATUS = _load()


def compiled(name: str) -> Callable[..., Any] | None:
    """Return a function of the module in C that replaces no function in Python; None without the module."""
    return getattr(_speedups, name, None)


def accelerated(python: Function) -> Function:
    """Replace a function by the function in C with the same name, if it was built.

    What the function in C leaves undone is done by `python`, the reference: odd input, and every error.

    Returns:
        `python`, or a function that has it as ``__wrapped__``.
    """
    faster = compiled(python.__name__)
    if faster is None:
        return python

    @functools.wraps(python)
    def function(*args: object) -> object:
        result = faster(*args)
        return python(*args) if result is NotImplemented else result

    return function  # type: ignore[return-value]  # it takes and returns what `python` does
