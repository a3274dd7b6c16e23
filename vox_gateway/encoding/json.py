"""JSON payloads, with simplejson, or with what reads the same faster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import simplejson

from ..accelerators import JSON_READERS, Reader
from ..errors import DecodeError

__all__ = ["JSONCodec"]


class JSONCodec:
    """The ``json`` encoding: compact UTF-8 out, strict UTF-8 in.

    Args:
        max_size: bytes that one message may hold; a JSON message holds no more than what came, so this is unused.
        reader: makes a value of a document; whatever it raises becomes a DecodeError. Or the name of one in
            `JSON_READERS`; None for the fastest that is there.
    """

    name = "json"
    text = True

    def __init__(self, max_size: int = 0, reader: str | Reader | None = None) -> None:
        self._encoder = simplejson.JSONEncoder(
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
            # What only JSON could say is refused: a payload must not depend on the encoding.
            encoding=None,  # type: ignore[arg-type]  # refuses bytes; the hints do not know it
            use_decimal=False,
            namedtuple_as_object=False,
        )
        self._decoder = simplejson.JSONDecoder()
        self._scan: Callable[[str, int], tuple[Any, int]] = self._decoder.scan_once
        chosen = next(iter(JSON_READERS)) if reader is None else reader
        #: the document in some bytes; raises DecodeError. A function and no method: it is called for every event.
        self.decode: Reader = (
            JSON_READERS[chosen](self._read_with_simplejson) if isinstance(chosen, str) else _careful(chosen)
        )

    def encode(self, payload: Any) -> bytes:
        """The bytes of one payload.

        Raises:
            TypeError, ValueError: it holds something that JSON has no form for.
        """
        try:
            return self._encoder.encode(payload).encode()
        except RecursionError:
            raise ValueError("a payload is nested too deep") from None
        except UnicodeEncodeError as error:
            raise ValueError(f"text must not hold the lone surrogate {error.object[error.start]!r}") from None

    def _read_with_simplejson(self, data: bytes) -> Any:
        try:
            text = data.decode()
            try:  # simplejson's own wrapper takes half as long again as what it wraps
                value, end = self._scan(text, 0)
                if end == len(text):
                    return value
            except (ValueError, StopIteration):  # space comes first, or it is no JSON: the wrapper knows
                pass
            return self._decoder.decode(text)
        except UnicodeDecodeError as error:
            raise DecodeError(f"a payload is not UTF-8 at byte {error.start} of {len(data)}", 1007) from None
        except RecursionError:
            raise DecodeError("a JSON payload is nested too deep") from None
        except ValueError as error:
            raise DecodeError(f"a payload is not JSON: {error}") from None

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """The `count` payloads in `block`, each as `decode` reads it.

        Raises:
            DecodeError: it does not hold so many; what came before was yielded.
        """
        for piece in _cut(block, count) or _find(block, count):
            yield self.decode(piece)


#: Where one payload ends and the next begins. It cannot stand inside a payload: in a string the quote would end the
#: string, and what follows would be no JSON.
_BOUNDARIES = re.compile(rb'\}\s*\{\s*"(?![\s,:}\]])').finditer
#: Finds the end of a document. The values do not matter, so it accepts what some readers do and simplejson does not.
_ANYTHING = simplejson.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)


def _cut(block: bytes, count: int) -> list[bytes] | None:
    """Return the `count` payloads in `block`, or None where they cannot be told apart without reading them."""
    if count == 1:
        return [block]
    ends = [match.start() + 1 for match in _BOUNDARIES(block)]
    if len(ends) != count - 1:
        return None
    ends.append(len(block))
    pieces, begin = [], 0
    for end in ends:
        pieces.append(block[begin:end])
        begin = end
    return pieces


def _find(block: bytes, count: int) -> Iterator[bytes]:
    """Yield the `count` payloads in `block`, each where the one before ends; raises DecodeError."""
    text = block.decode("latin-1").rstrip(" \t\r\n")  # a character for each byte, so that positions are the same
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


def _careful(reader: Reader) -> Reader:
    """A reader of the user's own, whose errors are ours."""

    def read(data: bytes) -> Any:
        try:
            return reader(data)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"a payload is not JSON: {_described(error)}") from error
        except BaseException as error:  # KeyboardInterrupt too: this is a thread of ours, and it must not end by it
            raise DecodeError(f"json= raised {_described(error)}") from error

    return read


def _described(error: BaseException) -> str:
    """Return the class of `error` and its text, cut to a line's length."""
    try:
        text = str(error)
    except Exception:  # the user's own class
        text = ""
    if len(text) > 200:
        text = text[:197] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
