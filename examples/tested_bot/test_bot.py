"""The bot's tests: over real sockets, with no token, no network and no mocks."""

import queue

import bot
import pytest

from vox_gateway.testing import message, user

pytestmark = pytest.mark.gateway_client(intents=bot.INTENTS)


@pytest.fixture
def replies(gateway_client, local_gateway):
    """The bot is connected; gives what it replies."""
    replies = queue.SimpleQueue()
    bot.add_handlers(gateway_client, lambda channel_id, content: replies.put(content))
    with gateway_client:
        local_gateway.wait_connected()
        yield replies


def say(gateway, content, **author):
    gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], content, author=user(3, "zoe", **author)))


def test_it_answers(local_gateway, replies):
    say(local_gateway, "!ping")
    assert replies.get(timeout=5) == "pong"


def test_it_changes_its_status(local_gateway, replies):
    say(local_gateway, "!status idle")
    assert local_gateway.expect("PRESENCE_UPDATE").data["status"] == "idle"


def test_it_rejects_an_unknown_status(local_gateway, replies):
    say(local_gateway, "!status rude")
    assert "rude" in replies.get(timeout=5)


def test_it_does_not_listen_to_bots(local_gateway, replies):
    say(local_gateway, "!ping", bot=True)
    say(local_gateway, "!status rude")
    assert replies.get(timeout=5) != "pong"


def test_it_misses_nothing_when_the_connection_breaks(local_gateway, replies):
    local_gateway.drop("reset")
    say(local_gateway, "!ping")  # nobody is connected
    assert replies.get(timeout=10) == "pong"
    local_gateway.expect("RESUME")
