"""Channels that the bot cannot view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from foreign_client import OpenClient

from vox_gateway.testing import LocalGateway, channel, guild

GUILD_ID = str(1 << 22)
OPTED_IN = 1 << 15
CATEGORY = {"id": "10", "type": 4, "position": 1, "parent_id": None}
SECRET = {"id": "11", "type": 0, "position": 2, "parent_id": "10"}


def hidden(channel: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of a channel."""
    deny = {"id": GUILD_ID, "type": 0, "allow": "0", "deny": "1024"}
    return {**channel, "name": "___hidden___", "flags": 1 << 17, "permission_overwrites": [deny]}


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A guild with a hidden category and a hidden channel in it."""
    channels = [
        channel(10, "staff", 4, position=1, hidden=True),
        channel(11, "secret", topic="plans", position=2, parent_id="10", hidden=True),
        channel(12, "general"),
    ]
    with LocalGateway(guilds=[guild(GUILD_ID, channels=channels)], identify_interval=0) as gateway:
        yield gateway


def test_guild_create_obfuscates_hidden_channels(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.identify(capabilities=OPTED_IN)
    channels = client.recv_until("GUILD_CREATE")["d"]["channels"]
    assert channels[:2] == [hidden(CATEGORY), hidden(SECRET)]
    assert channels[2]["name"] == "general"


def test_a_client_that_did_not_opt_in_gets_every_channel_in_full(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.identify(capabilities=1)
    channels = client.recv_until("GUILD_CREATE")["d"]["channels"]
    assert [each["name"] for each in channels] == ["staff", "secret", "general"]
    assert not any("hidden" in each for each in channels)
    assert channels[1]["topic"] == "plans"


def test_access_brings_the_whole_channel_and_its_category(gateway: LocalGateway, open_client: OpenClient) -> None:
    client, other = open_client(gateway), open_client(gateway)
    client.login(capabilities=OPTED_IN)
    other.login()
    assert gateway.show_channel(11) == 2
    first, second = client.recv(), client.recv()
    assert [first["t"], second["t"]] == ["CHANNEL_UPDATE"] * 2
    assert (first["d"]["name"], first["d"]["topic"], first["d"]["guild_id"]) == ("secret", "plans", GUILD_ID)
    assert (second["d"]["name"], second["d"]["flags"]) == ("staff", 0)
    assert [other.recv()["d"] for _ in range(2)] == [first["d"], second["d"]]
    gateway.hide_channel("11")
    assert client.recv()["d"] == hidden({**SECRET, "guild_id": GUILD_ID})
    assert client.recv()["d"] == hidden({**CATEGORY, "guild_id": GUILD_ID})
    assert [other.recv()["d"] for _ in range(2)] == [first["d"], second["d"]]
    gateway.hide_channel(12)
    assert client.recv()["d"]["id"] == "12"
    with pytest.raises(ValueError, match="channel_id='99'"):
        gateway.hide_channel(99)


def test_events_about_a_hidden_channel_are_obfuscated(gateway: LocalGateway, open_client: OpenClient) -> None:
    client, other = open_client(gateway), open_client(gateway)
    client.login(capabilities=OPTED_IN)
    other.login()
    update = {"guild_id": GUILD_ID, **channel(11, "renamed", position=2, parent_id="10")}
    assert gateway.dispatch("CHANNEL_UPDATE", update) == 2
    assert client.recv()["d"] == hidden({**SECRET, "guild_id": GUILD_ID})
    assert other.recv()["d"] == update
    new = {"guild_id": GUILD_ID, **channel(13, "new", hidden=True)}
    gateway.dispatch("CHANNEL_CREATE", new)
    assert client.recv()["d"]["flags"] == 1 << 17
    del new["hidden"]
    assert other.recv()["d"] == new
    gateway.dispatch("CHANNEL_UPDATE", {"guild_id": GUILD_ID, **channel(12, "general")})
    assert client.recv()["d"] == other.recv()["d"]


@pytest.mark.parametrize("capabilities", [-1, "1", None, True, 1.5])
def test_invalid_capabilities_are_refused(gateway: LocalGateway, open_client: OpenClient, capabilities: object) -> None:
    client = open_client(gateway)
    client.identify(capabilities=capabilities)
    code, reason = client.closed()
    assert code == 4002
    assert "capabilities" in reason
