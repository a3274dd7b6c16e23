"""``vox-gateway demo``: a real client, a real gateway, and a bad day, all on this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..client import Client
from ..intents import Intents
from .demo_gateway import BEAT, serve
from .screen import Screen

__all__ = ["Tally", "add_to", "run"]

#: seconds that any step may take
PATIENCE = 10.0
#: events in each of the three parts
FIRST, MISSED, QUEUED = 5, 20, 10
#: seconds that the handler blocks
NAP = 2.5

_DESCRIPTION = """\
Start a local gateway in its own process, connect the client to it, and show what it is made for: events arrive,
commands are answered, the connection is cut and nothing is lost, a handler blocks and heartbeats go on. Needs no
token and no network; takes less than 15 seconds. Exits with 1 if anything was lost."""


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="see it work, with a gateway of its own: no token, no network",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)


@dataclass
class Tally:
    """What was sent and what arrived. Counted on the handlers' thread, read after it has ended."""

    sent: int = 0
    received: Counter[int] = field(default_factory=Counter)
    last: int = -1
    in_order: bool = True

    def arrived(self, number: int) -> None:
        """Message `number` reached its handler."""
        self.received[number] += 1
        self.in_order = self.in_order and number == self.last + 1
        self.last = number

    @property
    def lost(self) -> int:
        """Messages that were sent and did not arrive."""
        return sum(number not in self.received for number in range(self.sent))

    @property
    def doubled(self) -> int:
        """Messages that arrived more than once."""
        return sum(count - 1 for count in self.received.values())

    @property
    def exit_code(self) -> int:
        """0, or 1 if anything was lost, doubled or out of order."""
        return int(bool(self.lost or self.doubled or not self.in_order))


class _Gateway:
    """The gateway's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and our own module
            [sys.executable, "-c", f"from {serve.__module__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends the gateway in order
        )
        self.about: dict[str, Any] = {}

    def meet(self) -> None:
        """Wait until it listens, and learn where."""
        self.about = self._answer()

    def tell(self, **order: Any) -> None:
        """Give an order and wait until it is carried out."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise _GatewayDied from None
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise _GatewayDied
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process: it ends when its input does, and is ended if it does not."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _GatewayDied(Exception):
    """The gateway's process ended before its time."""


class _TooLate(Exception):
    """A step did not come to its end."""


