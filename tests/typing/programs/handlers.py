"""Handlers, checks and their events."""

from typing import Any

from vox_gateway import Client, events
from vox_gateway.payloads import Close, GuildCreate, MessageCreate, MessageUpdate, Ready

client = Client(token="...")


# -- good --------------------------------------------------------------------------------------------------------------


@client.on(events.MESSAGE_CREATE)
def greet(message: MessageCreate) -> None:
    reveal_type(message["content"])  # reveals: str
    reveal_type(message["author"]["global_name"])  # reveals: str | None
    reveal_type(message.get("guild_id"))  # reveals: str | None


reveal_type(greet)  # reveals: (MessageCreate) -> None


@client.once(events.READY)
def ready(data: Ready) -> int:
    return len(data["guilds"])


@client.on(events.OPEN)
def opened() -> None: ...


@client.on(events.CLOSE)
def closed(close: Close) -> None:
    reveal_type(close["code"])  # reveals: int | None


@client.on(events.ERROR)
def failed(error: BaseException, event: str) -> None: ...


@client.on(events.MESSAGE_CREATE, check=lambda message: message["content"] == "!ping")
def ping(message: MessageCreate) -> None: ...


@client.on(events.MESSAGE_CREATE)
@client.on(events.MESSAGE_UPDATE)
def both(message: MessageCreate | MessageUpdate) -> None: ...


def anything(data: object) -> None: ...


client.on(events.MESSAGE_CREATE, anything)
client.on(events.GUILD_CREATE, anything)
client.on(events.GUILD_CREATE, lambda guild: print(guild["name"]))
client.once(events.GUILD_CREATE, anything, check=lambda guild: guild["large"])
client.once(events.ERROR, failed, check=lambda error, event: event == events.READY)
client.remove_listener(events.MESSAGE_CREATE, greet)


# Plain text goes with any handler.


@client.on("MESSAGE_CREATE", check=lambda message: message["content"])
def plain(message: dict[str, Any]) -> None: ...


reveal_type(plain)  # reveals: (message: dict[str, Any]) -> None
for name in ("MESSAGE_CREATE", "MY_OWN_EVENT"):
    client.on(name, plain)
    client.once(name, anything)
    client.remove_listener(name, plain)


# -- bad ---------------------------------------------------------------------------------------------------------------


@client.on(events.MESSAGE_CREATE)  # error: arg-type | reportArgumentType
def takes_a_guild(guild: GuildCreate) -> None: ...


@client.once(events.MESSAGE_CREATE)  # error: arg-type | reportArgumentType
def takes_two(message: MessageCreate, more: str) -> None: ...


@client.on(events.OPEN)  # error: arg-type | reportArgumentType
def takes_one(data: object) -> None: ...


@client.on(events.MESSAGE_CREATE, check=lambda message: message["contents"])  # error: typeddict-item | reportGeneralTypeIssues
def misspelled_check(message: MessageCreate) -> None:
    print(message["autor"])  # error: typeddict-item | reportGeneralTypeIssues
    print(message["guild_id"])  # error: | reportTypedDictNotRequiredAccess
    print(message["edited_timestamp"].upper())  # error: union-attr | reportOptionalMemberAccess


client.on(events.GUILD_CREATE, greet)  # error: arg-type | reportArgumentType reportCallIssue
client.once(events.GUILD_CREATE, greet)  # error: arg-type | reportArgumentType reportCallIssue
client.on(events.GUILD_CREATE, lambda guild: guild["nam"])  # error: typeddict-item | reportGeneralTypeIssues
client.on(events.GUILD_CREATE, anything, check=greet)  # error: arg-type | reportArgumentType reportCallIssue
client.remove_listener(events.GUILD_CREATE, greet)  # error: arg-type | reportArgumentType reportCallIssue
client.on(events.MESAGE_CREATE, anything)  # error: attr-defined | reportAttributeAccessIssue
client.on(5, anything)  # error: call-overload | reportArgumentType reportCallIssue
