"""The requests for sounds and for channel info. No socket, no thread, no clock."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.requests.guild_details import ChannelInfo, SoundboardSounds


@given(st.permutations([1, "2", 3, "4", 2]))
def test_sounds_arrive_for_each_guild_in_any_order(order: list[Any]) -> None:
    request = SoundboardSounds({"guild_ids": ["1", "2", "3"]})
    assert request.start() == [{"guild_ids": ["1", "2", "3"]}]
    for guild_id in order:
        request.on_event("SOUNDBOARD_SOUNDS", {"guild_id": guild_id, "soundboard_sounds": [{"of": str(guild_id)}]}, 0)
    assert request.is_answered
    assert request.answer() == {guild_id: [{"of": guild_id}] for guild_id in ("1", "2", "3")}


def test_missing_sounds_are_reported_and_requested_again() -> None:
    request = SoundboardSounds({"guild_ids": [str(number) for number in range(250)]})
    assert [len(command["guild_ids"]) for command in request.start()] == [100, 100, 50]
    for number in range(245):
        request.on_event("SOUNDBOARD_SOUNDS", {"guild_id": str(number), "soundboard_sounds": []}, 0)
    request.on_event("SOUNDBOARD_SOUNDS", {"guild_id": "245"}, 0)
    assert not request.is_answered
    assert request.progress() == "245 of 250 guilds answered; is the bot in 245, 246, 247, ...?"
    assert request.resume() == [{"guild_ids": ["245", "246", "247", "248", "249"]}]
    assert request.description == "the soundboard sounds of 250 guilds"


def test_malformed_sounds_are_left_out_of_the_answer() -> None:
    request = SoundboardSounds({"guild_ids": ["1"]})
    request.on_event("SOUNDBOARD_SOUNDS", {"guild_id": "1", "soundboard_sounds": [None, {"name": "quack"}, 5]}, 0)
    assert request.answer() == {"1": [{"name": "quack"}]}


def test_channel_info_of_other_requests_is_ignored() -> None:
    request = ChannelInfo({"guild_id": "1", "fields": ["status"]})
    for other in (
        {"guild_id": "2", "channels": []},
        {"guild_id": "1"},
        {"guild_id": "1", "channels": [{"id": "5", "voice_start_time": 7}]},
    ):
        request.on_event("CHANNEL_INFO", other, 0)
        assert not request.is_answered
    assert request.progress() == "no CHANNEL_INFO had come; is the bot in guild 1?"
    request.on_event("CHANNEL_INFO", {"guild_id": 1, "channels": [{"id": "5", "status": None}]}, 0)
    assert request.answer() == [{"id": "5", "status": None}]


def test_a_field_that_is_not_documented_yet_is_passed_on() -> None:
    request = ChannelInfo({"guild_id": "1", "fields": ["of_tomorrow"]})
    assert request.start() == [{"guild_id": "1", "fields": ["of_tomorrow"]}]
    request.on_event("CHANNEL_INFO", {"guild_id": "1", "channels": [{"id": "5", "status": "x"}]}, 0)
    assert not request.is_answered
    request.on_event("CHANNEL_INFO", {"guild_id": "1", "channels": [{"id": "5", "of_tomorrow": 7}]}, 0)
    assert request.answer() == [{"id": "5", "of_tomorrow": 7}]


def test_channel_info_may_be_empty() -> None:
    request = ChannelInfo({"guild_id": "1", "fields": ["status"]})
    request.on_event("CHANNEL_INFO", {"guild_id": "1", "channels": []}, 0)
    assert request.answer() == []


def test_malformed_channels_are_left_out_of_the_answer() -> None:
    request = ChannelInfo({"guild_id": "1", "fields": ["status"]})
    request.on_event("CHANNEL_INFO", {"guild_id": "1", "channels": [None, {"id": "5", "status": "x"}, "status"]}, 0)
    assert request.answer() == [{"id": "5", "status": "x"}]
