"""The ``json`` encoding, with simplejson or a faster reader of the same values.

Called on the caller's thread for commands, on the reader thread for blocks, and on the dispatcher for raw dispatches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import simplejson

from ..accelerators import JSON_READERS, Reader
from ..errors import DecodeError
from .raw_dispatch import split

__all__ = ["JSONCodec"]


class JSONCodec:
    """The ``json`` encoding: compact UTF-8 out, strict UTF-8 in.

    Args:
        max_size: unused, since decoding JSON inflates nothing.
        reader: decodes a document, and any exception it raises becomes a DecodeError; or a name in `JSON_READERS`;
            None for the fastest installed reader.
    """

    name = "json"
    text = True
    decodes_late = True

    def __init__(self, max_size: int = 0, reader: str | Reader | None = None) -> None:
        self._encoder = simplejson.JSONEncoder(
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
            # Values that ETF cannot represent are refused, so that the encoding makes no difference.
            encoding=None,  # type: ignore[arg-type]  # refuses bytes; missing in the type hints
            use_decimal=False,
            namedtuple_as_object=False,
        )
        self._decoder = simplejson.JSONDecoder()
        self._scan: Callable[[str, int], tuple[Any, int]] = self._decoder.scan_once
        chosen = next(iter(JSON_READERS)) if reader is None else reader
        #: decodes a document; raises DecodeError. An attribute, since a method would add a call to every event.
        self.decode: Reader = (
            JSON_READERS[chosen](self._read_with_simplejson) if isinstance(chosen, str) else _checked(chosen)
        )

    def encode(self, payload: Any) -> bytes:
        """Encode a payload.

        Raises:
            TypeError, ValueError: it holds a value that JSON cannot represent.
        """
        try:
            text = self._encoder.encode(payload)
        except RecursionError:
            raise ValueError("a payload is nested too deep") from None
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            surrogate = error.object[error.start]
        # Raised only here, since the error above holds the whole payload, with the token, and would be the context.
        raise ValueError(f"text must not hold the lone surrogate {surrogate!r}")

    def _read_with_simplejson(self, data: bytes) -> Any:
        try:
            text = data.decode()
            try:  # the scanner alone; simplejson's decode() takes half as long again
                value, end = self._scan(text, 0)
                if end == len(text):
                    return value
            except (ValueError, StopIteration):  # leading space, or not JSON: decode() accepts it, or says why not
                pass
            return self._decoder.decode(text)
        except UnicodeDecodeError as error:
            raise DecodeError(f"a payload is not UTF-8 at byte {error.start} of {len(data)}", 1007) from None
        except RecursionError:
            raise DecodeError("a JSON payload is nested too deep") from None
        except ValueError as error:
            raise DecodeError(f"a payload is not JSON: {error}") from None

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """Yield the `count` payloads in `block`, each decoded by `decode`.

        Raises:
            DecodeError: `block` is not exactly `count` payloads; all earlier payloads were yielded.
        """
        pieces = [block] if count == 1 else split(block, _BOUNDARIES, count)
        for piece in pieces or _scan_pieces(block, count):
            yield self.decode(piece)


#: The boundary between two payloads. It cannot occur inside a payload: in a string the quote would end the
#: string, and the rest would not be JSON.
_BOUNDARIES = re.compile(rb'\}\s*\{\s*"(?![\s,:}\]])').finditer
#: Finds the end of a document. Its values are discarded, so it accepts whatever any reader does.
_ANYTHING = simplejson.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)


def _scan_pieces(block: bytes, count: int) -> Iterator[bytes]:
    """Yield the `count` payloads in `block`, found by scanning; raise DecodeError."""
    text = block.decode("latin-1").rstrip(" \t\r\n")  # a character per byte, so that positions are the same
    position = found = 0
    while position < len(text):
        if found == count:
            raise DecodeError(f"{count} messages hold more payloads")
        try:
            _, end = _ANYTHING.raw_decode(text, position)
        except RecursionError:
            raise DecodeError("a JSON payload is nested too deep") from None
        except ValueError as error:
            raise DecodeError(f"a payload is not JSON: {error}") from None
        yield block[position:end]
        position = end
        found += 1
    if found != count:
        raise DecodeError(f"{count} messages hold {found} payloads")


def _checked(reader: Reader) -> Reader:
    """Return the user's `reader` with its exceptions turned into DecodeError."""

    def read(data: bytes) -> Any:
        try:
            return reader(data)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"a payload is not JSON: {_describe(error)}") from error
        except BaseException as error:  # KeyboardInterrupt too: it must not end our thread
            raise DecodeError(f"json= raised {_describe(error)}") from error

    return read


def _describe(error: BaseException) -> str:
    """Return the class and the shortened text of `error`."""
    try:
        text = str(error)
    except Exception:  # a class of the user's
        text = ""
    if len(text) > 200:
        text = text[:197] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
