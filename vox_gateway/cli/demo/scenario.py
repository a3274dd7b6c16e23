"""The demo's story, act by act."""

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
from .messages import Event, Moment, Occurrence
from .runner import Stage, TooLate
from .sample_events import EngineRoom

__all__ = ["NAP", "Outcome", "tell"]

#: seconds that an eye needs
GLANCE, LOOK = 0.15, 0.5
#: readings before the cut, right after it, and one by one after that
BEFORE, AFTER, LATER = 2, 5, 5
#: messages that come while a handler blocks, and seconds for which it does
QUEUED = 4
NAP = 3.0


@dataclass(frozen=True)
class Outcome:
    """What there is to say at the end.

    Attributes:
        sent: events that the gateway has dispatched to the client.
        connections: as the gateway has counted them.
        commands: all of them answered.
        beats: heartbeats that reached the gateway.
        beats_while_blocked: those of them that came while the handler blocked.
        resumes: connections on which the session went on.
        downtime: seconds from the cut to RESUMED.
        latency: seconds from the last heartbeat to its acknowledgement.
    """

    sent: int
    connections: int
    commands: int
    beats: int
    beats_while_blocked: int
    resumes: int
    downtime: float
    latency: float


def tell(stage: Stage, happened: Callable[[Occurrence], None]) -> Outcome:
    """Tell it all.

    Args:
        happened: puts something into the stage's inbox.

    Raises:
        CommandError: something did not come, or the gateway's process died.
    """
    about = stage.answer_to(GatewayProcess.START)  # before any heading: it may be that nothing follows
    stage.screen.text(f"vox-gateway demo {__version__}: a gateway and its client, on this machine alone")
    stage.screen.text("<- from the gateway   -> from the client   seconds since the start in front")
    stage.act("1  The client connects")
    stage.line(Mark.NOTE, "gateway", f"{about['url']}, in process {about['pid']}")
    room = EngineRoom(about["guild"])
    client = Client(
        token="none-is-needed-here",  # noqa: S106
        url=about["url"],
        intents=Intents.all(),
        slow_handler_warning=NAP - 1,
    )
    _listen(client, happened)
    the_end = threading.Event()
    try:
        client.connect(async_=True)
        stage.hear_event("GUILD_CREATE", lambda guild: guild["id"] == room.guild_id)
        stage.linger(LOOK)
        stage.act("2  Events arrive")
        _receive(stage, room)
        stage.act("3  The client asks, and is answered")
        _ask(stage, client, room)
        stage.act("4  The connection is cut, and the gateway goes on dispatching")
        downtime = _cut(stage, room)
        stage.act(f"5  A handler blocks for {NAP:g} seconds")
        beats = _block(stage, client, room, happened, the_end)
        counts = stage.do("count")
        with contextlib.suppress(TooLate):  # the summary says that something is lost
            stage.hear_all(counts["events"])
        latency = client.latency
        stage.act("6  The client says goodbye")
        client.close()
        stage.linger(0.0)
    finally:
        the_end.set()
        client.close()
    return Outcome(
        sent=counts["events"],
        connections=counts["connections"],
        commands=counts["commands"],
        beats=counts["beats"],
        beats_while_blocked=beats,
        resumes=client.stats.resumes,
        downtime=downtime,
        latency=latency,
    )


def _listen(client: Client, happened: Callable[[Occurrence], None]) -> None:
    def moment(name: str, data: Any = None) -> None:
        happened(Moment(time.monotonic(), name, data))

    @client.on("DISPATCH")
    def event(payload: dict[str, Any]) -> None:
        happened(Event(time.monotonic(), payload["t"], payload["d"], payload["s"]))

    client.on("HELLO", lambda payload: moment("HELLO", payload["d"]))
    client.on("open", lambda: moment("open"))
    client.on("close", lambda data: moment("close", data))
    client.on("error", lambda error, where: moment("error", error))


