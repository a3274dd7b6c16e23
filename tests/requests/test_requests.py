"""Questions: what is asked, and when the answer is whole. No socket, no thread, no clock."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway import RateLimited
from vox_gateway.event import Event
from vox_gateway.requests.guild_details import ChannelInfo, SoundboardSounds
from vox_gateway.requests.members import GuildMembers
from vox_gateway.requests.voice import GRACE, JoinVoice, Known, LeaveVoice
from vox_gateway.requests.voice_cache import VoiceMemory

CHUNK, LIMITED = "GUILD_MEMBERS_CHUNK", "RATE_LIMITED"
STATE, SERVER = "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE"


def members(requests: int = 1) -> GuildMembers:
    nonces = itertools.count()
    return GuildMembers([{"guild_id": "1", "part": part} for part in range(requests)], lambda: f"n{next(nonces)}")


def chunk(index: int, count: int, nonce: str = "n0", guild_id: Any = "1", **fields: Any) -> dict[str, Any]:
    members = [{"user": {"id": f"{nonce} {index} {number}"}} for number in range(2)]
    fields = {"members": members, **fields}
    return {"guild_id": guild_id, "chunk_index": index, "chunk_count": count, "nonce": nonce, **fields}


def limited(nonce: str, retry_after: Any = 30.0, **fields: Any) -> dict[str, Any]:
    return {"opcode": 8, "retry_after": retry_after, "meta": {"guild_id": "1", "nonce": nonce}, **fields}


# -- members -----------------------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 8))
def test_chunks_come_in_any_order_and_more_than_once(data: st.DataObject, count: int) -> None:
    question = members()
    assert question.begin() == [{"guild_id": "1", "part": 0, "nonce": "n0"}]
    order = data.draw(st.permutations(range(count)))
    again = data.draw(st.lists(st.sampled_from(order)))
    seen: set[int] = set()
    for index in [*again, *order]:
        assert question.is_answered == (len(seen) == count)
        question.take(CHUNK, chunk(index, count), 0)
        seen.add(index)
    assert question.is_answered
    found = [one["user"]["id"] for one in question.answer()]
    assert found == [f"n0 {index} {number}" for index in range(count) for number in range(2)]


@given(st.permutations([(nonce, index) for nonce in ("n0", "n1", "other", None, 5) for index in range(3)]))
def test_chunks_of_other_requests_are_never_among_them(arrivals: list[tuple[Any, int]]) -> None:
    question = members()
    question.begin()
    question.resume()
    complete = None
    for nonce, index in arrivals:
        question.take(CHUNK, chunk(index, 3, nonce), 0)
        if question.is_answered and complete is None:
            complete = nonce
            assert [one["user"]["id"].split()[0] for one in question.answer()] == [complete] * 6
    assert complete in ("n0", "n1")


def test_what_comes_beside_the_members_is_kept() -> None:
    question = members()
    question.begin()
    question.take(CHUNK, chunk(1, 2, guild_id=1, presences=[{"status": "idle"}]), 0)
    question.take(CHUNK, chunk(0, 2, not_found=[7, "8"], presences=[{"status": "dnd"}]), 0)
    answer = question.answer()
    assert (len(answer), answer.not_found) == (4, ["7", "8"])
    assert [one["status"] for one in answer.presences] == ["dnd", "idle"]
    answer.clear()
    assert len(question.answer()) == 4, "each caller has its own"


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
def test_what_is_no_chunk_of_the_answer_is_passed_over(strange: dict[str, Any]) -> None:
    question = members()
    question.begin()
    question.take(CHUNK, strange, 0)
    assert not question.is_answered
    assert question.missing() == "no chunk had come; is the bot in guild 1?"


def test_several_requests_are_one_answer() -> None:
    question = members(3)
    assert [one["nonce"] for one in question.begin()] == ["n0", "n1", "n2"]
    for nonce in ("n2", "n0"):
        question.take(CHUNK, chunk(0, 2, nonce), 0)
    question.take(CHUNK, chunk(1, 2, "n0"), 0)
    assert question.missing() == "3 of 5 chunks had come"
    assert [one["part"] for one in question.resume()] == [1], "of the third there is a sign"
    assert [one["part"] for one in question.begin()] == [1, 2], "the first has come"
    for nonce in ("n4", "n5"):
        question.take(CHUNK, chunk(0, 1, nonce), 0)
    assert [one["user"]["id"][:2] for one in question.answer()] == ["n0"] * 4 + ["n4"] * 2 + ["n5"] * 2


def test_a_refusal_is_waited_out_and_retried_once() -> None:
    question = members()
    question.begin()
    question.take(LIMITED, limited("n0", 30), 100)
    assert question.wake_at == 130
    assert question.in_vain(110, 131) is None
    error = question.in_vain(110, 120)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 20
    assert str(error).startswith("the gateway will not send the members of guild 1 for 20.0 seconds")
    assert question.wake(129) == question.resume() == []
    assert question.wake(130) == [{"guild_id": "1", "part": 0, "nonce": "n1"}]
    assert question.wake_at is None
    question.take(LIMITED, limited("n1", 5), 131)
    error = question.in_vain(132, float("inf"))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 4


def test_a_refusal_of_a_repeated_request_is_no_harm() -> None:
    question = members()
    question.begin()
    question.resume()
    question.take(LIMITED, limited("n1"), 0)
    assert question.wake_at is None
    assert question.in_vain(0, 1) is None
    question.take(CHUNK, chunk(0, 1, "n0"), 0)
    assert question.is_answered


@pytest.mark.parametrize(
    "other", [limited("x"), limited("n0", opcode=31), limited("n0", meta=None), limited("n0", None), {}]
)
def test_refusals_of_others_are_passed_over(other: dict[str, Any]) -> None:
    question = members()
    question.begin()
    question.take(LIMITED, other, 0)
    assert question.wake_at is None
    question.take(CHUNK, chunk(0, 1), 0)
    assert question.is_answered


# -- sounds and channels -----------------------------------------------------------------------------------------------


@given(st.permutations([1, "2", 3, "4", 2]))
def test_sounds_come_for_each_guild_in_any_order(order: list[Any]) -> None:
    question = SoundboardSounds({"guild_ids": ["1", "2", "3"]})
    assert question.begin() == [{"guild_ids": ["1", "2", "3"]}]
    for guild_id in order:
        question.take("SOUNDBOARD_SOUNDS", {"guild_id": guild_id, "soundboard_sounds": [{"of": str(guild_id)}]}, 0)
    assert question.is_answered
    assert question.answer() == {one: [{"of": one}] for one in ("1", "2", "3")}


def test_what_is_missing_of_the_sounds_is_told_and_asked_again() -> None:
    question = SoundboardSounds({"guild_ids": [str(number) for number in range(250)]})
    assert [len(one["guild_ids"]) for one in question.begin()] == [100, 100, 50]
    for number in range(245):
        question.take("SOUNDBOARD_SOUNDS", {"guild_id": str(number), "soundboard_sounds": []}, 0)
    question.take("SOUNDBOARD_SOUNDS", {"guild_id": "245"}, 0)
    assert not question.is_answered
    assert question.missing() == "those of 245 of 250 guilds had come; is the bot in 245, 246, 247, ...?"
    assert question.resume() == [{"guild_ids": ["245", "246", "247", "248", "249"]}]
    assert question.what == "the soundboard sounds of 250 guilds"


def test_channel_info_that_others_asked_for_is_passed_over() -> None:
    question = ChannelInfo({"guild_id": "1", "fields": ["status"]})
    for other in (
        {"guild_id": "2", "channels": []},
        {"guild_id": "1"},
        {"guild_id": "1", "channels": [{"id": "5", "voice_start_time": 7}]},
    ):
        question.take("CHANNEL_INFO", other, 0)
        assert not question.is_answered
    assert question.missing() == "no CHANNEL_INFO had come; is the bot in guild 1?"
    question.take("CHANNEL_INFO", {"guild_id": 1, "channels": [{"id": "5", "status": None}]}, 0)
    assert question.answer() == [{"id": "5", "status": None}]
    nothing = ChannelInfo({"guild_id": "1", "fields": ["status"]})
    nothing.take("CHANNEL_INFO", {"guild_id": "1", "channels": []}, 0)
    assert nothing.answer() == []


# -- voice -------------------------------------------------------------------------------------------------------------

BOT = "77"


def is_own(state: dict[str, Any]) -> bool:
    return state.get("user_id") in (BOT, int(BOT))


def join(known: Known | None = None) -> JoinVoice:
    question = JoinVoice({"guild_id": "1", "channel_id": "5"}, is_own, lambda: known)
    assert question.begin() == [{"guild_id": "1", "channel_id": "5"}]
    return question


def leaving(*known: Known | None) -> list[LeaveVoice]:
    return [LeaveVoice({"guild_id": "1", "channel_id": None}, is_own, lambda one=one: one) for one in known]


def state(channel_id: Any = "5", user_id: Any = BOT, guild_id: Any = "1") -> tuple[str, dict[str, Any]]:
    return STATE, {"guild_id": guild_id, "channel_id": channel_id, "user_id": user_id, "session_id": "s"}


def server(endpoint: str | None = "host:443", token: str = "secret", guild_id: Any = "1") -> tuple[str, dict[str, Any]]:
    return SERVER, {"guild_id": guild_id, "token": token, "endpoint": endpoint}


@given(st.permutations([state(), server(), state(user_id="8"), state("6", "8"), state("6", guild_id="2"),
                        server("other", guild_id="2")]))  # fmt: skip
def test_state_and_server_come_in_any_order_among_others(arrivals: list[tuple[str, dict[str, Any]]]) -> None:
    question = join()
    for name, data in arrivals:
        question.take(name, data, 0)
    connection = question.answer()
    assert (connection.guild_id, connection.channel_id, connection.user_id) == ("1", "5", BOT)
    assert (connection.session_id, connection.token, connection.endpoint) == ("s", "secret", "host:443")
    assert "secret" not in repr(connection)


def test_integers_are_ids_too() -> None:
    question = join()
    question.take(*state(5, 77, 1), 0)
    question.take(*server(guild_id=1), 0)
    assert question.is_answered


def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    question = join()
    assert "may it view it and connect to it" in question.missing()
    question.take(*state(), 0)
    question.take(*server(None), 0)
    assert question.wake_at is None
    assert "no voice server for it yet" in question.missing()
    assert not question.is_answered
    question.take(*server("late:443"), 0)
    assert question.answer().endpoint == "late:443"


def test_a_bot_that_stays_where_it_is_keeps_its_server() -> None:
    question = join(Known("5", ("secret", "host:443")))
    assert not question.is_answered
    question.take(*state(), 0)
    assert question.answer().token == "secret"


def test_a_bot_that_moves_waits_for_a_new_server_and_keeps_the_old_when_there_is_none() -> None:
    question = join(Known("6", ("secret", "host:443")))
    question.take(*state(), 100)
    assert question.wake_at == 100 + GRACE
    assert not question.is_answered
    question.take(*server("new:443"), 101)
    assert question.wake_at is None
    assert question.answer().endpoint == "new:443"

    question = join(Known("6", ("secret", "host:443")))
    question.take(*state(), 100)
    assert question.wake(100 + GRACE) == []
    assert question.answer().endpoint == "host:443"


@pytest.mark.parametrize("known", [None, Known(None, None), Known(None, ("old", "old:443")), Known("5", None)])
def test_a_server_that_nobody_knows_is_not_made_up(known: Known | None) -> None:
    question = join(known)
    question.take(*state(), 0)
    question.wake(GRACE)
    assert not question.is_answered
    assert "call leave_voice() first" in question.missing()


def test_late_answers_of_an_earlier_call_are_not_taken_for_the_answer() -> None:
    question = join()
    question.take(*state("6"), 0)
    question.take(*server("of-6:443"), 0)
    question.take(*state("5"), 0)
    assert not question.is_answered
    question.take(*server("of-5:443"), 0)
    assert question.answer().endpoint == "of-5:443"


def test_a_bot_that_is_thrown_out_meanwhile_is_not_there() -> None:
    question = join()
    question.take(*state(), 0)
    assert question.resume() == []
    question.take(*state(None), 0)
    question.take(*server(), 0)
    assert not question.is_answered
    assert question.resume() == [{"guild_id": "1", "channel_id": "5"}]


def test_a_new_session_begins_from_nothing() -> None:
    known: list[Known | None] = [Known("5", ("old", "old:443"))]
    question = JoinVoice({"guild_id": "1", "channel_id": "5"}, is_own, lambda: known[0])
    question.begin()
    question.take(*server(), 0)
    known[0] = None
    assert question.begin()
    question.take(*state(), 0)
    assert not question.is_answered


def test_leaving_is_confirmed() -> None:
    request = {"guild_id": "1", "channel_id": None}
    question = LeaveVoice(request, is_own, lambda: None)
    assert question.begin() == question.resume() == [request]
    for other in (state(None, "8"), state(None, guild_id="2"), state("5")):
        question.take(*other, 0)
        assert not question.is_answered
    assert "perhaps it was in no voice channel" in question.missing()
    question.take(*state(None), 0)
    assert question.is_answered
    assert question.answer() is None
    again = LeaveVoice(request, is_own, lambda: Known(None, None))
    again.begin()
    assert again.is_answered, "it is known that there is nothing to leave"
    lost = LeaveVoice(request, is_own, lambda: Known("5", None))
    lost.begin()
    assert not lost.is_answered
    lost.begin()
    assert lost.is_answered, "with the session the voice is over too"


def test_the_memory_knows_what_it_was_shown() -> None:
    memory = VoiceMemory(is_own)

    def show(name: str, data: Any) -> None:
        memory.show(Event(name, data, 1, 0))

    assert memory.known("1") is None
    show(*server())
    assert memory.known("1") is None
    show(*state(5, 77, 1))
    show(*state("6", "8"))
    assert memory.known("1") == Known("5", ("secret", "host:443"))
    show(*server(None))
    assert memory.known("1") == Known("5", None)
    show(*server())
    show(*state(None))
    assert memory.known("1") == Known(None, None)
    show(*state())
    show("VOICE_STATE_UPDATE", None)
    show("READY", {})
    assert memory.known("1") is None
    show(*state())
    memory.end(None)
    assert memory.known("1") is None


# -- whatever else a server may say ------------------------------------------------------------------------------------

NUMBERS = st.sampled_from([0, 1, 5, 77, -1, True, 1 << 64, 1 << 2000, 0.5, 1e308, math.inf, -math.inf, math.nan])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["1", "5", "77", "n0", "s", "status", "", "\ud800"])
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "user", "status"]), inner),
    max_leaves=4,
)
RIGHT: dict[str, Any] = {
    "guild_id": "1",
    "nonce": "n0",
    "chunk_index": 0,
    "chunk_count": 1,
    "members": [{"user": {"id": "8"}}],
    "not_found": ["9"],
    "presences": [{"status": "idle"}],
    "opcode": 8,
    "retry_after": 1.5,
    "meta": {"guild_id": "1", "nonce": "n0"},
    "soundboard_sounds": [{"name": "quack"}],
    "channels": [{"id": "5", "status": "x"}],
    "channel_id": "5",
    "user_id": "77",
    "session_id": "s",
    "token": "t",
    "endpoint": "host:443",
}
#: an event that is right but for some of its fields
EVENTS = st.tuples(
    st.sampled_from([CHUNK, LIMITED, STATE, SERVER, "SOUNDBOARD_SOUNDS", "CHANNEL_INFO"]),
    st.builds(
        lambda wrong, gone: {name: value for name, value in {**RIGHT, **wrong}.items() if name not in gone},
        st.dictionaries(st.sampled_from(sorted(RIGHT)), ODD, max_size=3),
        st.sets(st.sampled_from(sorted(RIGHT)), max_size=2),
    ),
)


def is_id(value: object) -> bool:
    return isinstance(value, str)


def check_members(answer: Any) -> None:
    assert all(isinstance(one, dict) for one in [*answer, *answer.presences])
    assert all(map(is_id, answer.not_found))


def check_objects(answer: Any) -> None:
    assert all(isinstance(one, dict) for one in answer)


def check_voice(connection: Any) -> None:
    assert all(map(is_id, (connection.channel_id, connection.user_id, connection.session_id, connection.token)))
    assert (connection.channel_id, connection.user_id) == ("5", BOT)


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (members, check_members),
        (lambda: SoundboardSounds({"guild_ids": ["1"]}), lambda answer: check_objects(answer["1"])),
        (lambda: ChannelInfo({"guild_id": "1", "fields": ["status"]}), check_objects),
        (lambda: JoinVoice({"guild_id": "1", "channel_id": "5"}, is_own, lambda: None), check_voice),
        (lambda: LeaveVoice({"guild_id": "1", "channel_id": None}, is_own, lambda: None), lambda answer: None),
    ],
)
@given(arrivals=st.lists(EVENTS, max_size=6))
def test_whatever_comes_is_an_answer_or_none(make: Any, check: Any, arrivals: list[tuple[str, Any]]) -> None:
    question = make()
    question.begin()
    now = 0.0
    for name, data in arrivals:
        if name in question.events:
            question.take(name, data, now)
        now += 0.5
        error = question.in_vain(now, now + 10)
        assert error is None or isinstance(error, RateLimited)
        if question.wake_at is not None:
            assert now - 1 <= question.wake_at < 1e10, "a time to wait for"
            assert isinstance(question.wake(question.wake_at), list)
        assert isinstance(question.missing(), str)
        assert isinstance(question.resume(), list)
        if question.is_answered:
            check(question.answer())


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_number_too_long_for_python_to_write_is_passed_over(name: str) -> None:
    data = {**RIGHT, name: 10**5000}  # ETF has such numbers
    memory = VoiceMemory(is_own)
    for event in (STATE, SERVER):
        memory.show(Event(event, data, 1, 0))
    for question in (members(), SoundboardSounds({"guild_ids": ["1"]}), join(), *leaving(None)):
        question.begin()
        for event in question.events:
            question.take(event, data, 0)


@given(arrivals=st.lists(st.tuples(st.sampled_from([STATE, SERVER, "READY"]), ODD | EVENTS.map(lambda one: one[1]))))
def test_the_memory_takes_whatever_comes(arrivals: list[tuple[str, Any]]) -> None:
    memory = VoiceMemory(is_own)
    for name, data in arrivals:
        memory.show(Event(name, data, 1, 0))
        known = memory.known("1")
        assert known is None or known.channel_id is None or is_id(known.channel_id)
        assert known is None or known.server is None or all(map(is_id, known.server))


def test_what_is_malformed_beside_the_members_is_left_out() -> None:
    question = members()
    question.begin()
    fields = {"members": [None, 5, {"user": {"id": "8"}}], "not_found": 5, "presences": 5}
    question.take(CHUNK, chunk(0, 2, **fields), 0)
    question.take(CHUNK, chunk(1, 2, members=[], not_found=[None, {}, 7, "8", True], presences=[[], {"a": 1}]), 0)
    answer = question.answer()
    assert (list(answer), answer.not_found, answer.presences) == ([{"user": {"id": "8"}}], ["7", "8"], [{"a": 1}])


def test_what_is_malformed_among_sounds_and_channels_is_left_out() -> None:
    sounds = SoundboardSounds({"guild_ids": ["1"]})
    sounds.take("SOUNDBOARD_SOUNDS", {"guild_id": "1", "soundboard_sounds": [None, {"name": "quack"}, 5]}, 0)
    assert sounds.answer() == {"1": [{"name": "quack"}]}
    channels = ChannelInfo({"guild_id": "1", "fields": ["status"]})
    channels.take("CHANNEL_INFO", {"guild_id": "1", "channels": [None, {"id": "5", "status": "x"}, "status"]}, 0)
    assert channels.answer() == [{"id": "5", "status": "x"}]


@pytest.mark.parametrize("session_id", [None, 5, ["s"]])
def test_a_voice_state_without_a_session_is_no_answer(session_id: Any) -> None:
    question = join()
    question.take(STATE, {**state()[1], "session_id": session_id}, 0)
    question.take(*server(), 0)
    assert not question.is_answered


def test_a_voice_state_without_a_channel_is_not_a_leave() -> None:
    question = LeaveVoice({"guild_id": "1", "channel_id": None}, is_own, lambda: None)
    question.begin()
    question.take(STATE, {"guild_id": "1", "user_id": BOT, "session_id": "s"}, 0)
    assert not question.is_answered
