"""JSON payloads, with simplejson, or with what reads the same faster.

Discord writes a dispatch as ``{"t":"NAME","s":1,"op":0,"d":...}``. So payloads in one block are cut apart where ``}``
meets ``{"t":``, which cannot stand inside one of them, and name and sequence number are read without parsing the rest.
Payloads of any other shape are parsed whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import simplejson

from ..errors import DecodeError
from ..fast_packages import JSON_READERS, Reader

__all__ = ["JSONCodec"]

_OPENING, _BOUNDARY, _CLOSING = b'{"t":', b'}{"t":', b"}"
_SEQ, _DATA = b',"s":', b',"op":0,"d":'
#: the dispatches that change more than the sequence number are parsed whole, so that the protocol sees them
_ALWAYS_WHOLE = frozenset({"READY", "RESUMED"})
#: names that are remembered, so that each is decoded once
_MAX_NAMES = 1024


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
        self._names: dict[bytes, str] = {}
        name = next(iter(JSON_READERS)) if reader is None else reader
        self._read = JSON_READERS[name](self._read_with_simplejson) if isinstance(name, str) else name

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

    def decode(self, data: bytes) -> Any:
        """The document in `data`.

        Raises:
            DecodeError: `data` is not one whole JSON document in UTF-8.
        """
        try:
            return self._read(data)
        except DecodeError:
            raise
        except (ValueError, RecursionError) as error:  # of a reader that was given
            raise DecodeError(f"a payload is not JSON: {error}") from None

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

    def complete(self, payload: dict[str, Any]) -> None:
        """Decode what a dispatch of `decode_all` carries.

        Raises:
            DecodeError: it is no JSON.
        """
        data = payload["d"]
        try:
            payload["d"] = self.decode(data)
        except DecodeError:
            # Other keys may follow, some day: they are in `data` too.
            payload.update(self.decode(b'{"d":' + data + b"}"))

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """The `count` payloads in `block`; see `Codec.decode_all`.

        Raises:
            DecodeError: it does not hold so many; what came before was yielded.
        """
        if not (block.startswith(_OPENING) and block.endswith(_CLOSING)):
            yield from self._one_by_one(block, count)
            return
        pieces = block[len(_OPENING) : -len(_CLOSING)].split(_BOUNDARY)
        if len(pieces) != count:
            yield from self._one_by_one(block, count)
            return
        names = self._names
        for piece in pieces:
            head, found, data = piece.partition(_DATA)
            name_part, _, seq = head.partition(_SEQ)
            name = names.get(name_part) or self._name(name_part)
            if not found or name is None or not seq.isdigit():
                yield self.decode(_OPENING + piece + _CLOSING)
            else:
                yield {"t": name, "s": int(seq), "op": 0, "d": data}

    def _name(self, part: bytes) -> str | None:
        """The name that stands in `part` with its quotes; None when that dispatch has to be parsed whole."""
        try:
            name = simplejson.loads(part)
        except ValueError:
            return None
        if type(name) is not str or name in _ALWAYS_WHOLE:
            return None
        if len(self._names) < _MAX_NAMES:
            self._names[part] = name
        return name

    def _one_by_one(self, block: bytes, count: int) -> Iterator[Any]:
        """The payloads of a block that cannot be cut, each where the one before ends."""
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
