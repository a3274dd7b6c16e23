"""The part of the dispatcher's loop that is in C, beside the loop in Python: all that a program sees is the same."""

from __future__ import annotations

import functools
import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
from compared import compiled, needs_c
from dispatch_support import LOG, Inline, OverriddenEmitter, raw
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vox_gateway.concurrency.gil import HAS_GIL
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.dispatch.event_queue import Full
from vox_gateway.dispatch.subscriptions import Subscriber
from vox_gateway.encoding.json import JSONCodec
from vox_gateway.event import Event

pytestmark = needs_c

NAMES = ["NEWS", "OTHER", "DISPATCH", "error", "A" * 300]
GUILD_NAMES = ["GUILD_CREATE", "GUILD_DELETE", "RESUMED", "READY"]
#: events that the loop in C leaves to Python or rejects
ODD: list[Any] = [
    raw(1, name="N\\u0045WS"),
    raw(1, name="NEWS\\"),
    raw(1, name=""),
    raw(1, name="N\nEWS"),
    raw(1, name="É"),
    b'{"t":"\xff","s":1,"op":0,"d":1}',
    raw(1).replace(b'"NEWS"', b"null"),
    raw(1).replace(b'"NEWS"', b"7"),
    raw(1)[:-1] + b',"t":"OTHER"}',
    raw(1)[:-1] + b',"t":"GUILD_CREATE"}',
    raw(1)[:-1] + b',"op":1}',
    raw(1).replace(b'"op":0', b'"op":0.0'),
    raw(1).replace(b'"op":0', b'"op":false'),
    raw(1).replace(b'"op":0', b'"op":' + b"9" * 30),
    raw(1).replace(b'"op":0', b'"op":"0"'),
    raw(1).replace(b',"op":0', b""),
    b'{"t": "NEWS","s":3,"op":0,"d":1}',
    b' {"t":"NEWS","s":3,"op":0,"d":1}',
    b'{"s":4,"t":"NEWS","op":0,"d":1}',
    b'{"t":"NEWS","s":5,"op":0,"d":1',
    b'{"t":"NEWS","s":5,"op":0,"d":"\xff"}',
    b'{"t":"NEWS","s":5,"op":0,"d":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"t":"NEWS',
    b'{"t":"',
    b'{"t":',
    b"[1]",
    b"",
    {"t": "GUILD_CREATE", "s": 7, "op": 0, "d": {"id": "2"}},
]
SEQS: list[object] = ["null", "true", "1.5", '"3"', -1, 2**70, "9" * 30, 0]
#: events without some of their parts, which are usual
SHORT = [raw(1).replace(b',"s":1', b""), raw(1).replace(b',"d":null', b""), b'{"t":"NEWS","op":0}']
#: usual events as they come from ETF, the last unheard
DECODED = [
    {"t": "NEWS", "s": 6, "op": 0, "d": {"decoded": True}},
    {"t": "NEWS", "s": 7, "op": 0},
    {"t": "NEWS", "s": True, "op": 0},
    {"t": "UNHEARD", "s": 8, "op": 0, "d": None},
]
DATA = ["null", "1", "2", '{"id":"1"}', '1,"e":1']
usual = st.builds(raw, st.integers(1, 99), st.sampled_from(DATA), st.sampled_from(NAMES))
with_odd_seq = st.builds(raw, st.sampled_from(SEQS), name=st.sampled_from(NAMES))
of_guilds = st.builds(
    raw,
    st.integers(1, 99),
    st.sampled_from(['{"id":"1"}', '{"id":"1","unavailable":true}', '{"guilds":[{"id":"1"}]}', "null"]),
    st.sampled_from(GUILD_NAMES),
)
unheard = st.builds(raw, st.integers(1, 99), name=st.sampled_from(["UNHEARD", "UNHEARD_TOO"]))
decoded = st.one_of(usual, unheard, with_odd_seq, of_guilds).map(json.loads)
events = st.one_of(usual, usual, unheard, with_odd_seq, of_guilds, decoded, st.sampled_from(ODD + SHORT + DECODED))
batches = st.lists(st.lists(events, min_size=1, max_size=8), min_size=1, max_size=3)
handlers = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "GUILD_CREATE"]), st.sampled_from(["plain", "plain", "once", "check", "check once"])
    ),
    max_size=6,
)


