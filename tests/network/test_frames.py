"""Bytes to messages, cut anywhere."""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.errors import ProtocolViolation
from vox_gateway.network.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, parse_close

LIMIT = 1 << 20


def frame(opcode: int, payload: bytes, final: bool = True, reserved: int = 0, masked: bool = False) -> bytes:
    first = (0x80 if final else 0) | reserved | opcode
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([first, mask | len(payload)])
    elif len(payload) < 1 << 16:
        head = bytes([first, mask | 126]) + len(payload).to_bytes(2, "big")
    else:
        head = bytes([first, mask | 127]) + len(payload).to_bytes(8, "big")
    return head + payload


Message = tuple[int, bytes]


def read(pieces: Iterable[bytes], limit: int = LIMIT) -> list[Message]:
    reader = FrameReader(limit)
    return [(opcode, data) for piece in pieces for opcode, run in reader.feed(piece) for data in run]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_length_is_read(opcode: int, size: int) -> None:
    payload = os.urandom(size)
    assert read([frame(opcode, payload)]) == [(opcode, payload)]
    if size < 1000:
        assert read(bytes([byte]) for byte in frame(opcode, payload)) == [(opcode, payload)]


messages = st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), st.binary(max_size=300)), max_size=6)


@given(
    messages, st.lists(st.integers(1, 100), max_size=4), st.lists(st.integers(1, 50), min_size=1), st.binary(max_size=9)
)
def test_messages_survive_every_fragmentation_and_every_cut(
    sent: list[Message], fragments: list[int], cuts: list[int], ping: bytes
) -> None:
    stream, expected = b"", []
    for opcode, payload in sent:
        parts, rest = [], payload
        for size in fragments:
            parts.append(rest[:size])
            rest = rest[size:]
        parts.append(rest)
        for number, part in enumerate(parts):
            stream += frame(opcode if number == 0 else 0, part, final=number == len(parts) - 1)
            if number < len(parts) - 1:
                stream += frame(PING, ping)  # control frames may come between fragments
                expected.append((PING, ping))
        expected.append((opcode, payload))
    pieces, position = [], 0
    while position < len(stream):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(stream[position : position + size])
        position += size
    assert read(pieces) == expected


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_garbage_raises_nothing_but_a_violation(pieces: list[bytes]) -> None:
    with contextlib.suppress(ProtocolViolation):
        read(pieces, limit=1000)


@pytest.mark.parametrize(
    ("stream", "code", "words"),
    [
        (frame(BINARY, b"", reserved=0x40), 1002, "reserved"),
        (frame(BINARY, b"", reserved=0x20), 1002, "reserved"),
        (frame(BINARY, b"", reserved=0x10), 1002, "reserved"),
        (frame(0x3, b""), 1002, "0x3"),
        (frame(0xB, b""), 1002, "0xb"),
        (frame(BINARY, b"x", masked=True), 1002, "masked"),
        (frame(PING, b"x" * 126), 1002, "125"),
        (frame(CLOSE, b"", final=False), 1002, "unfragmented"),
        (frame(0, b"x"), 1002, "nothing to continue"),
        (frame(TEXT, b"x", final=False) + frame(BINARY, b"y"), 1002, "inside"),
        (frame(TEXT, b"x", final=False) + frame(TEXT, b"y", final=False), 1002, "inside"),
        (bytes([0x82, 127]) + (1 << 62).to_bytes(8, "big"), 1009, "max_message_size=1000"),
        (frame(BINARY, b"x" * 600, final=False) + frame(0, b"y" * 401), 1009, "1001 bytes"),
    ],
)
def test_a_violation_is_refused_with_its_close_code(stream: bytes, code: int, words: str) -> None:
    with pytest.raises(ProtocolViolation, match=words) as raised:
        read([stream], limit=1000)
    assert raised.value.close_code == code


def test_messages_before_a_violation_are_not_lost() -> None:
    taken = []
    with pytest.raises(ProtocolViolation):
        for run in FrameReader(LIMIT).feed(frame(TEXT, b"good") * 2 + frame(0x7, b"bad")):
            taken.append(run)
    assert taken == [(TEXT, [b"good", b"good"])]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_fragments_cost_no_more_than_their_payload(size: int) -> None:
    piece = frame(0, b"x" * size, final=False) * 1000
    reader = FrameReader(LIMIT)
    list(reader.feed(frame(BINARY, b"", final=False)))
    list(reader.feed(piece))  # what every reader needs is there by now
    tracemalloc.start()
    try:
        for _ in range(20):
            assert list(reader.feed(piece)) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 20_000 * size * 2  # a bytearray grows by an eighth at a time
    assert list(reader.feed(frame(0, b""))) == [(BINARY, [b"x" * 21_000 * size])]


def test_a_control_frame_fits_between_the_fragments_of_the_largest_message() -> None:
    stream = frame(BINARY, b"x" * 1000, final=False) + frame(PONG, b"y" * 125) + frame(0, b"")
    assert read([stream], limit=1000) == [(PONG, b"y" * 125), (BINARY, b"x" * 1000)]


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        (b"", (None, "")),
        (b"\x03\xe8", (1000, "")),
        (b"\x0f\xa0" + "schön".encode(), (4000, "schön")),
        (b"\x03\xf6x", (1014, "x")),
        (b"\x0b\xb8", (3000, "")),
        (b"\x13\x87", (4999, "")),
    ],
)
def test_a_close_frame_is_parsed(payload: bytes, result: tuple[int | None, str]) -> None:
    assert parse_close(payload) == result


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x0f\xa0\xff", 1007)]
    + [(number.to_bytes(2, "big"), 1002) for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)],
)
def test_an_invalid_close_frame_is_refused(payload: bytes, code: int) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        parse_close(payload)
    assert raised.value.close_code == code
