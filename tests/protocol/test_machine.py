"""What each payload calls for, without a socket, a thread or a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.errors import DecodeError
from vox_gateway.opcodes import Opcode
from vox_gateway.protocol.machine import (
    AnswerHeartbeat,
    BecomeReady,
    CloseConnection,
    HeartbeatAcknowledged,
    Protocol,
    StartHeartbeat,
    Transmit,
)
from vox_gateway.protocol.reconnect_policy import Cause
from vox_gateway.protocol.state import State
from vox_gateway.session.state import Session

HELLO = {"op": 10, "d": {"heartbeat_interval": 41250}}
READY = {"op": 0, "t": "READY", "s": 1, "d": {"session_id": "abc", "resume_gateway_url": "wss://resume"}}
RESUMED = {"op": 0, "t": "RESUMED", "s": 8, "d": {}}
EVENT = {"op": 0, "t": "TYPING_START", "s": 9, "d": {}}
IDENTIFY = {"token": "t", "intents": 0}


def protocol(session: Session | None = None) -> Protocol:
    return Protocol(Session() if session is None else session, lambda: dict(IDENTIFY), "t")


def greeted(session: Session | None = None) -> Protocol:
    """A protocol that has taken HELLO."""
    machine = protocol(session)
    machine.receive(HELLO)
    return machine


def test_hello_is_answered_with_identify_before_the_first_beat() -> None:
    machine = protocol()
    transmit, start = machine.receive(HELLO)
    assert transmit == Transmit(Opcode.IDENTIFY, IDENTIFY)
    assert start == StartHeartbeat(41.25)
    assert machine.state is State.IDENTIFYING


def test_hello_is_answered_with_resume_when_there_is_a_session() -> None:
    machine = protocol(Session("abc", 7, "wss://resume"))
    transmit, _ = machine.receive(HELLO)
    assert transmit == Transmit(Opcode.RESUME, {"token": "t", "session_id": "abc", "seq": 7})


@pytest.mark.parametrize("session", [Session("abc", None), Session(None, 7)])
def test_a_resume_needs_both_an_id_and_a_sequence_number(session: Session) -> None:
    transmit, _ = protocol(session).receive(HELLO)
    assert isinstance(transmit, Transmit)
    assert transmit.op is Opcode.IDENTIFY


def test_the_token_is_in_no_repr() -> None:
    machine = Protocol(Session(), lambda: {"token": "secret"}, "secret")
    assert "secret" not in repr(machine.receive(HELLO)) + repr(machine)


@pytest.mark.parametrize(
    ("milliseconds", "seconds"), [(41250, 41.25), (1, 0.001), (100.5, 0.1005), (86_400_000, 86400)]
)
def test_the_interval_is_a_float_of_seconds(milliseconds: float, seconds: float) -> None:
    assert protocol().receive({"op": 10, "d": {"heartbeat_interval": milliseconds}})[1] == StartHeartbeat(seconds)


@pytest.mark.parametrize("data", [None, {}, [], {"heartbeat_interval": None}, *({"heartbeat_interval": bad} for bad in ("41", True, 0, -5, 86_400_001, float("nan"), float("inf")))])  # fmt: skip  # noqa: E501
def test_a_hello_without_a_usable_interval_is_refused(data: Any) -> None:
    with pytest.raises(DecodeError, match="heartbeat_interval"):
        protocol().receive({"op": 10, "d": data})


def test_a_second_hello_changes_nothing() -> None:
    machine = protocol()
    machine.receive(HELLO)
    assert machine.receive(HELLO) == ()


def test_ready_begins_a_session() -> None:
    machine = protocol()
    machine.receive(HELLO)
    assert machine.receive(READY) == (BecomeReady(resumed=False),)
    assert machine.session == Session("abc", 1, "wss://resume")
    assert machine.state is State.READY


def test_a_ready_without_a_session_id_begins_one_that_cannot_be_resumed() -> None:
    machine = greeted(Session("old", 5, "wss://old"))
    machine.receive({**READY, "d": {}})
    assert machine.session == Session(None, 1, None)


@pytest.mark.parametrize(
    ("user", "known"),
    [
        ({"id": "12"}, "12"),
        ({"id": 12}, "12"),
        ({}, None),
        (None, None),
        ({"id": None}, None),
        ({"id": True}, None),
        ({"id": 10**5000}, None),  # more digits than Python makes text of
    ],
)
def test_ready_tells_who_the_bot_is(user: Any, known: str | None) -> None:
    machine = greeted()
    machine.receive({**READY, "d": {"session_id": "abc", "user": user}})
    assert machine.session.user_id == known


def test_resumed_goes_live_and_keeps_the_session() -> None:
    machine = protocol(Session("abc", 7, "wss://resume"))
    machine.receive(HELLO)
    assert machine.state is State.RESUMING
    assert machine.receive(RESUMED) == (BecomeReady(resumed=True),)
    assert machine.session == Session("abc", 8, "wss://resume")


@pytest.mark.parametrize("payload", [READY, RESUMED, EVENT])
def test_no_dispatch_comes_before_hello(payload: dict[str, Any]) -> None:
    session = Session("abc", 7, "wss://resume")
    machine = protocol(session)
    assert machine.receive_events([payload], 0) == 0, "it is for `receive`"
    with pytest.raises(DecodeError, match=f"'{payload['t']}' came before HELLO"):
        machine.receive(payload)
    with pytest.raises(DecodeError, match="an event came before HELLO"):
        machine.receive_raw(9)
    assert (machine.state, machine.session) == (State.AWAITING_HELLO, session)


def test_resumed_is_no_answer_to_identify() -> None:
    machine = greeted()
    with pytest.raises(DecodeError, match="RESUMED came in answer to IDENTIFY"):
        machine.receive(RESUMED)
    assert (machine.state, machine.session) == (State.IDENTIFYING, Session())


@pytest.mark.parametrize(("seq", "kept"), [(9, 9), (None, 3), ("9", 3), (True, 3)])
def test_events_move_the_sequence_number(seq: Any, kept: int) -> None:
    machine = greeted(Session("abc", 3))
    assert machine.receive({"op": 0, "t": "TYPING_START", "s": seq, "d": {}}) == ()
    assert (machine.seq, machine.session) == (kept, Session("abc", kept))


def test_a_beat_that_is_asked_for_is_answered_in_every_phase() -> None:
    machine = protocol()
    assert machine.receive({"op": 1, "d": None}) == (AnswerHeartbeat(),)
    machine.receive(HELLO)
    machine.receive(READY)
    assert machine.receive({"op": 1}) == (AnswerHeartbeat(),)


def test_an_acknowledgement_is_told() -> None:
    assert protocol().receive({"op": 11}) == (HeartbeatAcknowledged(),)


@pytest.mark.parametrize("greeted", [True, False])
def test_op_7_hangs_up_with_a_code_that_keeps_the_session(greeted: bool) -> None:
    machine = protocol()
    if greeted:
        machine.receive(HELLO)
    (close,) = machine.receive({"op": 7, "d": None})
    assert isinstance(close, CloseConnection)
    assert (close.code, close.ending.cause) == (4000, Cause.RECONNECT)
    assert machine.ended


@pytest.mark.parametrize(("data", "resumable"), [(True, True), (False, False), (None, False), ("true", False)])
def test_op_9_says_whether_the_session_can_be_resumed(data: Any, resumable: bool) -> None:
    (close,) = protocol().receive({"op": 9, "d": data})
    assert isinstance(close, CloseConnection)
    assert (close.code, close.ending.cause) == (4000, Cause.INVALID_SESSION)
    assert close.ending.resumable is resumable


def test_op_9_in_answer_to_identify_is_not_about_a_session() -> None:
    machine = protocol()
    machine.receive(HELLO)
    (close,) = machine.receive({"op": 9, "d": False})
    assert isinstance(close, CloseConnection)
    assert (close.code, close.ending.cause) == (4000, Cause.IDENTIFY_REFUSED)
    assert str(close.ending).startswith("the gateway refused IDENTIFY (usually because this bot sent another")
    assert "session" not in str(close.ending)


@pytest.mark.parametrize("payloads", [[HELLO], [HELLO, READY]])
def test_op_9_in_answer_to_resume_and_in_the_middle_is_about_the_session(payloads: list[Any]) -> None:
    is_resumed = len(payloads) == 1
    machine = protocol(Session("abc", 7) if is_resumed else None)
    for payload in payloads:
        machine.receive(payload)
    (close,) = machine.receive({"op": 9, "d": False})
    assert isinstance(close, CloseConnection)
    assert close.ending.cause is Cause.INVALID_SESSION


@pytest.mark.parametrize("payload", [HELLO, READY, {"op": 1}, {"op": 7}])
def test_nothing_is_heard_after_the_end(payload: Any) -> None:
    machine = protocol()
    machine.receive({"op": 7})
    assert machine.receive(payload) == ()
    assert machine.session == Session()


def test_sealed_events_move_the_sequence_number_until_the_end() -> None:
    machine = protocol()
    machine.receive(HELLO)
    machine.receive_raw(41)
    assert machine.seq == 41
    machine.receive({"op": 7})
    machine.receive_raw(42)
    assert machine.seq == 41, "what came after the end will be sent again"


@pytest.mark.parametrize("op", [2, 3, 5, 6, 8, 12, 77, -1])
def test_an_opcode_that_means_nothing_here_is_no_error(op: int) -> None:
    assert protocol().receive({"op": op, "d": {}}) == ()


@pytest.mark.parametrize(
    "payload",
    [None, [], "x", 5, {}, {"op": "0"}, {"op": None}, {"op": True}, {"op": 1.0}, {"op": 0}, {"op": 0, "t": 5},
     {"op": 0, "t": "READY", "d": None}, {"x": "y" * 500}],
)  # fmt: skip
def test_what_has_not_the_shape_of_a_payload_is_refused_in_a_line(payload: Any) -> None:
    with pytest.raises(DecodeError) as raised:
        greeted().receive(payload)
    assert len(str(raised.value)) < 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
payloads = json_values | st.fixed_dictionaries(
    {"op": st.integers(-2, 50)},
    optional={
        "t": st.sampled_from(["READY", "RESUMED", "MESSAGE_CREATE"]) | json_values,
        "s": st.integers() | json_values,
        "d": st.just(HELLO["d"]) | st.just(READY["d"]) | json_values,
    },
)
ORDER = list(State)


@given(st.lists(payloads, max_size=20), st.booleans(), st.booleans())
def test_any_order_of_payloads_leaves_a_legal_state(arriving: list[Any], hello: bool, resume: bool) -> None:
    machine = protocol(Session("abc", 7, "wss://resume") if resume else None)
    introductions = hang_ups = 0
    for payload in [HELLO] * hello + arriving:
        before, ended = machine.state, machine.ended
        try:
            actions = machine.receive(payload)
        except DecodeError:
            continue
        assert ORDER.index(machine.state) >= ORDER.index(before)  # never back
        introductions += sum(isinstance(action, Transmit) for action in actions)
        hang_ups += sum(isinstance(action, CloseConnection) for action in actions)
        assert not ended or actions == ()
        assert machine.seq is None or type(machine.seq) is int
        assert machine.session.id is None or type(machine.session.id) is str
    assert introductions <= 1
    assert hang_ups == machine.ended


@given(
    st.lists(
        st.sampled_from(
            [
                READY,
                {"op": 0, "t": "RESUMED", "s": 9, "d": {}},
                {"op": 0, "t": "X", "s": 5, "d": b"raw"},
                {"op": 0, "t": "X", "s": 6},
                {"op": 0, "t": "X", "s": None, "d": 1},
                {"op": 0, "t": "X", "s": True, "d": 1},
                {"op": 0, "t": 5, "s": 7, "d": 1},
                {"op": False, "t": "X", "s": 8, "d": 1},
                {"op": 0.0, "t": "X", "s": 8, "d": 1},
                {"op": 11},
                {"op": 7},
                {"op": 1},
                HELLO,
                [],
            ]
        )
    ),
    st.sampled_from([protocol, greeted]),
)
def test_many_at_once_mean_the_same_as_one_by_one(payloads: list[Any], make: Callable[[], Protocol]) -> None:
    one_by_one, at_once = make(), make()
    position = 0
    while position < len(payloads):
        start, position = position, at_once.receive_events(payloads, position)
        for payload in payloads[start:position]:
            assert one_by_one.receive(payload) == ()
        if position < len(payloads):
            results = []
            for machine in (one_by_one, at_once):
                try:
                    results.append(machine.receive(payloads[position]))
                except DecodeError as error:
                    results.append(str(error))
            assert results[0] == results[1]
            position += 1
        assert one_by_one.session == at_once.session
        assert one_by_one.state is at_once.state
