"""Every kind of request, against events that are malformed in part. No socket, no thread, no clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_samples import BOT, EVENTS, FIELDS, is_own

from vox_gateway import RateLimited
from vox_gateway.requests.base import Request
from vox_gateway.requests.guild_details import ChannelInfo, SoundboardSounds
from vox_gateway.requests.members import GuildMembers
from vox_gateway.requests.voice import JoinVoice, LeaveVoice


def members() -> GuildMembers:
    nonces = itertools.count()
    return GuildMembers([{"guild_id": "1"}], lambda: f"n{next(nonces)}")


def sounds() -> SoundboardSounds:
    return SoundboardSounds({"guild_ids": ["1"]})


def channels() -> ChannelInfo:
    return ChannelInfo({"guild_id": "1", "fields": ["status"]})


def join() -> JoinVoice:
    return JoinVoice({"guild_id": "1", "channel_id": "5"}, is_own, lambda: None)


def leave() -> LeaveVoice:
    return LeaveVoice({"guild_id": "1", "channel_id": None}, is_own, lambda: None)


def check_members(answer: Any) -> None:
    assert all(isinstance(item, dict) for item in [*answer, *answer.presences])
    assert all(isinstance(user_id, str) for user_id in answer.not_found)


def check_sounds(answer: Any) -> None:
    check_channels(answer["1"])


def check_channels(answer: Any) -> None:
    assert all(isinstance(item, dict) for item in answer)


def check_join(connection: Any) -> None:
    ids = connection.channel_id, connection.user_id, connection.session_id, connection.token
    assert all(isinstance(value, str) for value in ids)
    assert (connection.channel_id, connection.user_id) == ("5", BOT)


def check_leave(answer: Any) -> None:
    assert answer is None


MAKERS: list[Callable[[], Request]] = [members, sounds, channels, join, leave]
CHECKS: list[Callable[[Any], None]] = [check_members, check_sounds, check_channels, check_join, check_leave]


@pytest.mark.parametrize(("make", "check"), list(zip(MAKERS, CHECKS, strict=True)))
@given(arrivals=st.lists(EVENTS, max_size=6))
def test_malformed_events_break_neither_the_request_nor_its_answer(
    make: Callable[[], Request], check: Callable[[Any], None], arrivals: list[tuple[str, Any]]
) -> None:
    request = make()
    request.start()
    now = 0.0
    for name, data in arrivals:
        if name in request.events:
            request.on_event(name, data, now)
        now += 0.5
        error = request.failure(now, now + 10)
        assert error is None or isinstance(error, RateLimited)
        if request.timer_at is not None:
            assert now - 1 <= request.timer_at < 1e10, "a time to wait for"
            assert isinstance(request.on_timer(request.timer_at), list)
        assert isinstance(request.progress(), str)
        assert isinstance(request.resume(), list)
        if request.is_answered:
            check(request.answer())


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_number_too_long_to_print_is_ignored(name: str, make: Callable[[], Request]) -> None:
    request = make()
    request.start()
    for event in request.events:
        request.on_event(event, {**FIELDS, name: 10**5000}, 0)  # ETF has such numbers


@pytest.mark.parametrize("make", MAKERS)
def test_a_request_without_a_timer_has_nothing_to_send_for_it(make: Callable[[], Request]) -> None:
    request = make()
    request.start()
    assert request.timer_at is None
    assert request.on_timer(0) == []
    assert request.failure(0, 0) is None
