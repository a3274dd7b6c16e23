"""The voice cache: what it keeps of events, and when it is emptied. No socket, no thread."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_samples import EVENTS, FIELDS, ODD, SERVER, STATE, is_own, server, state

from vox_gateway.event import Event
from vox_gateway.requests.voice import KnownVoice
from vox_gateway.requests.voice_cache import VoiceCache


@pytest.fixture
def cache() -> VoiceCache:
    return VoiceCache(is_own)


def show(cache: VoiceCache, name: str, data: Any) -> None:
    cache.receive(Event(name, data, 1, 0))


def test_a_guild_is_unknown_until_a_voice_state_of_the_bot(cache: VoiceCache) -> None:
    assert cache.known("1") is None
    show(cache, *server())
    show(cache, *state("6", "8"))
    assert cache.known("1") is None
    show(cache, *state(5, 77, 1))
    assert cache.known("1") == KnownVoice("5", ("secret", "host:443"))


def test_the_last_server_is_kept(cache: VoiceCache) -> None:
    show(cache, *state())
    show(cache, *server())
    show(cache, *server(None))
    assert cache.known("1") == KnownVoice("5", None)


def test_the_server_is_forgotten_when_the_bot_leaves(cache: VoiceCache) -> None:
    show(cache, *state())
    show(cache, *server())
    show(cache, *state(None))
    assert cache.known("1") == KnownVoice(None, None)


def test_a_new_session_and_the_end_of_the_client_empty_it(cache: VoiceCache) -> None:
    show(cache, *state())
    show(cache, "VOICE_STATE_UPDATE", None)
    show(cache, "READY", {})
    assert cache.known("1") is None
    show(cache, *state())
    cache.end(None)
    assert cache.known("1") is None


def test_an_event_that_is_shown_twice_changes_nothing(cache: VoiceCache) -> None:
    for name, data in (state(), server(), state("6"), server("new:443")):
        show(cache, name, data)
        known = cache.known("1")
        show(cache, name, data)
        assert cache.known("1") == known


@given(arrivals=st.lists(st.tuples(st.sampled_from([STATE, SERVER, "READY"]), ODD | EVENTS.map(lambda one: one[1]))))
def test_malformed_events_leave_ids_and_servers_well_formed(arrivals: list[tuple[str, Any]]) -> None:
    cache = VoiceCache(is_own)
    for name, data in arrivals:
        show(cache, name, data)
        known = cache.known("1")
        assert known is None or known.channel_id is None or isinstance(known.channel_id, str)
        assert known is None or known.server is None or all(isinstance(part, str) for part in known.server)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_number_too_long_to_print_is_ignored(cache: VoiceCache, name: str) -> None:
    for event in (STATE, SERVER):
        show(cache, event, {**FIELDS, name: 10**5000})  # ETF has such numbers
