"""The read side of the WebSocket protocol: bytes in, whole messages out. Pure.

`websocket` calls it on the reader thread and passes the messages on. Each read is cut into frames in place, and
fragments are joined. Whatever a server may not send to a client without extensions raises, with the close code for it.

See: https://www.rfc-editor.org/rfc/rfc6455#section-5
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..errors import ProtocolViolation
from ..extension import accelerated

__all__ = ["BINARY", "CLOSE", "PING", "PONG", "TEXT", "FrameReader", "Run", "parse_close"]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

#: the first bytes of the messages that come in a single frame, which are nearly all
_WHOLE = frozenset({0x80 | TEXT, 0x80 | BINARY})

#: A websocket opcode (TEXT, BINARY, CLOSE, PING or PONG) and its payload.
Message = tuple[int, bytes]
#: consecutive messages with the same opcode
Run = tuple[int, list[bytes]]

# Close codes: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
PROTOCOL_ERROR: Final = 1002
INVALID_TEXT: Final = 1007
TOO_BIG: Final = 1009


class FrameReader:
    """Cuts a byte stream into messages.

    Args:
        max_size: bytes of the largest message accepted, its fragments together.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._pending = bytearray()  # the start of an incomplete frame
        self._needed = 0  # bytes it must have before it is parsed again
        self._fragments = bytearray()  # a single buffer, since an object for each tiny fragment would cost memory
        self._fragmented_opcode: int | None = None

    def feed(self, data: bytes) -> Iterator[Run]:
        """Yield the messages that `data` completes, in order and in runs with the same opcode.

        Raises:
            ProtocolViolation: the stream breaks RFC 6455. All earlier messages were yielded.
        """
        if self._pending:
            self._pending += data
            if len(self._pending) < self._needed:
                return
            data = bytes(self._pending)
            self._pending.clear()
        position, end = 0, len(data)
        self._needed = 2
        while end - position >= 2:
            first, length = data[position], data[position + 1]
            if self._fragmented_opcode is None:
                payloads, position = whole_messages(data, position, self._max_size)
                if payloads:
                    yield first & 0x0F, payloads
                    continue
            start = position + 2
            if length > 125:
                if length > 127:
                    raise ProtocolViolation("a server's frame must not be masked", PROTOCOL_ERROR)
                start += 2 if length == 126 else 8
                if end < start:
                    self._needed = start - position
                    break
                length = int.from_bytes(data[position + 2 : start], "big")
            # The head is checked before its payload has come: a broken head may announce terabytes.
            self._check_head(first, length)
            stop = start + length
            if end < stop:
                self._needed = stop - position
                break
            if (message := self._frame(first, data[start:stop])) is not None:
                opcode, payload = message
                yield opcode, [payload]
            position = stop
        if position < end:
            self._pending += memoryview(data)[position:]

    def _check_head(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise ProtocolViolation("a frame has a reserved bit set, and no extension was agreed on", PROTOCOL_ERROR)
        if opcode not in _OPCODES:
            raise ProtocolViolation(f"a frame has the unknown websocket opcode {opcode:#x}", PROTOCOL_ERROR)
        if opcode >= CLOSE:
            if length > 125 or not first & 0x80:
                raise ProtocolViolation(
                    "a control frame must be unfragmented and hold at most 125 bytes", PROTOCOL_ERROR
                )
        elif (size := length + len(self._fragments)) > self._max_size:
            raise ProtocolViolation(f"a message of {size} bytes is over max_message_size={self._max_size}", TOO_BIG)

    def _frame(self, first: int, payload: bytes) -> Message | None:
        """Return the message that this frame completes, or None while fragments are missing."""
        opcode, final = first & 0x0F, first & 0x80
        if opcode >= CLOSE:
            return opcode, payload
        if opcode == CONTINUATION:
            if self._fragmented_opcode is None:
                raise ProtocolViolation("a continuation frame came with nothing to continue", PROTOCOL_ERROR)
        elif self._fragmented_opcode is not None:
            raise ProtocolViolation("a new message began inside a fragmented message", PROTOCOL_ERROR)
        elif final:
            return opcode, payload
        else:
            self._fragmented_opcode = opcode
        self._fragments += payload
        if not final:
            return None
        opcode, self._fragmented_opcode = self._fragmented_opcode, None
        whole = bytes(self._fragments)
        self._fragments.clear()
        return opcode, whole


@accelerated
def whole_messages(data: bytes, position: int, max_size: int) -> tuple[list[bytes], int]:
    """Return the payloads of the messages at `position` that are like the first, and where they end.

    The first is text or binary, in a single frame. The others end before a frame with another first byte, that is
    incomplete, or that is not allowed.
    """
    payloads: list[bytes] = []
    end, first = len(data), data[position]
    while first in _WHOLE and end - position >= 2 and data[position] == first:
        length, start = data[position + 1], position + 2
        if length > 125:
            start += 2 if length == 126 else 8
            if length > 127 or end < start:
                break
            if length == 126:
                length = data[position + 2] << 8 | data[position + 3]
            else:
                length = int.from_bytes(data[position + 2 : start], "big")
        stop = start + length
        if length > max_size or end < stop:
            break
        payloads.append(data[start:stop])
        position = stop
    return payloads, position


def parse_close(payload: bytes) -> tuple[int | None, str]:
    """Return the code and reason of a close frame; the code is None if the frame is empty.

    Raises:
        ProtocolViolation: the length, the code or the text of the reason is not allowed.

    See: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ProtocolViolation("a close frame with a payload of 1 byte", PROTOCOL_ERROR)
    code = int.from_bytes(payload[:2], "big")
    if not (3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))):
        raise ProtocolViolation(f"a close frame with the code {code}, which must not be sent", PROTOCOL_ERROR)
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolViolation("a close frame whose reason is not UTF-8", INVALID_TEXT) from None
