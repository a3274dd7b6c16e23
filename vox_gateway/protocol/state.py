"""The states of a run of a shard, and the table of the transitions between them.

The supervisor owns a run's state; a connection knows how far it has come by the states from CONNECTING to READY.
"""

from __future__ import annotations

import enum

__all__ = ["TRANSITIONS", "State", "advance"]


class State(enum.Enum):
    """The state of a run. IDLE before it begins."""

    IDLE = "idle"
    WAITING = "waiting"  #: for the next attempt
    CONNECTING = "connecting"  #: DNS, TCP, TLS, upgrade
    AWAITING_HELLO = "awaiting hello"  #: the websocket is open
    IDENTIFYING = "identifying"  #: HELLO came, and IDENTIFY is the answer
    RESUMING = "resuming"  #: HELLO came, and RESUME is the answer
    READY = "ready"  #: READY or RESUMED came
    CLOSING = "closing"
    CLOSED = "closed"


_DROPPED = (State.WAITING, State.CLOSING)

#: the states that may follow each state
TRANSITIONS: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({*_DROPPED, State.CLOSED}),  # closed at once if its threads cannot be started
    State.WAITING: frozenset({State.CONNECTING, *_DROPPED}),
    State.CONNECTING: frozenset({State.AWAITING_HELLO, *_DROPPED}),
    State.AWAITING_HELLO: frozenset({State.IDENTIFYING, State.RESUMING, *_DROPPED}),
    State.IDENTIFYING: frozenset({State.READY, *_DROPPED}),
    State.RESUMING: frozenset({State.READY, *_DROPPED}),
    State.READY: frozenset({State.READY, *_DROPPED}),  # a server may send READY or RESUMED again
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


def advance(state: State, to: State) -> State:
    """Return `to`.

    Raises:
        ValueError: the table has no transition from `state` to `to`.
    """
    if to not in TRANSITIONS[state]:
        raise ValueError(f"no transition from {state.name} to {to.name}")
    return to
