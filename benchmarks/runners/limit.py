"""The limit: a loop that inflates and parses the same bytes, and does nothing else."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from typing import Any

from .. import corpus
from ..wire import compressor, zstd_module
from .stopwatch import Stopwatch


def main() -> None:
    """Make the bytes, then read them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--json", choices=["simplejson", "orjson"], required=True)
    parser.add_argument("--inflate", choices=["zlib", "zlib-ng", "zstd"], required=True)
    args = parser.parse_args()
    pack = compressor("zstd-stream" if args.inflate == "zstd" else "zlib-stream")
    stream = [pack(message) for message in corpus.messages(args.count)]
    inflate, loads = inflater(args.inflate), reader(args.json)
    watch = Stopwatch(args.count)
    watch.start()
    events = 0
    for data in stream:
        events += loads(inflate(data))["op"] == 0
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
    import simplejson

    return simplejson.loads


if __name__ == "__main__":
    main()
