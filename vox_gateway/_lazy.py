"""Public names whose module is imported when they are first used: a module's ``__getattr__``.

Called by `import vox_gateway`, and then on any thread that uses such a name.

See: https://peps.python.org/pep-0562/
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(
    package: str, names: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a package.

    Args:
        package: its name.
        names: the public names by their modules, which are written without the package.
    """
    modules = {name: f"{package}.{module}" for module, offered in names.items() for name in offered}

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        value = getattr(importlib.import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)  # so that this is called once
        return value

    def names_of_package() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, names_of_package
