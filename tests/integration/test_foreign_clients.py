"""discord.py and hikari work with the local gateway.

Each connects with its default settings, receives events, loses the connection, resumes, and gets the missed events.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from client_helpers import TOKEN

from vox_gateway.testing import LocalGateway

# Warnings of these packages are not this project's.
pytestmark = pytest.mark.filterwarnings("default")

TIMEOUT = 20.0
STREAMS = {"zlib-stream", "zstd-stream"}  # both prefer zstd if available
GUILD_ID = "1200000000004194304"
CHANNEL_ID = "1200000000000000011"


def message(message_id: str, content: str) -> dict[str, Any]:
    """Return a message with all the fields that these clients parse."""
    return {
        "id": message_id,
        "type": 0,
        "channel_id": CHANNEL_ID,
        "guild_id": GUILD_ID,
        "author": {
            "id": "1100000000000000002",
            "username": "ada",
            "discriminator": "0",
            "global_name": "Ada",
            "avatar": None,
            "bot": False,
            "public_flags": 0,
        },
        "member": {
            "roles": [],
            "nick": None,
            "avatar": None,
            "joined_at": "2024-01-01T00:00:00+00:00",
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
        },
        "content": content,
        "timestamp": "2026-01-01T00:00:00+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "flags": 0,
        "nonce": None,
    }


class AsyncioThread:
    """Runs an asyncio client on a thread; re-raises its exception at the end."""

    def __init__(self, main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        self._main = main
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="foreign-client")

    def __enter__(self) -> AsyncioThread:
        self._thread.start()
        assert self._started.wait(TIMEOUT)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the client, wait for its end, and re-raise its exception."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive(), "the client did not stop"
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._started.set()
            await self._main(self._stop)

        try:
            asyncio.run(main())
        except BaseException as error:  # re-raised in the test's thread
            self._failure = error


async def until_stopped_or_failed(client: asyncio.Future[Any], stop: asyncio.Event) -> None:
    """Wait until the test stops the client; re-raise the exception of a client that ends before."""
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({client, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if client.done():
        client.result()


def receives_and_resumes(gateway: LocalGateway, contents: queue.Queue[str]) -> None:
    """Receive an event, lose the connection, resume, receive the missed and the next event."""
    gateway.wait_connected(timeout=TIMEOUT)
    gateway.dispatch("MESSAGE_CREATE", message("1", "first"))
    assert contents.get(timeout=TIMEOUT) == "first"
    (session,) = gateway.sessions

    assert gateway.drop("reset") == 1
    gateway.dispatch("MESSAGE_CREATE", message("2", "missed"))
    resume = gateway.expect("RESUME", timeout=TIMEOUT)
    assert resume.data["session_id"] == session.id
    assert resume.data["seq"] >= session.seq
    assert contents.get(timeout=TIMEOUT) == "missed"

    gateway.wait_connected(timeout=TIMEOUT)
    gateway.dispatch("MESSAGE_CREATE", message("3", "live again"))
    assert contents.get(timeout=TIMEOUT) == "live again"
    assert contents.empty()
    assert [entry.name for entry in gateway.received].count("IDENTIFY") == 1
    assert [record.status for record in gateway.connections] == [101, 101]


def test_discord_py_receives_events_and_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    discord = pytest.importorskip("discord", reason="discord.py is not installed")
    import yarl

    contents: queue.Queue[str] = queue.Queue()
    ready = threading.Event()
    with LocalGateway(token=TOKEN) as gateway:
        monkeypatch.setattr(discord.http.Route, "BASE", f"{gateway.http_url}/api/v10")
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(gateway.url))

        async def main(stop: asyncio.Event) -> None:
            intents = discord.Intents.all()
            intents.presences = False  # guilds then have no members, and discord.py requests them
            client = discord.Client(intents=intents)

            @client.event
            async def on_ready() -> None:
                ready.set()

            @client.event
            async def on_message(received: Any) -> None:
                contents.put(received.content)

            async with client:
                await until_stopped_or_failed(asyncio.ensure_future(client.start(TOKEN)), stop)

        with AsyncioThread(main):
            assert ready.wait(TIMEOUT)
            for guild in gateway.guilds:  # on_ready waits for the members of every guild
                assert int(gateway.expect("REQUEST_GUILD_MEMBERS").data["guild_id"]) == int(guild["id"])
            receives_and_resumes(gateway, contents)
        assert gateway.expect_close(by="client").clean
        assert {record.query["compress"] for record in gateway.connections} <= STREAMS


def test_hikari_receives_events_and_resumes() -> None:
    hikari = pytest.importorskip("hikari", reason="hikari is not installed")

    contents: queue.Queue[str] = queue.Queue()
    with LocalGateway(token=TOKEN) as gateway:

        async def main(stop: asyncio.Event) -> None:
            bot = hikari.GatewayBot(
                TOKEN,
                banner=None,
                logs=None,
                intents=hikari.Intents.ALL,
                rest_url=f"{gateway.http_url}/api/v10",
                suppress_optimization_warning=True,
            )

            @bot.listen(hikari.GuildMessageCreateEvent)
            async def on_message(event: hikari.GuildMessageCreateEvent) -> None:
                contents.put(event.content or "")

            await bot.start(check_for_updates=False)
            try:
                await until_stopped_or_failed(asyncio.ensure_future(bot.join()), stop)
            finally:
                await bot.close()

        with AsyncioThread(main):
            receives_and_resumes(gateway, contents)
        assert gateway.expect_close(by="client").code == 1001
        assert {record.query["compress"] for record in gateway.connections} <= STREAMS
        assert [request.path for request in gateway.http.requests] == ["/api/v10/gateway/bot"]
