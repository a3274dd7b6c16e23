"""The arguments of requests, and what the requester makes of a voice state. No socket."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from vox_gateway import Intents, NotConnected, PayloadTooLarge
from vox_gateway.dispatch.subscriptions import Subscribers
from vox_gateway.log import ShardLog
from vox_gateway.requests.requester import Requester
from vox_gateway.requests.voice import KnownVoice
from vox_gateway.session.state import Session
from vox_gateway.shard.sender import CommandSender

OTHER_SHARD = 1 << 22


class StubOptions:
    """What requests use of a client's options."""

    def __init__(self, intents: Intents) -> None:
        self.shard = (0, 2)
        self.intents = intents

    def encode(self, op: int, data: Any) -> bytes:
        encoded = repr(data).encode()
        if len(encoded) > 4096:
            raise PayloadTooLarge(str(op), len(encoded), 4096)
        return encoded


class Requests:
    """A requester of a client that is not connected."""

    def __init__(self, intents: Intents = Intents.all()) -> None:  # noqa: B008 # immutable
        self.session = Session("s", 1, None, "77")
        self.subscribers = Subscribers(0)
        self.requester = Requester(
            options=cast(Any, StubOptions(intents)),
            subscribers=self.subscribers,
            sender=CommandSender(),
            session=lambda: self.session,
            check_waiting=self._check,
            error=lambda: None,
            log=ShardLog((0, 2)),
        )

    def _check(self, description: str) -> None:
        raise NotConnected(f"{description} cannot come")

    def show_state(self, **fields: Any) -> KnownVoice | None:
        """Show a voice state; returns what is known of the guild then."""
        state = {"guild_id": "1", "channel_id": "5", "user_id": "77", "session_id": "s", **fields}
        self.subscribers.publish({"op": 0, "t": "VOICE_STATE_UPDATE", "s": 1, "d": state})
        return self.requester._voice.known("1")


@pytest.mark.parametrize(
    ("call", "description"),
    [
        (
            lambda requester: requester.guild_members(1, query=None, limit=0, user_ids=None, presences=None, timeout=1),
            "the members of guild 1",
        ),
        (lambda requester: requester.join_voice(1, 5, False, False, 1), "the voice connection of channel 5"),
        (lambda requester: requester.leave_voice("1", 1), "the bot's leave from voice in guild 1"),
        (lambda requester: requester.soundboard_sounds(iter(["1", 2]), 1), "the soundboard sounds of 2 guilds"),
        (lambda requester: requester.channel_info(1, ["status"], 1), "the channel info of guild 1"),
    ],
)
def test_a_request_that_cannot_be_answered_names_what_was_wanted(
    call: Callable[[Requester], object], description: str
) -> None:
    requests = Requests()
    with pytest.raises(NotConnected, match=f"^{description} cannot come$"):
        call(requests.requester)
    assert set(requests.subscribers.table) <= {"RATE_LIMITED", "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "READY"}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "call",
    [
        lambda requester: requester.guild_members(
            OTHER_SHARD, query=None, limit=0, user_ids=None, presences=None, timeout=1
        ),
        lambda requester: requester.join_voice(OTHER_SHARD, 5, False, False, 1),
        lambda requester: requester.leave_voice(OTHER_SHARD, 1),
        lambda requester: requester.soundboard_sounds([1, OTHER_SHARD], 1),
        lambda requester: requester.channel_info(OTHER_SHARD, ["status"], 1),
    ],
)
def test_a_guild_of_another_shard_is_refused(call: Callable[[Requester], object]) -> None:
    with pytest.raises(
        ValueError, match=r"^guild_ids? must be of this client's shard, 0 of 2, and 4194304 is of shard 1"
    ):
        call(Requests().requester)


def test_missing_intents_are_reported() -> None:
    requester = Requests(intents=Intents.GUILDS).requester
    with pytest.raises(ValueError, match=r"^intents: .*GUILD_MEMBERS"):
        requester.guild_members(1, query=None, limit=0, user_ids=None, presences=None, timeout=1)
    for move in (lambda: requester.join_voice(1, 5, False, False, 1), lambda: requester.leave_voice(1, 1)):
        with pytest.raises(ValueError, match=r"^intents: without Intents\.GUILD_VOICE_STATES"):
            move()


def test_presences_without_their_intent_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="vox_gateway")
    with pytest.raises(NotConnected):
        Requests(intents=Intents.GUILDS).requester.guild_members(
            1, query="a", limit=1, user_ids=None, presences=True, timeout=1
        )
    assert "GUILD_PRESENCES" in caplog.text


def test_a_command_that_is_too_large_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(PayloadTooLarge):
        Requests().requester.guild_members(1, query="x" * 5000, limit=1, user_ids=None, presences=None, timeout=1)


# -- the voice cache ---------------------------------------------------------------------------------------------------


@pytest.fixture
def voice() -> Requests:
    requests = Requests()
    for _ in range(2):
        with pytest.raises(NotConnected):
            requests.requester.leave_voice(1, 1)
    return requests


def test_voice_states_are_cached_from_the_first_move_on(voice: Requests) -> None:
    assert Requests().show_state() is None
    assert voice.show_state() == KnownVoice("5", None)


def test_the_bots_own_voice_state_has_its_user_id(voice: Requests) -> None:
    assert voice.show_state(user_id="8") is None
    assert voice.show_state(user_id=77, session_id="other") == KnownVoice("5", None)


def test_without_a_user_id_the_bots_own_voice_state_has_the_published_sessions_id(voice: Requests) -> None:
    voice.session = Session()
    assert voice.show_state(session_id=None) is None
    voice.session = Session("new", 1)
    assert voice.show_state() is None
    assert voice.show_state(session_id="new") == KnownVoice("5", None)
