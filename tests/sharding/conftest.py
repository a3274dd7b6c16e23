"""Fixtures for managers over real sockets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from manager_helpers import MakeManager, guild_id

from vox_gateway import IdentifyGate, Intents, ShardManager
from vox_gateway.testing import LocalGateway, guild

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway with a guild on each of 4 shards."""
    guilds = [guild(guild_id(shard), soundboard_sounds=[{"sound_id": str(shard)}]) for shard in range(4)]
    with LocalGateway(identify_interval=0, guilds=guilds) as gateway:
        yield gateway


@pytest.fixture
def make_manager() -> Iterator[MakeManager]:
    """Makes managers that may IDENTIFY at any time; closes them all at the end."""
    with contextlib.ExitStack() as stack:

        def make(gateway: LocalGateway, **options: Any) -> ShardManager:
            defaults = {
                "url": gateway.url,
                "api_url": gateway.http_url,
                "token": TOKEN,
                "shards": 4,
                "intents": Intents.all(),
                "identify_gate": IdentifyGate(interval=0),
            }
            manager = ShardManager(**{**defaults, **options})
            stack.callback(manager.close)
            return manager

        yield make


@pytest.fixture
def little_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens random delays: the first resume comes after 10 ms, the first heartbeat after 1 % of the interval."""
    monkeypatch.setattr("random.random", lambda: 0.01)