class Recorder(Subscriber):
    """Notes what is published."""

    def __init__(self, notes: list[Any]) -> None:
        self.notes = notes

    def receive(self, event: Event[Any]) -> None:
        """Note it."""
        self.notes.append(("published", event.name, repr(event.data), event.seq))


class Script:
    """Handlers that note all that can be seen while they run, and act at some of their calls.

    Args:
        emitter: the class of the emitter.
        actions: names of `ACTIONS`, by the number of the call.
        reports_each: whether progress is reported after each event.
    """

    def __init__(self, emitter: type[Emitter], actions: dict[int, str], *, reports_each: bool = False) -> None:
        self.notes: list[Any] = []
        self.calls = 0
        self.actions = actions
        self.read = JSONCodec().decode
        self.run = Inline(emitter(LOG), on_completed=self._completed if reports_each else None, decode=self._decode)
        self.recorder = Recorder(self.notes)
        self.run.emitter.on("error", self._error)

    def _decode(self, event: bytes) -> Any:
        self.notes.append(("decode", event, self.run.queue.is_passing_on, self.run.queue.untaken))
        return self.read(event)

    def _completed(self) -> None:
        self.notes.append(("completed", self.run.progress.completed))

    def _error(self, *args: Any) -> None:
        self.notes.append(("error", repr(args[0]), args[1:], sys.exc_info()[1] is args[0]))

    def state(self) -> tuple[object, ...]:
        """All that can be seen."""
        run, work = self.run, self.run.executor.work
        return (
            run.progress.completed,
            run.progress.delivered,
            run.progress.passed_on,
            run.progress.is_idle,
            run.dispatcher.undelivered,
            run.queue.untaken,
            run.queue.waiting,
            run.queue.is_passing_on,
            run.queue._room.is_set(),
            work and (work[0], type(work[1]), work[2] is LOG),
            run.executor.slow.armed,
            run.emitter.heard_events(),
            dict(run.guilds.view),
            repr(sys.exc_info()[1]),
        )

    def handler(self, event: str, number: int) -> Callable[..., None]:
        """Return a handler."""

        def handle(*args: Any) -> None:
            self.notes.append((event, number, repr(args), self.state()))
            action = self.actions.get(self.calls)
            self.calls += 1
            if action is not None:
                ACTIONS[action](self, event, handle)

        return handle

    def add(self, event: str, kind: str) -> None:
        """Register a handler."""
        handle = self.handler(event, len(self.run.emitter.heard_events()))

        def check(*args: Any) -> bool:
            self.notes.append(("check", event, repr(args)))
            return args[0] != 1

        register = self.run.emitter.once if "once" in kind else self.run.emitter.on
        register(event, handle, check=check if "check" in kind else None)

    def play(self, batches: list[list[Any]]) -> list[Any]:
        """Dispatch batches, and return all notes."""
        for batch in batches:
            self.run.put(batch)
            self.notes.append(("batch", self.state()))
        failures = [*self.run.failures, *self.run.undecodable]
        return [*self.notes, ("failures", [repr(error) for error in failures])]


def throw(error: BaseException) -> None:
    """Raise an error."""
    raise error


def fork(script: Script) -> None:
    """Do what a client does in a child process."""
    script.run.emitter._renew_handlers()
    script.run.dispatcher.abandon()


def invert(owner: object, flag: str) -> None:
    """Invert an attribute."""
    setattr(owner, flag, not getattr(owner, flag))


#: what a handler does; called with the script, and the event and the function of the handler
ACTIONS: dict[str, Callable[[Script, str, Any], object]] = {
    "raise": lambda script, event, handle: throw(ValueError(event)),
    "raise SystemExit": lambda script, event, handle: throw(SystemExit()),
    "raise KeyboardInterrupt": lambda script, event, handle: throw(KeyboardInterrupt()),
    "remove itself": lambda script, event, handle: script.run.emitter.remove_listener(event, handle),
    "remove all": lambda script, event, handle: script.run.emitter.remove_all_listeners(),
    "add": lambda script, event, handle: script.add("OTHER", "plain"),
    "add the same": lambda script, event, handle: script.add(event, "plain"),
    "add whole": lambda script, event, handle: script.add("DISPATCH", "plain"),
    "drop": lambda script, event, handle: script.run.dispatcher.drop_events(),
    "reject": lambda script, event, handle: script.run.progress.reject(),
    "restart": lambda script, event, handle: script.run.progress.restart(),
    "publish": lambda script, event, handle: script.run.subscribers.add(script.recorder, ["NEWS"]),
    "end publishing": lambda script, event, handle: script.run.subscribers.end(None),
    "fork": lambda script, event, handle: fork(script),
    "wait for room": lambda script, event, handle: invert(script.run.queue, "reader_waits"),
    "arm": lambda script, event, handle: invert(script.run.executor.slow, "armed"),
}
actions = st.dictionaries(st.integers(0, 8), st.sampled_from(sorted(ACTIONS)), max_size=4)


