"""The acts of the demo."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..._version import __version__
from ...client import Client
from ...intents import Intents
from ..shared.screen import Mark
from .gateway import GatewayProcess
from .messages import ClientEvent, Event, Message
from .runner import DemoTimeout, Runner
from .sample_events import EngineRoom

__all__ = ["NAP", "Outcome", "run_scenario"]

#: seconds between lines, and between acts
SHORT_PAUSE, PAUSE = 0.15, 0.5
#: readings before the disconnect, right after it, and individually after that
BEFORE, AFTER, LATER = 2, 5, 5
#: messages sent while a handler blocks, and the seconds that it blocks
QUEUED = 4
NAP = 3.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The counts for the summary.

    Attributes:
        sent: events dispatched by the gateway.
        connections: connections accepted by the gateway.
        commands: commands, all answered.
        heartbeats: heartbeats that reached the gateway.
        heartbeats_while_blocked: heartbeats received while the handler blocked.
        resumes: resumed connections.
        downtime: seconds from the disconnect to RESUMED.
        latency: seconds from the last heartbeat to its acknowledgement.
    """

    sent: int
    connections: int
    commands: int
    heartbeats: int
    heartbeats_while_blocked: int
    resumes: int
    downtime: float
    latency: float


def run_scenario(runner: Runner, publish: Callable[[Message], None]) -> Outcome:
    """Run every act.

    Args:
        publish: puts a message into the runner's inbox. Thread-safe.

    Raises:
        CommandError: an expected message did not come, or the gateway process died.
    """
    about = runner.wait_reply(GatewayProcess.START)  # before any heading, as it may fail
    runner.screen.text(f"vox-gateway demo {__version__}: a local gateway and the client")
    runner.screen.text("<- from the gateway   -> from the client   first column: seconds")
    runner.act("1  The client connects")
    runner.line(Mark.NOTE, "gateway", f"{about['url']}, in process {about['pid']}")
    room = EngineRoom(about["guild"])
    client = Client(
        token="none-is-needed-here",  # noqa: S106
        url=about["url"],
        intents=Intents.all(),
        slow_handler_warning=NAP - 1,
    )
    _listen(client, publish)
    ended = threading.Event()
    try:
        client.connect(async_=True)
        runner.wait_event("GUILD_CREATE", lambda guild: guild["id"] == room.guild_id)
        runner.linger(PAUSE)
        runner.act("2  Events arrive")
        _receive(runner, room)
        runner.act("3  The client sends commands")
        _ask(runner, client, room)
        runner.act("4  The connection is lost while events are dispatched")
        downtime = _cut(runner, room)
        runner.act(f"5  A handler blocks for {NAP:g} seconds")
        heartbeats = _block(runner, client, room, publish, ended)
        counts = runner.run_command("count")
        with contextlib.suppress(DemoTimeout):  # the summary reports the loss
            runner.wait_seq(counts["events"])
        latency = client.latency
        runner.act("6  The client closes the connection")
        client.close()
        runner.linger(0.0)
    finally:
        ended.set()
        client.close()
    return Outcome(
        sent=counts["events"],
        connections=counts["connections"],
        commands=counts["commands"],
        heartbeats=counts["heartbeats"],
        heartbeats_while_blocked=heartbeats,
        resumes=client.stats.resumes,
        downtime=downtime,
        latency=latency,
    )


def _listen(client: Client, publish: Callable[[Message], None]) -> None:
    def client_event(name: str, data: Any = None) -> None:
        publish(ClientEvent(time.monotonic(), name, data))

    @client.on("DISPATCH")
    def event(payload: dict[str, Any]) -> None:
        publish(Event(time.monotonic(), payload["t"], payload["d"], payload["s"]))

    client.on("HELLO", lambda payload: client_event("HELLO", payload["d"]))
    client.on("open", lambda: client_event("open"))
    client.on("close", lambda data: client_event("close", data))
    client.on("error", lambda error, where: client_event("error", error))


