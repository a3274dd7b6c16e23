"""What a client is at one moment: all that is known of it is an argument."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vox_gateway.diagnostics.history import Timeline, Wait
from vox_gateway.diagnostics.snapshot import RECONNECT_GRACE, ClientSnapshot
from vox_gateway.diagnostics.stats import Stats, Status
from vox_gateway.session.state import Session

NOW = 1000.0
SESSION = Session("0123456789abcdef", 42)


def situation(**differs: Any) -> ClientSnapshot:
    usual: dict[str, Any] = {
        "now": NOW,
        "status": Status.READY,
        "shard": (2, 3),
        "session": SESSION,
        "stats": Stats(events=9),
        "latencies": (0.05, 0.04321),
        "timeline": Timeline(live_at=NOW - 60),
        "slow_after": 10.0,
    }
    return ClientSnapshot(**{**usual, **differs})


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"status": Status.CLOSED}, "not connected; connect() resumes session 012345… at seq 42"),
        ({"status": Status.CLOSED, "session": Session()}, "not connected; connect() begins a new session"),
        ({"status": Status.CLOSING}, "closing"),
        ({"status": Status.CLOSING, "work": ("READY", 1.0)}, "closing; the handler of READY has yet to return"),
        (
            {"status": Status.WAITING, "timeline": Timeline(wait=Wait(NOW + 3.1))},
            "waiting 3.1 s, then resumes session 012345… at seq 42",
        ),
        (
            {"status": Status.WAITING, "timeline": Timeline(wait=Wait(NOW + 3.1)), "session": Session()},
            "waiting 3.1 s, then begins a new session",
        ),
        ({"status": Status.WAITING, "timeline": Timeline(wait=Wait(NOW - 1))}, "about to connect"),
        ({"status": Status.WAITING, "timeline": Timeline()}, "about to connect"),
        (
            {"status": Status.WAITING, "timeline": Timeline(wait=Wait(NOW + 4.2, "its turn to IDENTIFY"))},
            "waiting for its turn to IDENTIFY, 4.2 s",
        ),
        (
            {"status": Status.WAITING, "timeline": Timeline(wait=Wait(None, "its turn to IDENTIFY"))},
            "waiting for its turn to IDENTIFY",
        ),
        ({"status": Status.CONNECTING, "timeline": Timeline(host="gateway.example")}, "connecting to gateway.example"),
        ({"status": Status.CONNECTING, "timeline": Timeline()}, "connecting"),
        ({"status": Status.CONNECTING, "open": True}, "connected, waiting for HELLO"),
        ({"status": Status.IDENTIFYING}, "connected, waiting for READY"),
        ({"status": Status.RESUMING}, "connected, taking what was missed, waiting for RESUMED"),
        ({}, "connected, waiting for events"),
        ({"next_beat": NOW + 12}, "connected, waiting for events; next heartbeat in 12 s"),
        ({"work": ("MESSAGE_CREATE", NOW - 9)}, "connected, waiting for events"),
        ({"stats": Stats(events_waiting=3)}, "connected, 3 events wait to be handled"),
        ({"stats": Stats(events_waiting=1)}, "connected, 1 event waits to be handled"),
        (
            {"work": ("MESSAGE_CREATE", NOW - 11), "stats": Stats(events_waiting=3)},
            "connected, 3 events wait behind the handler of MESSAGE_CREATE, at work for 11 s",
        ),
        (
            {
                "work": ("MESSAGE_CREATE", NOW - 5),
                "stats": Stats(events_waiting=10),
                "timeline": Timeline(live_at=NOW - 9, paused_at=NOW - 4),
                "next_beat": NOW + 2,
            },
            (
                "connected, reading paused since the backlog is full: 10 events wait behind the handler of "
                "MESSAGE_CREATE, at work for 5.0 s; next heartbeat in 2.0 s"
            ),
        ),
        (
            {"stats": Stats(events_waiting=10), "timeline": Timeline(live_at=NOW - 9, paused_at=NOW - 4)},
            "connected, reading paused since the backlog is full: 10 events wait",
        ),
    ],
    ids=str,
)
def test_what_it_waits_for_is_said(differs: dict[str, Any], words: str) -> None:
    assert situation(**differs).describe() == words


@pytest.mark.parametrize(
    ("differs", "ok"),
    [
        ({}, True),
        ({"status": Status.CLOSED}, False),
        ({"status": Status.CLOSING}, False),
        ({"timeline": Timeline(live_at=NOW - 9, paused_at=NOW - 4)}, False),
        ({"status": Status.CONNECTING, "timeline": Timeline()}, False),  # it has not been ready yet
        ({"status": Status.WAITING, "timeline": Timeline(down_since=NOW - 1)}, True),
        ({"status": Status.RESUMING, "timeline": Timeline(down_since=NOW - RECONNECT_GRACE)}, True),
        ({"status": Status.RESUMING, "timeline": Timeline(down_since=NOW - RECONNECT_GRACE - 0.1)}, False),
    ],
    ids=str,
)
def test_the_rule_of_ok(differs: dict[str, Any], ok: bool) -> None:
    assert situation(**differs).health()["ok"] is ok


def test_health_is_what_json_can_hold() -> None:
    busy = situation(
        stats=Stats(events=9, events_waiting=4, reconnects=1, resumes=2, identifies=3),
        timeline=Timeline(live_at=NOW - 60, acknowledged_at=NOW - 5.5, error="it broke", error_at=NOW - 61),
        event_at=NOW - 0.123456,
        work=("MESSAGE_CREATE", NOW - 12.5),
    )
    assert json.loads(json.dumps(busy.health(), allow_nan=False)) == {
        "ok": True,
        "status": "ready",
        "shard": [2, 3],
        "latency": 0.0432,
        "latencies": [0.05, 0.0432],
        "uptime": 60.0,
        "downtime": None,
        "since_event": 0.1235,
        "since_heartbeat": 5.5,
        "events": 9,
        "events_waiting": 4,
        "backlog_full": False,
        "handler": "MESSAGE_CREATE",
        "handler_seconds": 12.5,
        "slow_handler": "MESSAGE_CREATE",
        "slow_handler_seconds": 12.5,
        "reconnects": 1,
        "resumes": 2,
        "identifies": 3,
        "last_error": "it broke",
        "since_error": 61.0,
    }


def test_a_handler_is_named_before_it_is_slow() -> None:
    health = situation(work=("READY", NOW - 0.25)).health()
    assert (health["handler"], health["handler_seconds"], health["slow_handler"]) == ("READY", 0.25, None)


def test_what_there_is_not_is_none_and_never_infinite() -> None:
    new = situation(status=Status.CLOSED, latencies=(), timeline=Timeline(), stats=Stats())
    health = new.health()
    json.dumps(health, allow_nan=False)
    nothing = {key for key, value in health.items() if value is None}
    assert nothing == {
        "latency",
        "uptime",
        "downtime",
        "since_event",
        "since_heartbeat",
        "handler",
        "handler_seconds",
        "slow_handler",
        "slow_handler_seconds",
        "last_error",
        "since_error",
    }


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({}, "ready latency=0.043s"),
        ({"latencies": ()}, "ready"),
        ({"timeline": Timeline(live_at=NOW - 9, paused_at=NOW - 4)}, "ready latency=0.043s backlog=full"),
        ({"status": Status.WAITING, "timeline": Timeline(wait=Wait(NOW + 3.1))}, "waiting for=3.1s"),
        ({"status": Status.WAITING, "timeline": Timeline(wait=Wait(None, "its turn"))}, "waiting"),
        ({"status": Status.CLOSED}, "closed"),
    ],
    ids=str,
)
def test_in_short_it_says_what_matters_then(differs: dict[str, Any], words: str) -> None:
    assert situation(**differs).in_short() == words
