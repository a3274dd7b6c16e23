"""Its handlers are given to a client of the local gateway, which takes the place of the bot's own."""

import own_client
import pytest


@pytest.fixture
def client(make_gateway_client, monkeypatch):
    client = make_gateway_client(handlers_from=own_client.client)
    monkeypatch.setattr(own_client, "client", client)
    return client


def test_it_says_where_it_is(client, local_gateway):
    with client:
        (activity,) = local_gateway.expect("PRESENCE_UPDATE").data["activities"]
    assert activity["name"] == local_gateway.guilds[0]["name"]