def _receive(stage: Stage, room: EngineRoom) -> None:
    greeting = room.message(0, "steam is up, all gauges are green")
    for happening in (room.typing(0), greeting, room.reaction(1, greeting, "thumbsup")):
        stage.do("dispatch", events=[happening])
        stage.hear_event(happening[0])
        stage.linger(GLANCE)
    stage.linger(LOOK)


def _ask(stage: Stage, client: Client, room: EngineRoom) -> None:
    guild, voice, timeout = room.guild_id, room.voice, stage.patience

    def here(data: Any) -> bool:
        return bool(data["guild_id"] == guild)

    def command(name: str, words: str) -> None:
        stage.linger(GLANCE)
        stage.line(Mark.OUT, name, words)

    command("PRESENCE_UPDATE", "busy, playing a demo")
    client.presence_update(status="dnd", activities=[{"name": "a demo", "type": 0}], timeout=timeout)
    stage.hear_event("PRESENCE_UPDATE", here)

    command("REQUEST_GUILD_MEMBERS", f"who is in {room.name}?")
    client.request_guild_members(guild, timeout=timeout)
    stage.hear_event("GUILD_MEMBERS_CHUNK", here)

    command("VOICE_STATE_UPDATE", f"join {voice['name']}")
    client.voice_state_update(guild, voice["id"], timeout=timeout)
    stage.hear_event("VOICE_SERVER_UPDATE", here)

    command("REQUEST_SOUNDBOARD_SOUNDS", f"which sounds has {room.name}?")
    client.request_soundboard_sounds([guild], timeout=timeout)
    stage.hear_event("SOUNDBOARD_SOUNDS", here)

    command("REQUEST_CHANNEL_INFO", "what goes on in its voice channels?")
    client.request_channel_info(guild, ["status"], timeout=timeout)
    stage.hear_event("CHANNEL_INFO", here)

    command("VOICE_STATE_UPDATE", f"leave {voice['name']}")
    client.voice_state_update(guild, None, timeout=timeout)
    stage.hear_event("VOICE_STATE_UPDATE", lambda state: here(state) and state["channel_id"] is None)
    stage.linger(LOOK)


def _cut(stage: Stage, room: EngineRoom) -> float:
    """Returns the seconds without a connection."""
    count = BEFORE + AFTER + LATER
    readings = [room.message(1, f"reading {number} of {count}") for number in range(1, count + 1)]
    stage.do("dispatch", events=readings[:BEFORE])
    # An order is told when it is given, so what comes before it must have arrived.
    stage.hear_message(readings[BEFORE - 1])
    cut_at = time.monotonic()
    stage.line(Mark.BAD, "TCP reset", f"by the gateway, after reading {BEFORE}")
    stage.do("cut", after=readings[BEFORE : BEFORE + AFTER])
    for reading in readings[BEFORE + AFTER :]:
        stage.linger(GLANCE)
        stage.do("dispatch", events=[reading])
    resumed = stage.hear_event("RESUMED")
    stage.hear_message(readings[-1])
    stage.linger(LOOK)
    return resumed.at - cut_at


def _block(
    stage: Stage, client: Client, room: EngineRoom, happened: Callable[[Occurrence], None], the_end: threading.Event
) -> int:
    """Returns the heartbeats that reached the gateway while the handler blocked."""

    @client.once("MESSAGE_CREATE")
    def nap(message: dict[str, Any]) -> None:
        happened(Moment(time.monotonic(), "blocks"))
        the_end.wait(NAP)
        happened(Moment(time.monotonic(), "wakes"))

    stage.do("dispatch", events=[room.message(0, "please hold the line")])
    stage.hear_moment("blocks")
    stage.do("dispatch", events=[room.message(2, f"question {number} of {QUEUED}") for number in range(1, QUEUED + 1)])
    beats = 0
    while stage.next_beat_comes_before("wakes"):
        beats += 1
        stage.line(Mark.OUT, "HEARTBEAT", f"reached the gateway; {client.stats.events_waiting} payloads wait")
    stage.linger(LOOK)
    return beats
