"""What a client has been through, in words: all times are arguments."""

from __future__ import annotations

import pytest

from vox_gateway.diagnostics.history import MAX_ENTRIES, History, Timeline, Wait, describe_session, format_duration
from vox_gateway.protocol.reconnect_policy import Cause, ConnectPlan, Disconnect
from vox_gateway.sanitize import LINE_LIMIT
from vox_gateway.session.state import Session

SESSION = Session("0123456789abcdef", 42, "wss://resume.example")
LOST = Disconnect(Cause.LOST, reason="reset")


def again(delay: float = 2.3, resume: bool = True) -> ConnectPlan:
    return ConnectPlan(SESSION if resume else Session(), resume, delay)


def login(history: History, now: float = 0.0) -> History:
    history = history.begun().connecting(now, "gateway.example", False).connected(now + 1)
    return history.identified(now + 2, None).ready(now + 3, SESSION, None)


def test_a_login_is_told_with_how_long_ago_each_step_was() -> None:
    history = History()
    assert history.render(0.0) == []
    history = login(history)
    assert history.render(103.0) == [
        "1 min 43 s ago  connecting to gateway.example, to begin a session",
        "1 min 42 s ago  connected",
        "1 min 41 s ago  asked for a new session",
        "1 min 40 s ago  ready: session 012345… begun",
    ]
    assert history.render(3.0)[-1] == "0.0 s ago  ready: session 012345… begun"


def test_a_drop_and_its_resume_are_told() -> None:
    history = History()
    history = login(history)
    history = history.dropped(10.0, LOST, again())
    assert history.timeline == Timeline(
        down_since=10.0,
        wait=Wait(12.3),
        host="gateway.example",
        error="the connection was lost (reset)",
        error_at=10.0,
    )
    history = history.connecting(12.3, "resume.example", True)
    assert history.timeline.wait is None
    history = history.identified(12.4, SESSION)
    history = history.ready(12.5, SESSION, 7)
    assert history.timeline.live_at == 12.5
    assert history.timeline.down_since is None
    assert [line.split("  ")[-1] for line in history.render(20.0)[4:]] == [
        "dropped because the connection was lost (reset); waiting 2.3 s before resuming",
        "connecting to resume.example, to resume",
        "asked to resume session 012345… at seq 42",
        "resumed, with 7 events replayed",
    ]


@pytest.mark.parametrize(
    ("ending", "following", "words"),
    [
        (
            Disconnect(Cause.RECONNECT, reason="op 7"),
            again(0.5),
            "dropped because the server asked for a reconnect (op 7); waiting 0.5 s before resuming",
        ),
        (
            Disconnect(Cause.RECONNECT_REQUESTED),
            again(0.0),
            "dropped because close(reconnect=True) was called; resuming at once",
        ),
        (Disconnect(Cause.SYSTEM_SUSPENDED), again(0.0), "dropped because the machine slept; resuming at once"),
        (
            Disconnect(Cause.INVALID_SESSION, resumable=False),
            again(3.0, resume=False),
            "dropped because the session is not valid; waiting 3.0 s before connecting with a new session",
        ),
        (
            Disconnect(Cause.UNREACHABLE, reason="refused"),
            again(61.0, resume=False),
            "0.0 s ago  no connection could be made (refused); waiting 1 min 1 s before connecting with a new session",
        ),
    ],
    ids=str,
)
def test_every_ending_reads_well(ending: Disconnect, following: ConnectPlan, words: str) -> None:
    history = History()
    history = login(history)
    history = history.dropped(50.0, ending, following)
    assert history.render(50.0)[-1].endswith(words)
    asked_for = ending.cause in (Cause.RECONNECT, Cause.RECONNECT_REQUESTED)
    assert (history.timeline.error is None) is asked_for


def test_a_client_is_down_since_the_first_of_several_failures() -> None:
    history = History()
    history = history.begun()
    history = history.dropped(1.0, Disconnect(Cause.UNREACHABLE), again(1.0))
    assert history.timeline.down_since is None  # it was never up
    history = login(history, 2.0)
    history = history.dropped(10.0, LOST, again())
    history = history.dropped(20.0, Disconnect(Cause.UNREACHABLE, reason="refused"), again())
    assert history.timeline.down_since == 10.0
    assert history.timeline.error == "no connection could be made (refused)"


def test_up_at_time_zero_is_up() -> None:
    history = History()
    history = history.ready(0.0, SESSION, None)
    history = history.dropped(5.0, LOST, again())
    assert history.timeline.down_since == 5.0


