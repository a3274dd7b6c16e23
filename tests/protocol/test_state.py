"""The table of transitions."""

from __future__ import annotations

import pytest

from vox_gateway.protocol.state import TRANSITIONS, State, advance


def test_every_state_has_a_row_and_can_be_reached() -> None:
    assert TRANSITIONS.keys() == set(State)
    assert frozenset().union(*TRANSITIONS.values()) == set(State) - {State.IDLE}


def test_every_state_but_the_last_leads_to_the_end() -> None:
    for state in set(State) - {State.CLOSING, State.CLOSED}:
        assert State.CLOSING in TRANSITIONS[state]
    assert {state for state in State if State.CLOSED in TRANSITIONS[state]} == {State.IDLE, State.CLOSING}
    assert TRANSITIONS[State.CLOSING] == {State.CLOSED}
    assert not TRANSITIONS[State.CLOSED]


def test_a_transition_outside_the_table_is_refused() -> None:
    assert advance(State.RESUMING, State.READY) is State.READY
    with pytest.raises(ValueError, match="no transition from CLOSED to READY"):
        advance(State.CLOSED, State.READY)
