"""The limit: a loop that inflates and parses the same bytes, and does nothing else.

Like a client at its best, it inflates what one read brings in one call. Where each payload ends it knows beforehand.
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from collections.abc import Callable
from typing import Any

from .. import corpus
from ..wire import compressor, reads, zstd_module
from .stopwatch import Stopwatch


def main() -> None:
    """Make the bytes, then read them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--json", choices=["json", "orjson"], required=True)
    parser.add_argument("--inflate", choices=["zlib", "zlib-ng", "zstd"], required=True)
    args = parser.parse_args()
    pack = compressor("zstd-stream" if args.inflate == "zstd" else "zlib-stream")
    plain = list(corpus.messages(args.count))
    sizes = iter([len(message) for message in plain])
    runs = [(b"".join(run), list(itertools.islice(sizes, len(run)))) for run in reads(map(pack, plain))]
    del plain
    inflate, loads = inflater(args.inflate), reader(args.json)
    watch = Stopwatch(args.count)
    watch.start()
    events = 0
    for data, ends in runs:
        block = inflate(data)
        start = 0
        for size in ends:
            end = start + size
            events += loads(block[start:end])["op"] == 0
            start = end
    watch.stop(events)


def inflater(name: str) -> Callable[[bytes], bytes]:
    """What inflates."""
    if name == "zstd":
        return zstd_module().ZstdDecompressor().decompress  # type: ignore[no-any-return]
    if name == "zlib-ng":
        from zlib_ng import zlib_ng

        return zlib_ng.decompressobj().decompress
    return zlib.decompressobj().decompress


def reader(name: str) -> Callable[[bytes], Any]:
    """What parses."""
    if name == "orjson":
        import orjson

        return orjson.loads
    return json.loads


if __name__ == "__main__":
    main()
