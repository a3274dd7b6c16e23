"""The faster packages, found at import and used where they are: the extra ``speed``.

None of them changes a result: what another reader would read otherwise than simplejson is given to simplejson.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final

__all__ = ["JSON_READERS", "Reader", "speedups", "zlib_package", "zstd_package"]

#: makes a value of one JSON document

Reader = Callable[[bytes], Any]


def _find(*names: str) -> ModuleType | None:
    """The first of these modules that is installed."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_msgspec: Any = _find("msgspec")
_orjson: Any = _find("orjson")
#: what inflates zlib-streams: zlib-ng where it is installed
zlib_package: Final[Any] = _find("zlib_ng.zlib_ng") or zlib


def zstd_package() -> Any:
    """What inflates zstd-streams: the standard library's from Python 3.14 on, its backport before; None for nothing."""
    return _find("compression.zstd", "backports.zstd")


#: digits and the minus, all as one
_AS_ZERO = bytes(48 if chr(byte) in "-0123456789" else byte for byte in range(256))
#: an integer that 64 bits do not hold has so many, as few other things have
_TWENTY_DIGITS = b"0" * 20


def _orjson_reader(reader: Reader) -> Reader:
    """orjson's reader, made to read as `reader` does.

    orjson makes floats of integers beyond 64 bits, and refuses halves of surrogate pairs and numbers beyond a float's
    range; errors are told in `reader`'s words.
    """
    loads, error = _orjson.loads, _orjson.JSONDecodeError

    def read(data: bytes) -> Any:
        if _TWENTY_DIGITS in data.translate(_AS_ZERO):
            return reader(data)
        try:
            return loads(data)
        except error:
            return reader(data)

    return read


def _msgspec_reader(reader: Reader) -> Reader:
    """msgspec's reader, made to read as `reader` does: what it refuses is left to that."""
    loads, error = _msgspec.json.Decoder().decode, _msgspec.MsgspecError

    def read(data: bytes) -> Any:
        try:
            return loads(data)
        except (error, ValueError, RecursionError):
            return reader(data)

    return read


#: what can read JSON here, the fastest first: each makes a reader that reads as the given one, simplejson's, does.
#: orjson alone is as fast as msgspec, but not where integers have to stay integers.
JSON_READERS: Final[Mapping[str, Callable[[Reader], Reader]]] = MappingProxyType(
    {
        **({"msgspec": _msgspec_reader} if _msgspec else {}),
        **({"orjson": _orjson_reader} if _orjson else {}),
        "simplejson": lambda reader: reader,
    }
)


def speedups() -> dict[str, str]:
    """Which packages read JSON, inflate zlib-streams and inflate zstd-streams here, each with its version.

    What is not there is an empty string: zstd has no slower way.
    """
    return {
        "json": _named(next(iter(JSON_READERS))),
        "zlib": "zlib" if zlib_package is zlib else _named("zlib-ng"),
        "zstd": _zstd_name(),
    }


def _zstd_name() -> str:
    package = zstd_package()
    if package is None:
        return ""
    return _named("backports.zstd") if package.__name__.startswith("backports") else "compression.zstd"


def _named(distribution: str) -> str:
    import importlib.metadata  # 2 MB, for who asks

    return f"{distribution} {importlib.metadata.version(distribution)}"
