"""The data of events that the local gateway makes."""

from __future__ import annotations

from typing import Any

import pytest
from foreign_client import OpenClient

from vox_gateway.testing import LocalGateway, guild, message, slash_command, user


def test_a_message_has_defaults_and_arrives(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    where = gateway.guilds[0]
    first, second = (message(where, text) for text in ("hello", "again"))
    assert first["id"] != second["id"]
    assert (first["guild_id"], first["channel_id"]) == (where["id"], where["channels"][0]["id"])
    assert first["author"]["username"] == "ada"
    assert "user" not in first["member"]
    assert (first["flags"], first["components"]) == (0, [])  # optional in the documentation, but hikari needs them
    assert gateway.dispatch("MESSAGE_CREATE", first) == 1


def test_a_message_has_the_author_channel_and_fields_that_are_given() -> None:
    where = LocalGateway().guilds[0]
    voice = where["channels"][1]
    made = message(where, "hi", author=user(7, "zoe"), channel=voice, tts=True, pinned=True)
    assert made["author"]["username"] == "zoe"
    assert made["member"]["joined_at"]
    assert (made["channel_id"], made["tts"], made["pinned"]) == (voice["id"], True, True)


def test_a_slash_command_has_typed_options() -> None:
    where = LocalGateway().guilds[1]
    options: dict[str, Any] = {"sides": 6, "weight": 0.5, "secret": True, "why": "luck"}
    made = slash_command(where, "roll", options, token="a-token")
    assert (made["type"], made["data"]["name"], made["token"]) == (2, "roll", "a-token")
    assert [option["type"] for option in made["data"]["options"]] == [4, 10, 5, 3]
    assert made["member"]["nick"] == "Countess"
    assert made["channel"]["name"] == "reading"
    assert slash_command(where, "roll")["token"] != slash_command(where, "roll")["token"]


@pytest.mark.parametrize("make", [message, slash_command])
def test_a_guild_without_members_or_channels_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="guild 1 has no members but bots"):
        make(guild(1), "hello")
    with pytest.raises(ValueError, match="guild 1 has no text channel"):
        make(guild(1), "hello", **{"author" if make is message else "user": user(7, "zoe")})
