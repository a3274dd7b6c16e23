"""The bot's tests: the local gateway stands in for Discord's HTTP API too."""

import threading

import bot
import pytest

from vox_gateway.testing import slash_command

pytestmark = pytest.mark.gateway_client(intents=bot.INTENTS)

REGISTER = "/applications/{application.id}/commands"
RESPOND = "/interactions/{interaction.id}/{interaction.token}/callback"
EDIT = "/webhooks/{application.id}/{interaction.token}/messages/@original"
SEND = "/channels/{channel.id}/messages"


@pytest.fixture
def api(local_gateway):
    return bot.Api("a-token", local_gateway.api_url)


@pytest.fixture
def discord(gateway_client, local_gateway, api):
    """The bot is connected and has registered its commands; gives the gateway."""
    local_gateway.http.expect("PUT", REGISTER, json=[])
    bot.add_handlers(gateway_client, api)
    with gateway_client:
        local_gateway.http.wait_for_request("PUT", REGISTER)
        yield local_gateway


def use(gateway, name, **options):
    gateway.dispatch("INTERACTION_CREATE", slash_command(gateway.guilds[0], name, options))


def test_it_registers_its_commands(discord):
    (request,) = discord.http.requests
    assert [command["name"] for command in request.json] == ["roll", "report", "announce"]
    assert request.headers["authorization"] == "Bot a-token"


@pytest.mark.parametrize("sides", [2, 6])
def test_it_rolls_a_die(discord, sides):
    discord.http.expect("POST", RESPOND, status=204)
    use(discord, "roll", sides=sides)
    response = discord.http.wait_for_request("POST", RESPOND).json
    assert response["type"] == 4
    assert response["data"]["content"] in [f"You rolled {number}." for number in range(1, sides + 1)]


def test_a_report_is_deferred_and_holds_up_nothing(discord, monkeypatch):
    is_written = threading.Event()
    monkeypatch.setattr(bot, "write_report", lambda: is_written.wait(5) and "Done.")
    discord.http.expect("POST", RESPOND, status=204, times=2)
    discord.http.expect("PATCH", EDIT, json={})
    use(discord, "report")
    assert discord.http.wait_for_request("POST", RESPOND).json == {"type": 5}
    use(discord, "roll")
    assert discord.http.wait_for_request("POST", RESPOND).json["type"] == 4
    is_written.set()
    assert discord.http.wait_for_request("PATCH", EDIT).json == {"content": "Done."}


def test_it_announces(discord):
    discord.http.expect("POST", SEND, json={"id": "2"})
    discord.http.expect("POST", RESPOND, status=204)
    use(discord, "announce", text="Lunch!")
    assert discord.http.wait_for_request("POST", SEND).json == {"content": "Lunch!"}
    assert discord.http.wait_for_request("POST", RESPOND).json["data"]["flags"] == 64


def test_it_waits_for_a_rate_limit(discord):
    discord.http.limit_rate("POST", RESPOND, retry_after=0.2)
    discord.http.expect("POST", RESPOND, status=204)
    use(discord, "roll")
    # A request before the end of the limit would fail the test.
    assert [discord.http.wait_for_request("POST", RESPOND).status for _ in range(2)] == [429, 204]


def test_a_response_that_comes_too_late_does_not_end_it(api, local_gateway, make_gateway_client):
    local_gateway.http.expect("PUT", REGISTER, json=[])
    local_gateway.http.expect("POST", RESPOND, status=404, json={"message": "Unknown interaction", "code": 10062})
    local_gateway.http.expect("POST", RESPOND, status=204)
    client = make_gateway_client(intents=bot.INTENTS, fail_on_handler_error=False)
    bot.add_handlers(client, api)
    with client:
        local_gateway.http.wait_for_request("PUT", REGISTER)
        use(local_gateway, "roll")
        use(local_gateway, "roll")
        assert [local_gateway.http.wait_for_request("POST", RESPOND).status for _ in range(2)] == [404, 204]