def test_heartbeats_are_one_line_for_each_connection() -> None:
    history = History()
    history = login(history)
    history = history.acknowledged(44.0, 0.05)
    assert history.render(50.0)[-1].strip() == "6.0 s ago  first heartbeat acknowledged in 0.050 s"
    for number in range(1000):
        history = history.acknowledged(84.0 + number, 0.04)
    history = history.paused(1090.0, "10 events wait", "MESSAGE_CREATE")
    beats = "1001 heartbeats acknowledged, the first in 0.050 s, the last in 0.040 s"
    assert [line.split("  ")[-1] for line in history.render(1100.0)][4] == beats  # where its last belongs
    history = history.dropped(1100.0, LOST, again())
    assert history.timeline.acknowledged_at == 1083.0
    history = history.acknowledged(1200.0, 0.06)
    told = [line.split("  ")[-1] for line in history.render(1200.0)]
    assert told.count(beats) == 1
    assert told[-1] == "first heartbeat acknowledged in 0.060 s"


def test_a_pause_is_told_and_its_end() -> None:
    history = History()
    history = login(history)
    history = history.reading_again(4.0)  # nothing was paused
    history = history.paused(5.0, "10 events wait", "MESSAGE_CREATE")
    assert history.timeline.paused_at == 5.0
    history = history.reading_again(17.0)
    assert history.timeline.paused_at is None
    history = history.paused(18.0, "10 events wait", None)
    assert [line.split("  ")[-1] for line in history.render(20.0)[4:]] == [
        "reading paused: the backlog is full, 10 events wait behind the handler of MESSAGE_CREATE",
        "reading again, after 12 s",
        "reading paused: the backlog is full, 10 events wait",
    ]
    history = history.dropped(19.0, LOST, again())
    assert history.timeline.paused_at is None


def test_a_turn_is_waited_for() -> None:
    history = History()
    history = history.queueing(1.0, None, "its turn to IDENTIFY")
    assert history.timeline.wait == Wait(None, "its turn to IDENTIFY")
    history = history.queueing(2.0, 7200.0, "session starts to return")
    assert history.timeline.wait == Wait(7202.0, "session starts to return")
    assert [line.split("  ")[-1] for line in history.render(3.0)] == [
        "waiting for its turn to IDENTIFY",
        "waiting for session starts to return, 2 h 0 min",
    ]


def test_the_end_is_told_and_the_next_run_begins_without_the_last_ones_errors() -> None:
    history = History()
    history = login(history)
    history = history.closed(5.0, None)
    history = login(history, 10.0)
    history = history.closed(15.0, SESSION)
    history = login(history, 20.0)
    history = history.gave_up(30.0, ValueError("mend\nit"))
    assert history.timeline == Timeline(host="gateway.example", error="mend it", error_at=30.0)
    told = [line.split("  ")[-1] for line in history.render(30.0)]
    assert told[4] == "closed by close()"
    assert told[9] == "closed by close(); session 012345… at seq 42 is kept"
    assert told[14] == "given up: mend it"
    history = history.begun()
    assert history.timeline == Timeline()
    assert len(history.render(30.0)) == 15


def test_only_the_last_are_kept() -> None:
    history = History()
    for number in range(100):
        history = history.connecting(float(number), f"host-{number}", True)
    history = history.acknowledged(100.0, 0.1)
    told = history.render(100.0)
    assert len(told) == MAX_ENTRIES
    assert "host-99" in told[-2]


def test_a_line_is_one_printable_line_whatever_a_server_says() -> None:
    history = History()
    history = history.dropped(0.0, Disconnect(Cause.CLOSED, 4000, "a\r\nb\x1b[31m" + "c" * 1000), again())
    (line,) = history.render(0.0)
    assert line.isprintable()
    assert "(4000: a b?[31mccc" in line
    assert line.endswith("c…; waiting 2.3 s before resuming")
    assert len(line) <= LINE_LIMIT + len("0.0 s ago  ")


@pytest.mark.parametrize("session_id", [None, "", "a", "0123456789abcdef0123456789abcdef"])
def test_no_session_id_is_told_in_full(session_id: str | None) -> None:
    told = describe_session(Session(session_id, 1))
    assert told.startswith("session ")
    assert not session_id or session_id not in told.split()[1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0.0 s"),
        (0.04, "0.0 s"),
        (2.34, "2.3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.0, "59 min 59 s"),
        (7800.0, "2 h 10 min"),
        (4 * 86_400 + 3 * 3600, "4 d 3 h"),
    ],
)
def test_times_are_as_exact_as_one_wants_to_know(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