def compare(
    batches: list[list[Any]], handlers: list[tuple[str, str]], actions: dict[int, str], *, reports_each: bool = False
) -> list[Any]:
    """Play with both, and return what they both note."""
    notes = []
    for emitter in (Emitter, OverriddenEmitter):
        script = Script(emitter, actions, reports_each=reports_each)
        assert (script.run.executor.direct_runner is None) is (emitter is OverriddenEmitter)
        for event, kind in handlers:
            script.add(event, kind)
        notes.append(script.play(batches))
    in_c, in_python = notes
    assert in_c == in_python
    return in_c


@settings(max_examples=250, deadline=None)
@given(batches=batches, handlers=handlers, actions=actions, reports_each=st.booleans())
@example(batches=[[raw(1), raw(2)]], handlers=[("DISPATCH", "plain")], actions={0: "fork"}, reports_each=False)
def test_both_loops_do_the_same(
    batches: list[list[Any]], handlers: list[tuple[str, str]], actions: dict[int, str], reports_each: bool
) -> None:
    compare(batches, handlers, actions, reports_each=reports_each)


@pytest.mark.parametrize("heard", ["NEWS", "DISPATCH", "OTHER"])
@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_odd_events_among_usual_ones(event: Any, heard: str) -> None:
    for batch in ([raw(1), event], [raw(1), event, raw(2)], [event], [raw(1, name="UNHEARD"), event]):
        compare([batch, [raw(9)]], [(heard, "plain")], {})


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("names", [["NEWS"], ["DISPATCH"], ["DISPATCH", "NEWS"], ["NEWS", "NEWS"]])
@pytest.mark.parametrize("reports_each", [False, True])
def test_each_action_of_a_handler(action: str, names: list[str], reports_each: bool) -> None:
    for call in range(4):
        events = [raw(1, "1"), raw(2, "2"), raw(3, name="OTHER"), raw(4, name="UNHEARD"), raw(5)]
        handlers = [(name, "plain") for name in names]
        compare([events, events], handlers, {call: action}, reports_each=reports_each)


def usual_events() -> list[Any]:
    return [raw(1), raw(2, '{"id":"7"}'), raw("null"), *SHORT, raw(5, name="UNHEARD"), raw(6)]


def dispatch_in_c(run: Inline, events: list[Any]) -> list[Any]:
    """Give events to the loop in C alone; return those that it leaves to Python."""
    parts = run.dispatcher._parts
    assert parts is not None
    rest = iter(events)
    return list(iter(functools.partial(compiled.dispatch_usual, parts, rest), None))


@pytest.mark.parametrize("name", ["NEWS", "DISPATCH"])
def test_usual_events_are_not_left_to_python(name: str) -> None:
    run, seen = Inline(Emitter(LOG)), []
    run.emitter.on(name, seen.append)
    assert dispatch_in_c(run, usual_events()) == []
    if name == "NEWS":
        assert seen == [None, {"id": "7"}, None, None, None, None, None]
    else:
        assert seen == [json.loads(event) for event in usual_events()]
    assert run.progress.delivered.seq == 6


@pytest.mark.parametrize("name", ["NEWS", "DISPATCH"])
def test_decoded_events_are_not_left_to_python(name: str) -> None:
    run, seen = Inline(Emitter(LOG)), []
    run.emitter.on(name, seen.append)
    assert dispatch_in_c(run, DECODED) == []
    assert seen == ([{"decoded": True}, None, None] if name == "NEWS" else DECODED)
    assert run.progress.delivered.seq == 8


def test_unheard_events_are_left_to_python_at_the_end_only() -> None:
    run = Inline(Emitter(LOG))
    run.emitter.on("OTHER", pytest.fail)
    events = usual_events()
    assert dispatch_in_c(run, events) == events[-1:]
    assert run.progress.delivered.seq == 0


