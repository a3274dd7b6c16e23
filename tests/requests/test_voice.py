"""The requests to join and to leave a voice channel. No socket, no thread, no clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_samples import BOT, STATE, is_own, server, state

from vox_gateway.requests.voice import GRACE, JoinVoice, KnownVoice, LeaveVoice

LEAVE = {"guild_id": "1", "channel_id": None}


def join(known: KnownVoice | None = None) -> JoinVoice:
    request = JoinVoice({"guild_id": "1", "channel_id": "5"}, is_own, lambda: known)
    assert request.start() == [{"guild_id": "1", "channel_id": "5"}]
    return request


# -- joining -----------------------------------------------------------------------------------------------------------


@given(st.permutations([state(), server(), state(user_id="8"), state("6", "8"), state("6", guild_id="2"),
                        server("other", guild_id="2")]))  # fmt: skip
def test_state_and_server_arrive_in_any_order_among_others(arrivals: list[tuple[str, dict[str, Any]]]) -> None:
    request = join()
    for name, data in arrivals:
        request.on_event(name, data, 0)
    connection = request.answer()
    assert (connection.guild_id, connection.channel_id, connection.user_id) == ("1", "5", BOT)
    assert (connection.session_id, connection.token, connection.endpoint) == ("s", "secret", "host:443")
    assert "secret" not in repr(connection)


def test_integers_are_ids_too() -> None:
    request = join()
    request.on_event(*state(5, 77, 1), 0)
    request.on_event(*server(guild_id=1), 0)
    assert request.is_answered


def test_a_server_without_an_endpoint_is_waited_for() -> None:
    request = join()
    assert "check that it may view and connect to it" in request.progress()
    request.on_event(*state(), 0)
    request.on_event(*server(None), 0)
    assert request.timer_at is None
    assert "no voice server for it yet" in request.progress()
    assert not request.is_answered
    request.on_event(*server("late:443"), 0)
    assert request.answer().endpoint == "late:443"


def test_a_bot_that_stays_in_its_channel_keeps_its_server() -> None:
    request = join(KnownVoice("5", ("secret", "host:443")))
    assert not request.is_answered
    request.on_event(*state(), 0)
    assert request.answer().token == "secret"


def test_a_bot_that_changes_channels_waits_for_a_new_server() -> None:
    request = join(KnownVoice("6", ("secret", "host:443")))
    request.on_event(*state(), 100)
    assert request.timer_at == 100 + GRACE
    assert not request.is_answered
    request.on_event(*server("new:443"), 101)
    assert request.timer_at is None
    assert request.answer().endpoint == "new:443"


def test_a_bot_that_changes_channels_keeps_its_server_when_no_other_arrives() -> None:
    request = join(KnownVoice("6", ("secret", "host:443")))
    request.on_event(*state(), 100)
    assert request.on_timer(100 + GRACE) == []
    assert request.answer().endpoint == "host:443"


@pytest.mark.parametrize(
    "known", [None, KnownVoice(None, None), KnownVoice(None, ("old", "old:443")), KnownVoice("5", None)]
)
def test_an_unknown_server_is_not_invented(known: KnownVoice | None) -> None:
    request = join(known)
    request.on_event(*state(), 0)
    request.on_timer(GRACE)
    assert not request.is_answered
    assert "call leave_voice() first" in request.progress()


def test_late_answers_to_an_earlier_move_are_ignored() -> None:
    request = join()
    request.on_event(*state("6"), 0)
    request.on_event(*server("of-6:443"), 0)
    request.on_event(*state("5"), 0)
    assert not request.is_answered
    request.on_event(*server("of-5:443"), 0)
    assert request.answer().endpoint == "of-5:443"


def test_a_bot_that_is_disconnected_while_it_waits_joins_again() -> None:
    request = join()
    request.on_event(*state(), 0)
    assert request.resume() == []
    request.on_event(*state(None), 0)
    request.on_event(*server(), 0)
    assert not request.is_answered
    assert request.resume() == [{"guild_id": "1", "channel_id": "5"}]


def test_a_new_session_starts_from_nothing() -> None:
    known: list[KnownVoice | None] = [KnownVoice("5", ("old", "old:443"))]
    request = JoinVoice({"guild_id": "1", "channel_id": "5"}, is_own, lambda: known[0])
    request.start()
    request.on_event(*server(), 0)
    known[0] = None
    assert request.start()
    request.on_event(*state(), 0)
    assert not request.is_answered


@pytest.mark.parametrize("session_id", [None, 5, ["s"]])
def test_a_voice_state_without_a_session_is_not_an_answer(session_id: Any) -> None:
    request = join()
    request.on_event(STATE, {**state()[1], "session_id": session_id}, 0)
    request.on_event(*server(), 0)
    assert not request.is_answered


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_leaving_is_confirmed_by_the_bots_own_state() -> None:
    request = LeaveVoice(LEAVE, is_own, lambda: None)
    assert request.start() == request.resume() == [LEAVE]
    for other in (state(None, "8"), state(None, guild_id="2"), state("5")):
        request.on_event(*other, 0)
        assert not request.is_answered
    assert "it may not have been in a voice channel there" in request.progress()
    request.on_event(*state(None), 0)
    assert request.is_answered
    assert request.answer() is None


def test_leaving_needs_no_answer_when_the_bot_is_known_to_be_out() -> None:
    request = LeaveVoice(LEAVE, is_own, lambda: KnownVoice(None, None))
    assert request.start() == [LEAVE]
    assert request.is_answered


def test_voice_ends_with_the_session() -> None:
    request = LeaveVoice(LEAVE, is_own, lambda: KnownVoice("5", None))
    request.start()
    assert not request.is_answered
    request.start()
    assert request.is_answered


def test_a_voice_state_without_a_channel_is_not_a_leave() -> None:
    request = LeaveVoice(LEAVE, is_own, lambda: None)
    request.start()
    request.on_event(STATE, {"guild_id": "1", "user_id": BOT, "session_id": "s"}, 0)
    assert not request.is_answered
