"""What a client has been through, in words: all times are arguments."""

from __future__ import annotations

import threading

import pytest

from vox_gateway.diagnostics.history import KEPT, Progress, TransitionHistory, Wait, describe_session, format_duration
from vox_gateway.protocol.reconnect_policy import Cause, ConnectPlan, Disconnect
from vox_gateway.sanitize import LINE_LIMIT
from vox_gateway.session.state import Session

SESSION = Session("0123456789abcdef", 42, "wss://resume.example")
LOST = Disconnect(Cause.LOST, reason="reset")


def again(delay: float = 2.3, resume: bool = True) -> ConnectPlan:
    return ConnectPlan(resume, resume, delay)


def login(journal: TransitionHistory, now: float = 0.0) -> None:
    journal.begun()
    journal.connecting(now, "gateway.example", False)
    journal.connected(now + 1)
    journal.introduced(now + 2, None)
    journal.live(now + 3, SESSION, None)


def test_a_login_is_told_with_how_long_ago_each_step_was() -> None:
    journal = TransitionHistory()
    assert journal.tell(0.0) == []
    login(journal)
    assert journal.tell(103.0) == [
        "1 min 43 s ago  connecting to gateway.example, to begin a session",
        "1 min 42 s ago  connected",
        "1 min 41 s ago  asked for a new session",
        "1 min 40 s ago  ready: session 012345… begun",
    ]
    assert journal.tell(3.0)[-1] == "0.0 s ago  ready: session 012345… begun"


def test_a_drop_and_its_resume_are_told() -> None:
    journal = TransitionHistory()
    login(journal)
    journal.dropped(10.0, LOST, again())
    assert journal.progress == Progress(
        down_since=10.0,
        wait=Wait(12.3),
        host="gateway.example",
        error="the connection was lost (reset)",
        error_at=10.0,
    )
    journal.connecting(12.3, "resume.example", True)
    assert journal.progress.wait is None
    journal.introduced(12.4, SESSION)
    journal.live(12.5, SESSION, 7)
    assert journal.progress.live_at == 12.5
    assert journal.progress.down_since is None
    assert [line.split("  ")[-1] for line in journal.tell(20.0)[4:]] == [
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
    journal = TransitionHistory()
    login(journal)
    journal.dropped(50.0, ending, following)
    assert journal.tell(50.0)[-1].endswith(words)
    asked_for = ending.cause in (Cause.RECONNECT, Cause.RECONNECT_REQUESTED)
    assert (journal.progress.error is None) is asked_for


def test_a_client_is_down_since_the_first_of_several_failures() -> None:
    journal = TransitionHistory()
    journal.begun()
    journal.dropped(1.0, Disconnect(Cause.UNREACHABLE), again(1.0))
    assert journal.progress.down_since is None  # it was never up
    login(journal, 2.0)
    journal.dropped(10.0, LOST, again())
    journal.dropped(20.0, Disconnect(Cause.UNREACHABLE, reason="refused"), again())
    assert journal.progress.down_since == 10.0
    assert journal.progress.error == "no connection could be made (refused)"


def test_up_at_time_zero_is_up() -> None:
    journal = TransitionHistory()
    journal.live(0.0, SESSION, None)
    journal.dropped(5.0, LOST, again())
    assert journal.progress.down_since == 5.0


def test_heartbeats_are_one_line_for_each_connection() -> None:
    journal = TransitionHistory()
    login(journal)
    journal.acknowledged(44.0, 0.05)
    assert journal.tell(50.0)[-1].strip() == "6.0 s ago  first heartbeat acknowledged in 0.050 s"
    for number in range(1000):
        journal.acknowledged(84.0 + number, 0.04)
    journal.paused(1090.0, 10, "MESSAGE_CREATE")
    beats = "1001 heartbeats acknowledged, the first in 0.050 s, the last in 0.040 s"
    assert [line.split("  ")[-1] for line in journal.tell(1100.0)][4] == beats  # where its last belongs
    journal.dropped(1100.0, LOST, again())
    assert journal.progress.acknowledged_at == 1083.0
    journal.acknowledged(1200.0, 0.06)
    told = [line.split("  ")[-1] for line in journal.tell(1200.0)]
    assert told.count(beats) == 1
    assert told[-1] == "first heartbeat acknowledged in 0.060 s"


def test_a_pause_is_told_and_its_end() -> None:
    journal = TransitionHistory()
    login(journal)
    journal.reading_again(4.0)  # nothing was paused
    journal.paused(5.0, 10, "MESSAGE_CREATE")
    assert journal.progress.paused_at == 5.0
    journal.reading_again(17.0)
    assert journal.progress.paused_at is None
    journal.paused(18.0, 10, None)
    assert [line.split("  ")[-1] for line in journal.tell(20.0)[4:]] == [
        "reading paused: the backlog is full, 10 events wait behind the handler of MESSAGE_CREATE",
        "reading again, after 12 s",
        "reading paused: the backlog is full, 10 events wait",
    ]
    journal.dropped(19.0, LOST, again())
    assert journal.progress.paused_at is None


def test_a_turn_is_waited_for() -> None:
    journal = TransitionHistory()
    journal.queueing(1.0, None, "its turn to IDENTIFY")
    assert journal.progress.wait == Wait(None, "its turn to IDENTIFY")
    journal.queueing(2.0, 7200.0, "session starts to return")
    assert journal.progress.wait == Wait(7202.0, "session starts to return")
    assert [line.split("  ")[-1] for line in journal.tell(3.0)] == [
        "waiting for its turn to IDENTIFY",
        "waiting for session starts to return, 2 h 0 min",
    ]


def test_the_end_is_told_and_the_next_run_begins_without_the_last_ones_errors() -> None:
    journal = TransitionHistory()
    login(journal)
    journal.closed(5.0, None)
    login(journal, 10.0)
    journal.closed(15.0, SESSION)
    login(journal, 20.0)
    journal.gave_up(30.0, ValueError("mend\nit"))
    assert journal.progress == Progress(host="gateway.example", error="mend it", error_at=30.0)
    told = [line.split("  ")[-1] for line in journal.tell(30.0)]
    assert told[4] == "closed by close()"
    assert told[9] == "closed by close(); session 012345… at seq 42 is kept"
    assert told[14] == "given up: mend it"
    journal.begun()
    assert journal.progress == Progress()
    assert len(journal.tell(30.0)) == 15


def test_only_the_last_are_kept() -> None:
    journal = TransitionHistory()
    for number in range(100):
        journal.connecting(float(number), f"host-{number}", True)
    journal.acknowledged(100.0, 0.1)
    told = journal.tell(100.0)
    assert len(told) == KEPT
    assert "host-99" in told[-2]


def test_a_line_is_one_printable_line_whatever_a_server_says() -> None:
    journal = TransitionHistory()
    journal.dropped(0.0, Disconnect(Cause.CLOSED, 4000, "a\r\nb\x1b[31m" + "c" * 1000), again())
    (line,) = journal.tell(0.0)
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


def test_many_threads_may_write_while_others_read() -> None:
    journal = TransitionHistory()
    start, failures = threading.Barrier(4), []

    def use(write: bool) -> None:
        start.wait(5)
        try:
            for number in range(2000):
                if write:
                    journal.acknowledged(float(number), 0.1)
                    journal.connecting(float(number), "host", True)
                else:
                    assert len(journal.tell(2000.0)) <= KEPT
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number < 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert any("4000 heartbeats" in line for line in journal.tell(2000.0))