class _Story:
    """One run of the demo."""

    def __init__(self, screen: Screen, gateway: _Gateway) -> None:
        self.tally = Tally()
        self._screen = screen
        self._gateway = gateway
        self._guild: str = gateway.about["guild"]
        self._beats_while_blocked = 0
        self._changed = threading.Condition()  # guards `_seen` and the tally
        self._seen: Counter[str] = Counter()
        self._client = Client(token="demo", url=gateway.about["url"], intents=Intents.all())  # noqa: S106
        self._listen()

    def tell(self) -> int:
        """Tell it all; returns the exit code."""
        screen = self._screen
        screen.title("1  A bot connects, and events arrive")
        with self._client:
            self._wait_for("READY")
            self._dispatch(FIRST)
            self._wait_for_messages()
            screen.title("2  It asks, and is answered")
            self._ask()
            screen.title(f"3  The connection is cut while {MISSED} messages are sent")
            self._cut()
            screen.title(f"4  A handler blocks for {NAP:g} seconds")
            self._block()
            latency = self._client.latency
        stats = self._client.stats
        screen.title("Summary")
        tally = self.tally
        screen.row("messages sent", str(tally.sent))
        screen.row("received", str(sum(tally.received.values())))
        screen.row("lost", str(tally.lost), "bad" if tally.lost else "good")
        screen.row("received twice", str(tally.doubled), "bad" if tally.doubled else "good")
        screen.row("in order", "yes" if tally.in_order else "no", "good" if tally.in_order else "bad")
        screen.row("connections cut, resumed", f"{stats.reconnects}, {stats.resumes}")
        screen.row("beats while blocked", f"{self._beats_while_blocked} (one every {BEAT:g} s)")
        screen.row("heartbeat latency", f"{latency * 1000:.1f} ms")
        screen.row("bytes in, inflated", f"{stats.bytes_in:,}, {stats.bytes_inflated:,}")
        if tally.exit_code == 0:
            screen.title("Nothing was lost.")
        else:
            screen.title("Something was lost: this is a bug, please report it with the output above.")
        return tally.exit_code

    # -- the steps -------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        client, guild, voice = self._client, self._guild, self._gateway.about["voice"]
        self._command("presence_update", "status dnd, playing a demo")
        client.presence_update(status="dnd", activities=[{"name": "a demo", "type": 0}])
        self._command("request_guild_members", "everyone in the guild")
        client.request_guild_members(guild)
        self._wait_for("GUILD_MEMBERS_CHUNK")
        self._command("voice_state_update", "join the voice channel")
        client.voice_state_update(guild, voice)
        self._wait_for("VOICE_SERVER_UPDATE")
        self._command("voice_state_update", "leave it")
        client.voice_state_update(guild, None)
        self._wait_for("VOICE_STATE_UPDATE", 2)
        self._command("request_channel_info", "what goes on in the voice channels")
        client.request_channel_info(guild, ["status", "voice_start_time"])
        self._wait_for("CHANNEL_INFO")
        self._command("request_soundboard_sounds", "the guild's sounds")
        client.request_soundboard_sounds([guild])
        self._wait_for("SOUNDBOARD_SOUNDS")

    def _cut(self) -> None:
        self._gateway.tell(do="drop")
        self._dispatch(MISSED)
        self._wait_for("RESUMED")
        self._wait_for_messages()
        self._screen.line("good", "nothing missed", f"all {MISSED} messages came again, in order")

    def _block(self) -> None:
        woken = threading.Event()

        def nap(message: dict[str, Any]) -> None:
            before = self._client.stats.beats
            self._screen.line("dim", "a handler sleeps", "and nothing else does")
            woken.wait(NAP)
            self._beats_while_blocked = self._client.stats.beats - before
            self._screen.line("good", "it wakes up", f"{self._beats_while_blocked} heartbeats were sent meanwhile")
            woken.set()

        self._client.once("MESSAGE_CREATE", nap)
        self._dispatch(QUEUED)
        if not woken.wait(PATIENCE):
            raise _TooLate("the handler that sleeps")
        self._wait_for_messages()
        self._screen.line("good", "none forgotten", f"the {QUEUED} messages that waited were handled, in order")

    def _dispatch(self, count: int) -> None:
        self._gateway.tell(do="dispatch", first=self.tally.sent, count=count)
        self.tally.sent += count

    def _command(self, name: str, words: str) -> None:
        self._screen.line("out", name, words)

    # -- what is heard ---------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        client = self._client
        for name, describe in _DESCRIPTIONS.items():
            client.on(name, self._handler(name, describe))
        client.on("MESSAGE_CREATE", self._message)
        client.on("open", lambda: self._screen.line("dim", "open", "a websocket to the local gateway"))
        client.on("close", self._closed)

    def _handler(self, name: str, describe: Callable[[Any], str]) -> Callable[[Any], None]:
        def handler(data: Any) -> None:
            self._screen.line("in", name, describe(data))
            with self._changed:
                self._seen[name] += 1
                self._changed.notify_all()

        return handler

    def _message(self, message: dict[str, Any]) -> None:
        self._screen.line("in", "MESSAGE_CREATE", f"{message['author']['username']}: {message['content']}")
        with self._changed:
            self.tally.arrived(message["nonce"])
            self._changed.notify_all()

    def _closed(self, data: dict[str, Any]) -> None:
        kind = "dim" if data["code"] == 1000 else "bad"
        self._screen.line(kind, "close", f"{data['code']}: {data['reason']}")

    def _wait_for(self, name: str, count: int = 1) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._seen[name] >= count, PATIENCE):
                raise _TooLate(name)

    def _wait_for_messages(self) -> None:
        with self._changed:
            # Whether any is lost is the summary's to say, so this gives up in silence.
            self._changed.wait_for(lambda: self.tally.last == self.tally.sent - 1, PATIENCE)


_DESCRIPTIONS: dict[str, Callable[[Any], str]] = {
    "READY": lambda d: f"logged in as {d['user']['username']}, {len(d['guilds'])} guilds",
    "RESUMED": lambda d: "the same session goes on",
    "GUILD_CREATE": lambda d: f"{d['name']}, {d['member_count']} members",
    "GUILD_MEMBERS_CHUNK": lambda d: ", ".join(one["user"]["username"] for one in d["members"]),
    "VOICE_STATE_UPDATE": lambda d: "in a voice channel" if d["channel_id"] else "in no voice channel",
    "VOICE_SERVER_UPDATE": lambda d: f"voice server {d['endpoint']}",
    "CHANNEL_INFO": lambda d: ", ".join(str(one.get("status") or "no status") for one in d["channels"]),
    "SOUNDBOARD_SOUNDS": lambda d: ", ".join(one["name"] for one in d["soundboard_sounds"]) or "none",
}


@contextlib.contextmanager
def _local_gateway() -> Iterator[_Gateway]:
    gateway = _Gateway()
    try:
        gateway.meet()
        yield gateway
    finally:
        gateway.close()


def run(args: argparse.Namespace) -> int:
    """Tell the story; returns the exit code."""
    from .. import testing  # noqa: F401  says which extra is missing, here rather than in the child

    screen = Screen()
    screen.title("vox-gateway demo: a client, a gateway in another process, and a bad day")
    try:
        with _local_gateway() as gateway:
            return _Story(screen, gateway).tell()
    except _GatewayDied:
        screen.line("bad", "the gateway died", "its process ended before its time")
    except _TooLate as late:
        screen.line("bad", "too late", f"{late} did not come within {PATIENCE:g} seconds")
    return 1
