"""Several processes that run the shards of one bot, and the local gateway that they are connected to.

What the gateway sent is compared with what handlers got; how long a shard had no connection is seen by the gateway.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from vox_gateway.coordination import GateSettings, LeaseTimes
from vox_gateway.testing import LocalGateway
from vox_gateway.testing.records import Received, Record, SessionRefused

from .environments import ROOT

__all__ = ["Delivery", "Fleet", "Member", "wait_for"]

#: seconds until waiting is given up
PATIENCE = 120.0


def wait_for(what: str, condition: Callable[[], object], timeout: float = PATIENCE) -> float:
    """Wait until a condition holds, and return the seconds that it took.

    Raises:
        TimeoutError: it did not hold in time.
    """
    began, pause = time.monotonic(), threading.Event()
    while not condition():
        if time.monotonic() - began > timeout:
            raise TimeoutError(f"{what}: not within {timeout:g} seconds")
        pause.wait(0.005)
    return time.monotonic() - began


class Member:
    """A process of the fleet.

    Attributes:
        process: the process.
        seen: the events that its handlers got: guild and number, in order.
        running: shards that became ready here, or were resumed.
        resumed: shards that were resumed.
        is_started: whether it is about to connect.
    """

    def __init__(self, command: list[str]) -> None:
        self.seen: list[tuple[str, int]] = []
        self.running: set[int] = set()
        self.resumed: set[int] = set()
        self.is_started = False
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._reader = threading.Thread(target=self._read, name="fleet-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            match line.split():
                case ["event", guild, number]:
                    self.seen.append((guild, int(number)))
                case [("ready" | "resumed") as how, shard]:
                    self.running = self.running | {int(shard)}  # replaced whole: others read it
                    self.resumed = self.resumed | ({int(shard)} if how == "resumed" else set())
                case ["started"]:
                    self.is_started = True

    def wait(self) -> int:
        """Wait until the process has ended and all that it said is read; return its exit status."""
        status = self.process.wait(30)
        self._reader.join(30)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        return status


@dataclass(frozen=True)
class Delivery:
    """What became of the events that were sent.

    Attributes:
        sent: the number of events.
        missing: those that no handler got.
        repeated: how often a handler got an event that a handler had got before.
        disordered: how often a process got an event of a guild after a later one, repeated ones left out.
    """

    sent: int
    missing: int
    repeated: int
    disordered: int

    def __str__(self) -> str:
        return f"{self.sent} events, {self.missing} missing, {self.repeated} repeated, {self.disordered} out of order"


class _Refusals:
    """Takes the records of a gateway."""

    def __init__(self, refused: list[SessionRefused]) -> None:
        self._refused = refused

    def put(self, record: Record) -> None:
        if isinstance(record, SessionRefused):
            self._refused.append(record)


class Fleet:
    """Processes and their gateway.

    Args:
        gateway: the gateway, started.
        shards: the number of shards of the bot.
        times: of leases.
        gate: how often the bot may IDENTIFY.

    Attributes:
        members: the processes, in the order in which they were started.
        refused: the sessions that the gateway refused with op 9.
    """

    def __init__(self, gateway: LocalGateway, shards: int, times: LeaseTimes, gate: GateSettings) -> None:
        self.gateway = gateway
        self.shards = shards
        self.members: list[Member] = []
        self.refused: list[SessionRefused] = []
        gateway.follow(_Refusals(self.refused))
        self._settings = [str(shards), json.dumps(asdict(times)), json.dumps(asdict(gate))]
        self._sent: Counter[str] = Counter()
        self._over = threading.Event()
        self._sender: threading.Thread | None = None

    def start(self, count: int, coordination: str) -> list[Member]:
        """Start processes; does not wait until they are ready."""
        command = [sys.executable, "-m", "benchmarks.runners.shards_node", self.gateway.url, coordination]
        started = [Member([*command, *self._settings]) for _ in range(count)]
        self.members.extend(started)
        return started

    def close(self) -> None:
        """End all processes."""
        for member in self.members:
            with contextlib.suppress(ProcessLookupError):
                member.process.send_signal(signal.SIGCONT)
            assert member.process.stdin is not None
            member.process.stdin.close()
        for member in self.members:
            member.wait()

    # -- events ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def sending(self, rate: float) -> Iterator[None]:
        """Dispatch numbered messages at a steady rate, to 2 guilds of each shard in turn."""
        over = self._over = threading.Event()
        guilds = [str((1000 + number) << 22) for number in range(2 * self.shards)]

        def send() -> None:
            began = time.monotonic()
            for number, guild in enumerate(itertools.cycle(guilds)):
                if over.wait(max(began + number / rate - time.monotonic(), 0.0)):
                    return
                self.gateway.dispatch("MESSAGE_CREATE", {"guild_id": guild, "nonce": self._sent[guild]})
                self._sent[guild] += 1

        self._sender = threading.Thread(target=send, name="fleet-sender")
        self._sender.start()
        try:
            yield
        finally:
            self.stop_sending()

    def stop_sending(self) -> None:
        """Dispatch no more; `delivery` then counts them all."""
        self._over.set()
        if self._sender is not None:
            self._sender.join()

    def settled(self) -> str:
        """Stop sending, wait until every event has come, 20 seconds at the most, and tell what became of them."""
        self.stop_sending()
        with contextlib.suppress(TimeoutError):
            wait_for("all events", lambda: not self.delivery().missing, 20.0)
        return f"{len(self.received('IDENTIFY')) - self.shards} IDENTIFYs more; {self.delivery()}"

    def delivery(self) -> Delivery:
        """Compare what was sent with what handlers got."""
        counts: Counter[tuple[str, int]] = Counter()
        disordered = 0
        for member in self.members:
            newest: dict[str, int] = {}
            own = set()
            for guild, number in [*member.seen]:
                counts[guild, number] += 1
                disordered += number < newest.get(guild, -1) and (guild, number) not in own
                newest[guild] = max(number, newest.get(guild, -1))
                own.add((guild, number))
        sent = self._sent.total()
        return Delivery(sent, sent - len(counts), counts.total() - len(counts), disordered)

    # -- what the gateway saw --------------------------------------------------------------------------------------

    def received(self, name: str) -> list[Received]:
        """The payloads with the name of an opcode, in order."""
        return [payload for payload in self.gateway.received if payload.name == name]

    def ready(self) -> bool:
        """Whether every shard is connected."""
        return sum(session.connected for session in self.gateway.sessions) == self.shards

    def resumed(self, but_by: Member) -> set[int]:
        """The shards that processes have resumed, one of them left out."""
        return {shard for member in self.members if member is not but_by for shard in member.resumed}

    def gaps(self) -> list[float]:
        """The seconds between the end of a connection and the next RESUME or IDENTIFY of its shard."""
        shard_of = {session.connection: session.shard[0] for session in self.gateway.sessions}
        ended = {}
        for record in self.gateway.connections:
            if record.closed is not None and record.closed.shard is not None:
                shard_of[record.number] = record.closed.shard
                ended[record.number] = record.closed.at
        begun: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        for payload in self.gateway.received:
            if payload.name in ("IDENTIFY", "RESUME") and (shard := shard_of.get(payload.connection)) is not None:
                begun[shard].append((payload.connection, payload.at))
        return [
            at - ended[before]
            for connections in begun.values()
            for (before, _), (_, at) in itertools.pairwise(connections)
            if before in ended
        ]
