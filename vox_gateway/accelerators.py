"""Finds the faster readers and inflaters when it is imported: those of the extra ``speed``, where it is installed.

None of them changes a result: a document that a reader would read differently from simplejson is read by simplejson.
"""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final, NoReturn

from .extension import STATUS

__all__ = ["JSON_READERS", "Reader", "speedups", "zlib_package", "zstd_package"]

#: returns the value of a JSON document
Reader = Callable[[bytes], Any]


def _find(*names: str) -> ModuleType | None:
    """Return the first of these modules that is installed."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_msgspec: Any = _find("msgspec")
_orjson: Any = _find("orjson")
#: the module that inflates zlib-streams: zlib-ng where it is installed
zlib_package: Final[Any] = _find("zlib_ng.zlib_ng") or zlib


def zstd_package() -> Any:
    """Return the module that inflates zstd-streams: the standard library's from Python 3.14 on, its backport before.

    None if it is not installed.
    """
    return _find("compression.zstd", "backports.zstd")


#: maps digits and the minus sign to "0"
_AS_ZERO = bytes(48 if chr(byte) in "-0123456789" else byte for byte in range(256))
#: An integer beyond 64 bits has at least this many digits; little else has.
_TWENTY_DIGITS = b"0" * 20


def _orjson_reader(reader: Reader) -> Reader:
    """Return a reader that uses orjson and returns what `reader` does.

    orjson makes floats of integers beyond 64 bits, and refuses lone surrogates and numbers beyond the range of a float.
    Documents that it refuses are left to `reader`, which has the error messages.
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
    """Return a reader that uses msgspec and leaves documents that it refuses to `reader`."""
    loads, error = _msgspec.json.Decoder().decode, _msgspec.MsgspecError

    def read(data: bytes) -> Any:
        try:
            return loads(data)
        except (error, ValueError, RecursionError):
            return reader(data)

    return read


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _json_reader(reader: Reader) -> Reader:
    """Return a reader that uses the standard library and leaves documents that it refuses to `reader`."""
    decoder: Any = json.JSONDecoder(parse_constant=_refuse)
    scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once  # missing in the type hints

    def read(data: bytes) -> Any:
        try:
            text = data.decode()
            value, end = scan(text, 0)
        except (ValueError, StopIteration, RecursionError):
            return reader(data)
        return value if end == len(text) else reader(data)

    return read


#: The JSON readers that are installed, the fastest first. Each makes a reader that returns the same values as
#: the given reader, that of simplejson. orjson alone is as fast as msgspec, but not with the check for large integers.
#: The standard library's takes a twentieth less time than simplejson, and a tenth of it on free-threaded Pythons, where
#: simplejson has no C part.
JSON_READERS: Final[Mapping[str, Callable[[Reader], Reader]]] = MappingProxyType(
    {
        **({"msgspec": _msgspec_reader} if _msgspec else {}),
        **({"orjson": _orjson_reader} if _orjson else {}),
        "json": _json_reader,
        "simplejson": lambda reader: reader,
    }
)


def speedups() -> dict[str, str]:
    """Return which packages read JSON, inflate zlib-streams and inflate zstd-streams, and what runs of this package.

    Returns:
        A dict with the keys ``json``, ``zlib`` and ``zstd``, whose values are packages with their versions, and
        ``core``: ``C`` if the C extension of this package is in use, else ``Python`` with the reason. ``zstd`` is empty
        if no package is installed, since there is no fallback.
    """
    return {
        "json": "json" if (reader := next(iter(JSON_READERS))) == "json" else _with_version(reader),
        "zlib": "zlib" if zlib_package is zlib else _with_version("zlib-ng"),
        "zstd": _zstd_name(),
        "core": STATUS,
    }


def _zstd_name() -> str:
    package = zstd_package()
    if package is None:
        return ""
    return _with_version("backports.zstd") if package.__name__.startswith("backports") else "compression.zstd"


def _with_version(distribution: str) -> str:
    import importlib.metadata  # takes 2 MB, so only on demand

    return f"{distribution} {importlib.metadata.version(distribution)}"
