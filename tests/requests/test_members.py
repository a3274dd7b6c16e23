"""The request for members: which chunks are its answer, and when it is complete. No socket, no thread, no clock."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_samples import CHUNK, LIMITED, chunk, limited

from vox_gateway import RateLimited
from vox_gateway.requests.members import GuildMembers


def members(commands: int = 1) -> GuildMembers:
    nonces = itertools.count()
    return GuildMembers([{"guild_id": "1", "part": part} for part in range(commands)], lambda: f"n{next(nonces)}")


@given(st.data(), st.integers(1, 8))
def test_chunks_arrive_in_any_order_and_more_than_once(data: st.DataObject, count: int) -> None:
    request = members()
    assert request.start() == [{"guild_id": "1", "part": 0, "nonce": "n0"}]
    order = data.draw(st.permutations(range(count)))
    repeated = data.draw(st.lists(st.sampled_from(order)))
    seen: set[int] = set()
    for index in [*repeated, *order]:
        assert request.is_answered == (len(seen) == count)
        request.on_event(CHUNK, chunk(index, count), 0)
        seen.add(index)
    assert request.is_answered
    found = [member["user"]["id"] for member in request.answer()]
    assert found == [f"n0 {index} {number}" for index in range(count) for number in range(2)]


@given(st.permutations([(nonce, index) for nonce in ("n0", "n1", "other", None, 5) for index in range(3)]))
def test_chunks_of_two_nonces_are_never_mixed(arrivals: list[tuple[Any, int]]) -> None:
    request = members()
    request.start()
    request.resume()
    complete = None
    for nonce, index in arrivals:
        request.on_event(CHUNK, chunk(index, 3, nonce), 0)
        if request.is_answered and complete is None:
            complete = nonce
            assert [member["user"]["id"].split()[0] for member in request.answer()] == [complete] * 6
    assert complete in ("n0", "n1")


def test_a_new_session_takes_no_chunk_of_an_old_nonce() -> None:
    request = members()
    request.start()
    request.on_event(CHUNK, chunk(0, 2), 0)
    assert [command["nonce"] for command in request.start()] == ["n1"]
    assert not request.on_event(CHUNK, chunk(1, 2), 0)
    assert request.on_event(CHUNK, chunk(0, 1, "n1"), 0)
    assert [member["user"]["id"][:2] for member in request.answer()] == ["n1"] * 2


def test_ids_and_presences_are_kept_beside_the_members() -> None:
    request = members()
    request.start()
    request.on_event(CHUNK, chunk(1, 2, guild_id=1, presences=[{"status": "idle"}]), 0)
    request.on_event(CHUNK, chunk(0, 2, not_found=[7, "8"], presences=[{"status": "dnd"}]), 0)
    answer = request.answer()
    assert (len(answer), answer.not_found) == (4, ["7", "8"])
    assert [presence["status"] for presence in answer.presences] == ["dnd", "idle"]
    answer.clear()
    assert len(request.answer()) == 4, "each caller has its own"


@pytest.mark.parametrize(
    "strange",
    [
        chunk(0, 1, guild_id="2"),
        chunk(1, 1),
        chunk(-1, 1),
        chunk(0, 1, members=None),
        {**chunk(0, 1), "chunk_index": "0"},
        {**chunk(0, 1), "nonce": ["n0"]},
        {},
    ],
)
def test_other_and_malformed_chunks_are_ignored(strange: dict[str, Any]) -> None:
    request = members()
    request.start()
    request.on_event(CHUNK, strange, 0)
    assert not request.is_answered
    assert request.progress() == "no chunk had come; is the bot in guild 1?"


def test_several_commands_have_one_answer() -> None:
    request = members(3)
    assert [command["nonce"] for command in request.start()] == ["n0", "n1", "n2"]
    for nonce in ("n2", "n0"):
        request.on_event(CHUNK, chunk(0, 2, nonce), 0)
    request.on_event(CHUNK, chunk(1, 2, "n0"), 0)
    assert request.progress() == "3 of 5 chunks had come"
    assert [command["part"] for command in request.resume()] == [1], "the third has a chunk"
    assert [command["part"] for command in request.start()] == [1, 2], "the first is complete"
    for nonce in ("n4", "n5"):
        request.on_event(CHUNK, chunk(0, 1, nonce), 0)
    assert [member["user"]["id"][:2] for member in request.answer()] == ["n0"] * 4 + ["n4"] * 2 + ["n5"] * 2


def test_a_refusal_is_waited_out_and_retried_once() -> None:
    request = members()
    request.start()
    request.on_event(LIMITED, limited("n0", 30), 100)
    assert request.timer_at == 130
    assert request.failure(110, 131) is None
    error = request.failure(110, 120)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 20
    assert error.what == "the members of guild 1"
    assert request.on_timer(129) == request.resume() == []
    assert request.on_timer(130) == [{"guild_id": "1", "part": 0, "nonce": "n1"}]
    assert request.timer_at is None
    request.on_event(LIMITED, limited("n1", 5), 131)
    error = request.failure(132, float("inf"))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 4


def test_a_refusal_of_one_nonce_leaves_the_other() -> None:
    request = members()
    request.start()
    request.resume()
    request.on_event(LIMITED, limited("n1"), 0)
    assert request.timer_at is None
    assert request.failure(0, 1) is None
    request.on_event(CHUNK, chunk(0, 1, "n0"), 0)
    assert request.is_answered


@pytest.mark.parametrize(
    "other", [limited("x"), limited("n0", opcode=31), limited("n0", meta=None), limited("n0", None), {}]
)
def test_refusals_of_other_requests_are_ignored(other: dict[str, Any]) -> None:
    request = members()
    request.start()
    request.on_event(LIMITED, other, 0)
    assert request.timer_at is None
    request.on_event(CHUNK, chunk(0, 1), 0)
    assert request.is_answered


def test_malformed_values_are_left_out_of_the_answer() -> None:
    request = members()
    request.start()
    fields = {"members": [None, 5, {"user": {"id": "8"}}], "not_found": 5, "presences": 5}
    request.on_event(CHUNK, chunk(0, 2, **fields), 0)
    fields = {"members": [], "not_found": [None, {}, 7, "8", True], "presences": [[], {"a": 1}]}
    request.on_event(CHUNK, chunk(1, 2, **fields), 0)
    answer = request.answer()
    assert (list(answer), answer.not_found, answer.presences) == ([{"user": {"id": "8"}}], ["7", "8"], [{"a": 1}])
