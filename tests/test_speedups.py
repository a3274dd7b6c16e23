"""The functions in C: what they accept, what they leave to Python, and that they lose no memory."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import logging
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from compared import compare, compiled, needs_c
from dispatch_support import LOG, Inline, raw
from hypothesis import given, settings
from hypothesis import strategies as st

from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.encoding.etf import ID_LISTS, MAX_DEPTH, ETFCodec

pytestmark = needs_c

LIMIT = 1 << 20
CODEC = ETFCodec(LIMIT)
#: a payload with every kind of term that Discord sends
PAYLOAD = {
    "t": "MESSAGE_CREATE",
    "s": 7,
    "op": 0,
    "d": {
        "id": 2**63 + 1,
        "author": {"id": str(2**62), "bot": False, "avatar": None, "name": "Zoë 😀"},
        "roles": [2**62, 2**63],
        "application_ids": [1, 2**33],
        "numbers": [0, -1, 255, 256, 2**40, -(2**40), 1.5, -0.0],
        "embeds": [{}, [], "", [[]]],
        "é": True,
    },
}
TEXT = json.dumps(PAYLOAD, separators=(",", ":")).encode()
ETF = CODEC.encode(PAYLOAD)
FRAME = struct.pack(">BBH", 0x81, 126, len(TEXT)) + TEXT
#: calls that C answers by itself
GOOD: list[tuple[str, tuple[Any, ...]]] = [
    ("whole_messages", (FRAME * 3 + FRAME[:9], 0, LIMIT)),
    ("whole_messages", (b"\x82\x01x" + b"\x82\x7f" + (70_000).to_bytes(8, "big") + bytes(70_000), 0, LIMIT)),
    ("whole_messages", (b"\x89\x00" + FRAME, 0, LIMIT)),
    ("whole_messages", (b"\x81\xff" + FRAME, 0, LIMIT)),
    ("whole_messages", (FRAME, 0, 5)),
    ("cut", (TEXT * 3, 3)),
    ("cut", (b'{"op":11}', 1)),
    ("decode_all", (ETF * 3, 3, LIMIT, ID_LISTS)),
]
#: calls that C leaves to Python, at some depth
BAD: list[tuple[str, tuple[Any, ...]]] = [
    ("whole_messages", (FRAME, len(FRAME), LIMIT)),
    ("whole_messages", (FRAME, 0, 2**70)),
    ("whole_messages", (bytearray(FRAME), 0, LIMIT)),
    ("whole_messages", ()),
    ("cut", (TEXT * 3, 4)),
    ("cut", (TEXT * 3, 2)),
    ("cut", (TEXT + TEXT.replace(b"MESSAGE_CREATE", b"READY"), 2)),
    ("cut", (TEXT.replace(b'"s":7', b'"s":null'), 1)),
    ("cut", (TEXT.replace(b'"s":7', b'"s":' + b"7" * 5000), 1)),
    ("cut", (TEXT, "1")),
    ("decode_all", (ETF, 2, LIMIT, ID_LISTS)),
    ("decode_all", (ETF + b"\x83", 1, LIMIT, ID_LISTS)),
    ("decode_all", (ETF[:-1], 1, LIMIT, ID_LISTS)),
    ("decode_all", (b"\x83m\0\0\0\1\xff", 1, LIMIT, ID_LISTS)),
    ("decode_all", (b"\x83" + b"l\0\0\0\1" * 5000, 1, LIMIT, ID_LISTS)),
    ("decode_all", (b"\x83t\xff\xff\xff\xff", 1, LIMIT, ID_LISTS)),
    ("decode_all", (ETF, 1, LIMIT, set(ID_LISTS))),
]
#: what blocks of JSON are made of, and what looks like it
PARTS = [TEXT, b'}{"t":"', b'{"t":"X","s":1,"op":0,"d":1}', b"}{", b"x" * 63, b"}"]
BLOCKS = {"cut": TEXT * 3, "decode_all": ETF * 3, "whole_messages": FRAME * 3}


#: events that the loop in C handles, passes over, or leaves to Python, at some depth
EVENTS: dict[str, Any] = {
    "data": raw(1, '{"id":"7"}'),
    "whole": raw(2, "[1]", "WHOLE"),
    "fails": raw(3, "1", "FAILS"),
    "unheard": raw(4, name="UNHEARD"),
    "without s and d": b'{"t":"NEWS","op":0}',
    "of a guild": raw(5, '{"id":"1"}', "GUILD_CREATE"),
    "another name": raw(6)[:-1] + b',"t":"OTHER"}',
    "another opcode": raw(7)[:-1] + b',"op":1}',
    "no dispatch": b'{"t":"NEWS"}',
    "no object": b'{"t":"NEWS',
    "no name": b'{"t":null,"s":8,"op":0,"d":1}',
    "escaped": raw(9, name="N\\u0045WS"),
    "decoded": {"t": "NEWS", "s": 10, "op": 0, "d": {}},
}


def call(name: str, args: tuple[Any, ...]) -> Any:
    return getattr(compiled, name)(*args)


@pytest.mark.parametrize(("name", "args"), GOOD)
def test_what_is_usual_is_done_in_c(name: str, args: tuple[Any, ...]) -> None:
    assert compare(name, *args)


@pytest.mark.parametrize(("name", "args"), BAD)
def test_what_is_odd_is_left_to_python(name: str, args: tuple[Any, ...]) -> None:
    assert call(name, args) is NotImplemented


def arguments(name: str, data: bytes) -> tuple[Any, ...]:
    return {"cut": (data, 3), "decode_all": (data, 3, LIMIT, ID_LISTS), "whole_messages": (data, 0, LIMIT)}[name]


@pytest.mark.parametrize("name", BLOCKS)
def test_every_prefix_gives_the_same(name: str) -> None:
    for end in range(1, len(BLOCKS[name])):
        compare(name, *arguments(name, BLOCKS[name][:end]))


@settings(max_examples=500)
@given(name=st.sampled_from(sorted(BLOCKS)), flips=st.lists(st.tuples(st.integers(0), st.integers(0, 7)), max_size=4))
def test_flipped_bits_give_the_same(name: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(BLOCKS[name])
    for at, bit in flips:
        data[at % len(data)] ^= 1 << bit
    compare(name, *arguments(name, bytes(data)))


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PARTS), max_size=9))
def test_boundaries_are_found_wherever_they_are(parts: list[bytes]) -> None:
    block = b'{"t":"A' + b"".join(parts) + b"}"
    for count in range(1, 6):
        compare("cut", block, count)


@pytest.mark.parametrize("name", [*sorted(ID_LISTS), "id", "ids", "some_id", "some_ids", "other", "d", "", "ID"])
def test_ids_are_known_by_the_same_names(name: str) -> None:
    for value in (2**40, [2**40], [7, "x", 2**40], [-1], [[2**40]]):
        assert compare("decode_all", CODEC.encode({name: value}), 1, LIMIT, ID_LISTS)


@pytest.mark.parametrize("opening", [b"l\0\0\0\1", b"h\1", b"i\0\0\0\1", b"t\0\0\0\1a\7"])
def test_the_deepest_term_is_the_same(opening: bytes) -> None:
    closing = b"j" if opening[:1] == b"l" else b""
    for depth in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1):
        data = b"\x83" + opening * depth + b"j" + closing * depth
        assert compare("decode_all", data, 1, LIMIT, ID_LISTS) is (depth <= MAX_DEPTH)


def test_a_stack_that_is_nearly_full_is_left_to_python() -> None:
    data = b"\x83" + b"l\0\0\0\1" * 200 + b"j" * 201

    def descend(levels: int) -> Any:
        return descend(levels - 1) if levels else call("decode_all", (data, 1, LIMIT, ID_LISTS))

    for left in range(60, 200, 20):
        with contextlib.suppress(RecursionError):
            result = descend(sys.getrecursionlimit() - left - 100)
            assert result is NotImplemented or isinstance(result, list)


@contextlib.contextmanager
def nothing_is_kept() -> Iterator[None]:
    """Fail if blocks or references to the singletons grow. A thousand blocks may be those of other threads."""
    singletons = (None, True, False, NotImplemented, ID_LISTS, *BLOCKS.values())
    gc.collect()
    blocks, references = sys.getallocatedblocks(), [sys.getrefcount(one) for one in singletons]
    yield
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 1000
    assert [sys.getrefcount(one) for one in singletons] == pytest.approx(references, abs=50)


@pytest.mark.parametrize(("name", "args"), GOOD + BAD)
def test_nothing_leaks(name: str, args: tuple[Any, ...]) -> None:
    function = getattr(compiled, name)
    rounds = 2000 if args and len(args[0]) > 10_000 else 100_000

    def repeat(count: int) -> None:
        for _ in range(count):
            function(*args)

    repeat(100)
    with nothing_is_kept():
        repeat(rounds)
    tracemalloc.start()
    try:
        repeat(10)
        before, _ = tracemalloc.get_traced_memory()
        repeat(1000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4096


@pytest.mark.parametrize(("name", "args"), GOOD + BAD)
def test_no_memory_is_the_only_error(name: str, args: tuple[Any, ...]) -> None:
    """Each allocation fails in turn."""
    testing = pytest.importorskip("_testcapi")
    function = getattr(compiled, name)
    with nothing_is_kept():
        for allocation in range(400):
            try:
                testing.set_nomemory(allocation, allocation + 1)
                function(*args)
            except MemoryError:
                pass
            finally:
                testing.remove_mem_hooks()


@pytest.fixture
def inline() -> Iterator[Inline]:
    """A dispatcher with handlers for some of `EVENTS`; nothing is logged."""

    def fail(data: object) -> None:
        raise ValueError(data)

    run = Inline(Emitter(LOG), on_completed=lambda: None)
    run.emitter.on("NEWS", lambda data: None)
    run.emitter.on("NEWS", lambda data: None, check=lambda data: data is not None)
    run.emitter.on("FAILS", fail)
    run.emitter.on("error", lambda error, event: None)
    logging.disable()
    yield run
    logging.disable(logging.NOTSET)


def dispatch_in_c(run: Inline, events: list[Any]) -> list[Any]:
    """Give events to the loop in C, after those that were rejected; return those that it leaves to Python."""
    parts = run.dispatcher._parts
    assert parts is not None
    run.undecodable.clear()
    run.failures.clear()
    run.progress.restart()
    rest = iter(events)  # no lambda: CPython 3.12 crashes where one cannot be made
    return list(iter(functools.partial(compiled.dispatch_usual, parts, rest), None))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("event", EVENTS)
def test_dispatching_keeps_nothing(inline: Inline, event: str, whole: bool) -> None:
    if whole:
        inline.emitter.on("DISPATCH", lambda payload: None)
    events = [EVENTS[event], EVENTS["data"], EVENTS[event]]
    kept = [EVENTS[event], events[1], inline.executor, inline.progress, *vars(inline.emitter)["_snapshots"].values()]
    dispatch_in_c(inline, events)
    with nothing_is_kept():
        references = [sys.getrefcount(one) for one in kept]
        for _ in range(1000):
            dispatch_in_c(inline, events)
        gc.collect()
        assert [sys.getrefcount(one) for one in kept] == references


@pytest.fixture
def untraced() -> Iterator[None]:
    """Ends the tracing of coverage.py, which crashes without memory."""
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("event", EVENTS)
def test_dispatching_goes_on_after_each_allocation_that_fails(inline: Inline, event: str) -> None:
    testing = pytest.importorskip("_testcapi")
    inline.emitter.on("WHOLE", lambda data: None)
    events = [EVENTS[event], EVENTS["data"]]
    with nothing_is_kept():
        for allocation in range(200):
            with contextlib.suppress(MemoryError):
                try:
                    testing.set_nomemory(allocation, allocation + 1)
                    dispatch_in_c(inline, events)
                finally:
                    testing.remove_mem_hooks()
            assert inline.executor.work is None
    seen: list[Any] = []
    inline.emitter.on("WHOLE", seen.append)
    assert dispatch_in_c(inline, [EVENTS["whole"]]) == []
    assert seen == [[1]]


def test_many_threads_call_at_the_same_time() -> None:
    failures = []

    def repeat() -> None:
        for name, args in GOOD * 100:
            try:
                compare(name, *args)
            except AssertionError as error:
                failures.append(error)

    threads = [threading.Thread(target=repeat, name=f"caller-{number}") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


#: a process of its own, which loads the file alone: other packages do not support a second interpreter
INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
load = f'''
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("vox_gateway._speedups", {sys.argv[1]!r})
module = module_from_spec(spec)
spec.loader.exec_module(module)
assert module.cut(b'{{"t":"X","s":1,"op":0,"d":1}}', 1)
'''
exec(load)
for _ in range(3):
    new = interpreters.create()
    assert not interpreters.run_string(new, load)
    interpreters.destroy(new)
exec(load)
"""


@pytest.mark.usefixtures("unmeasured")
def test_the_module_is_loaded_into_many_interpreters() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETERS, compiled.__file__], check=False, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
