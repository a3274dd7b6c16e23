"""What each format costs: bytes on the wire, and the client's processor time for an event. No sockets."""

from __future__ import annotations

import itertools
import statistics
import time

from vox_gateway.compression import INFLATERS
from vox_gateway.encoding import CODECS, raw_dispatch
from vox_gateway.network.transport import READ_SIZE, SMALL_READ_SIZE

from . import corpus
from .wire import compressor, encoded, frame, reads, zstd_module

__all__ = ["formats", "table"]

LIMIT = 64 * 1024 * 1024
Row = tuple[str, str, float, float]


def formats() -> list[tuple[str, str | None]]:
    """Every encoding with every compression that can be had here."""
    streams = [None, "zlib-stream", *(["zstd-stream"] if zstd_module() else [])]
    return [*itertools.product(CODECS, streams), ("json", "payload")]


def table(events: int, rounds: int) -> list[Row]:
    """Encoding, compression, bytes and microseconds for an event of each format; the rounds take turns."""
    plain = list(corpus.messages(events))
    streams = {one: packed(plain, *one) for one in formats()}
    times: dict[tuple[str, str | None], list[float]] = {one: [] for one in streams}
    for _ in range(rounds):
        for one, stream in streams.items():
            times[one].append(spent(stream, *one))
    return [
        (
            encoding,
            compress or "none",
            sum(len(frame(data, text=False)) for data in stream) / events,
            statistics.median(times[encoding, compress]) / events * 1e6,
        )
        for (encoding, compress), stream in streams.items()
    ]


def packed(messages: list[bytes], encoding: str, compress: str | None) -> list[bytes]:
    """The messages of a connection."""
    pack = compressor(compress)
    return [pack(encoded(message, encoding)) for message in messages]


def spent(stream: list[bytes], encoding: str, compress: str | None) -> float:
    """Seconds of processor time from websocket messages to what handlers get."""
    codec, inflater = CODECS[encoding](LIMIT), INFLATERS[compress](LIMIT)
    events = 0
    began = time.process_time()
    for run in reads(stream, READ_SIZE if codec.decodes_late else SMALL_READ_SIZE):
        for block, count in inflater.feed_all(run):
            if pieces := raw_dispatch.cut(block, count):
                for piece in pieces:
                    events += raw_dispatch.decode(piece, codec.decode)["op"] == 0
            else:
                for payload in codec.decode_all(block, count):
                    events += payload["op"] == 0
    seconds = time.process_time() - began
    if events != len(stream):
        raise RuntimeError(f"{encoding} with {compress}: {events} of {len(stream)} events came out")
    return seconds