@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_odd_events_are_rejected_or_left_to_python(event: Any) -> None:
    run, seen = Inline(Emitter(LOG)), []
    run.emitter.on("DISPATCH", seen.append)
    left = dispatch_in_c(run, [raw(1), event])
    if run.progress.is_rejecting:
        assert left == []
        assert run.undecodable
    else:
        assert left == [event] or left == [json.loads(event)]  # not every event can be decoded
    assert [payload["s"] for payload in seen] == [1]


@pytest.mark.parametrize("event", ODD + SHORT + DECODED, ids=range(len(ODD + SHORT + DECODED)))
def test_nothing_is_decoded_twice(event: Any) -> None:
    batch = [raw(8), raw(9, '{"id":"1"}', "GUILD_CREATE"), event, raw(99)]
    decoded = [note[1] for note in compare([batch], [("DISPATCH", "plain")], {}) if note[0] == "decode"]
    assert decoded in [[event for event in batch[:last] if isinstance(event, bytes)] for last in (3, 4)]


class Text(str):
    """Not exactly text."""

    __slots__ = ()


@pytest.mark.parametrize(
    "payload",
    [
        OrderedDict(t="NEWS", s=1, op=0, d=1),
        {"t": Text("NEWS"), "s": 1, "op": 0, "d": 1},
        {"t": "NEWS", "s": True, "op": 0, "d": 1},
        {"t": "NEWS", "s": 1, "op": False, "d": 1},
        {"t": "OTHER", "s": 1, "op": 0, "d": 1},
        ["NEWS"],
        None,
    ],
)
def test_what_readers_of_json_may_return(payload: Any) -> None:
    outcomes = []
    for emitter in (Emitter, OverriddenEmitter):
        run, seen = Inline(emitter(LOG), decode=lambda event: payload), []
        run.emitter.on("NEWS", seen.append)
        run.put([raw(1), raw(2)])
        errors = [repr(error) for error in (*run.failures, *run.undecodable)]
        outcomes.append((seen, errors, run.progress.delivered, run.dispatcher.undelivered))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("error", [ValueError, MemoryError, RecursionError, SystemExit, KeyboardInterrupt])
def test_what_readers_of_json_may_raise(error: type[BaseException]) -> None:
    def decode(event: bytes) -> Any:
        raise error

    for emitter in (Emitter, OverriddenEmitter):
        run = Inline(emitter(LOG), decode=decode)
        run.emitter.on("NEWS", pytest.fail)
        run.put([raw(1), raw(2)])
        assert [type(failure) for failure in run.failures] == [error]
        assert run.progress.delivered.seq == 0
        assert not run.queue.is_passing_on


@pytest.mark.parametrize("emitter", [Emitter, OverriddenEmitter])
def test_events_that_are_dropped_while_one_is_decoded_end_the_wait_for_it(emitter: type[Emitter]) -> None:
    def decode(event: bytes) -> Any:
        assert run.queue.is_passing_on
        run.dispatcher.drop_events()
        return json.loads(event)

    def handle(data: object) -> None:
        run.dispatcher.settle()
        seen.append((run.queue.is_passing_on, run.dispatcher._passed_on.is_set()))

    run, seen = Inline(emitter(LOG), decode=decode), []
    run.emitter.on("NEWS", handle)
    run.put([raw(1), raw(2)])
    assert seen == [(False, True)]
    assert (run.progress.delivered.seq, run.dispatcher.undelivered) == (1, 1)


@pytest.mark.skipif(not HAS_GIL, reason="stacks of other threads are not read")
@pytest.mark.parametrize("emitter", [Emitter, OverriddenEmitter])
def test_a_warning_shows_where_the_handler_is_and_not_the_way_to_it(
    emitter: type[Emitter], caplog: pytest.LogCaptureFixture
) -> None:
    def handle(data: object) -> None:
        run.executor.warn_of_full_queue(Full("2 events wait", "backlog=2"))

    run = Inline(emitter(LOG))
    run.emitter.on("NEWS", handle)
    run.put([raw(1), raw(2)])
    _, first, *_ = caplog.messages[0].splitlines()
    assert first.endswith(", in handle")


def test_wrong_arguments_are_refused() -> None:
    for args in [(), ((),), ([], iter([])), ((), []), ((), iter([])), ((None,) * 16, [])]:
        with pytest.raises(TypeError):
            compiled.dispatch_usual(*args)