def _receive(runner: Runner, room: EngineRoom) -> None:
    greeting = room.message(0, "steam is up, all gauges are green")
    for named in (room.typing(0), greeting, room.reaction(1, greeting, "thumbsup")):
        runner.run_command("dispatch", events=[named])
        runner.wait_event(named[0])
        runner.linger(SHORT_PAUSE)
    runner.linger(PAUSE)


def _ask(runner: Runner, client: Client, room: EngineRoom) -> None:
    guild, voice, timeout = room.guild_id, room.voice, runner.timeout

    def here(data: Any) -> bool:
        return bool(data["guild_id"] == guild)

    def command(name: str, text: str) -> None:
        runner.linger(SHORT_PAUSE)
        runner.line(Mark.OUT, name, text)

    command("PRESENCE_UPDATE", "busy, playing a demo")
    client.presence_update(status="dnd", activities=[{"name": "a demo", "type": 0}], timeout=timeout)
    runner.wait_event("PRESENCE_UPDATE", here)

    command("REQUEST_GUILD_MEMBERS", f"who is in {room.name}?")
    client.request_guild_members(guild, timeout=timeout)
    runner.wait_event("GUILD_MEMBERS_CHUNK", here)

    command("VOICE_STATE_UPDATE", f"join {voice['name']}")
    client.voice_state_update(guild, voice["id"], timeout=timeout)
    runner.wait_event("VOICE_SERVER_UPDATE", here)

    command("REQUEST_SOUNDBOARD_SOUNDS", f"which sounds has {room.name}?")
    client.request_soundboard_sounds([guild], timeout=timeout)
    runner.wait_event("SOUNDBOARD_SOUNDS", here)

    command("REQUEST_CHANNEL_INFO", "what goes on in its voice channels?")
    client.request_channel_info(guild, ["status"], timeout=timeout)
    runner.wait_event("CHANNEL_INFO", here)

    command("VOICE_STATE_UPDATE", f"leave {voice['name']}")
    client.voice_state_update(guild, None, timeout=timeout)
    runner.wait_event("VOICE_STATE_UPDATE", lambda state: here(state) and state["channel_id"] is None)
    runner.linger(PAUSE)


def _cut(runner: Runner, room: EngineRoom) -> float:
    """Cut the connection; return the seconds until RESUMED."""
    count = BEFORE + AFTER + LATER
    readings = [room.message(1, f"reading {number} of {count}") for number in range(1, count + 1)]
    runner.run_command("dispatch", events=readings[:BEFORE])
    # Keeps the printed order: the line below is printed at once.
    runner.wait_message(readings[BEFORE - 1])
    cut_at = time.monotonic()
    runner.line(Mark.BAD, "TCP reset", f"by the gateway, after reading {BEFORE}")
    runner.run_command("cut", after=readings[BEFORE : BEFORE + AFTER])
    for reading in readings[BEFORE + AFTER :]:
        runner.linger(SHORT_PAUSE)
        runner.run_command("dispatch", events=[reading])
    resumed = runner.wait_event("RESUMED")
    runner.wait_message(readings[-1])
    runner.linger(PAUSE)
    return resumed.at - cut_at


def _block(
    runner: Runner, client: Client, room: EngineRoom, publish: Callable[[Message], None], ended: threading.Event
) -> int:
    """Block a handler; return the number of heartbeats that reached the gateway while it was blocked."""

    @client.once("MESSAGE_CREATE")
    def nap(message: dict[str, Any]) -> None:
        publish(ClientEvent(time.monotonic(), "blocks"))
        ended.wait(NAP)
        publish(ClientEvent(time.monotonic(), "wakes"))

    runner.run_command("dispatch", events=[room.message(0, "please hold the line")])
    runner.wait_client_event("blocks")
    runner.run_command(
        "dispatch", events=[room.message(2, f"question {number} of {QUEUED}") for number in range(1, QUEUED + 1)]
    )
    heartbeats = 0
    while runner.heartbeat_comes_before("wakes"):
        heartbeats += 1
        runner.line(Mark.OUT, "HEARTBEAT", f"reached the gateway; {client.stats.events_waiting} payloads wait")
    runner.linger(PAUSE)
    return heartbeats
