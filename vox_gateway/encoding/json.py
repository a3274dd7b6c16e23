"""JSON payloads, with simplejson, or with what reads the same faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import simplejson

from ..errors import DecodeError
from ..fast_packages import JSON_READERS, Reader

__all__ = ["JSONCodec"]


class JSONCodec:
    """The ``json`` encoding: compact UTF-8 out, strict UTF-8 in.

    Args:
        max_size: bytes that one message may hold; a JSON message holds no more than what came, so this is unused.
        reader: makes a value of a document, or raises ValueError; or the name of one in `JSON_READERS`; None for the
            fastest that is there.
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
        """The `count` payloads in `block`, each where the one before ends.

        Raises:
            DecodeError: it does not hold so many; what came before was yielded.
        """
        if count == 1:
            yield self.decode(block)
            return
        try:
            text = block.decode()
        except UnicodeDecodeError:
            self.decode(block)  # says where
            raise
        position = found = 0
        while position < len(text):
            try:
                payload, position = self._decoder.raw_decode(text, position)
            except RecursionError:
                raise DecodeError("a JSON payload is nested too deep") from None
            except ValueError as error:
                raise DecodeError(f"a payload is not JSON: {error}") from None
            found += 1
            if found > count:
                break
            yield payload
        if found != count:
            raise DecodeError(f"{count} messages hold {'more' if found > count else found} payloads")


def _careful(reader: Reader) -> Reader:
    """A reader of the user's own, whose errors are ours."""

    def read(data: bytes) -> Any:
        try:
            return reader(data)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"a payload is not JSON: {error}") from None

    return read
