"""The three forms of coordination, each as a test of one machine would meet it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from coordination_support import GATE, TIMES, Open

from vox_gateway.coordination import Coordination, GateSettings, LeaseTimes, open_coordination

BOT = itertools.count(1)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(form: str, request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The URL of a coordination; None for the form in memory."""
    if form == "redis":
        return str(request.getfixturevalue("redis_url"))
    return f"sqlite:///{tmp_path}/bot.db" if form == "sqlite" else None


@pytest.fixture
def bot() -> str:
    """The id of a bot that no other test has."""
    return str(next(BOT))


@pytest.fixture
def opened(url: str | None, bot: str) -> Iterator[Open]:
    """Opens a coordination for one bot, as a process would: each call opens another, except in memory."""
    found: list[Coordination] = []

    def call(times: LeaseTimes = TIMES, gate: GateSettings = GATE) -> Coordination:
        if url is None and found:
            return found[0]
        found.append(open_coordination(url, bot=bot, times=times, gate=gate))
        return found[-1]

    yield call
    for coordination in found:
        coordination.close()
