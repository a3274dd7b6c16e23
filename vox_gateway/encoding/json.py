"""JSON payloads, with simplejson."""

from __future__ import annotations

from typing import Any

import simplejson

from ..errors import DecodeError

__all__ = ["JSONCodec"]


class JSONCodec:
    """The ``json`` encoding: compact UTF-8 out, strict UTF-8 in.

    Args:
        max_size: bytes that one message may hold; a JSON message holds no more than what came, so this is unused.
    """

    name = "json"
    text = True

    def __init__(self, max_size: int = 0) -> None:
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
        """The payload in `data`.

        Raises:
            DecodeError: `data` is not one whole JSON document in UTF-8.
        """
        try:
            return self._decoder.decode(data.decode())
        except UnicodeDecodeError as error:
            raise DecodeError(f"a payload is not UTF-8 at byte {error.start} of {len(data)}", 1007) from None
        except RecursionError:
            raise DecodeError("a JSON payload is nested too deep") from None
        except ValueError as error:
            raise DecodeError(f"a payload is not JSON: {error}") from None
