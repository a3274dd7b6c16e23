"""One shard of a manager: its runs, its requests, and what is known of it."""

from __future__ import annotations

from typing import Any

from ..arguments.validation import check_op, check_timeout
from ..concurrency.fork import ForkCheck
from ..config import Options
from ..diagnostics.stats import Stats, Status
from ..dispatch.emitter import Emitter
from ..dispatch.guilds import Guilds
from ..log import ShardLog
from ..requests.requester import Requester
from ..runs.lifecycle import Lifecycle
from ..session.state import Session

__all__ = ["ManagedShard"]


class ManagedShard:
    """One shard of a `ShardManager`, as `ShardManager.shards` has it.

    Attributes:
        id: the shard id.
        total: the number of shards.
        lifecycle: its runs.
        requester: its requests.
        log: has the shard in each line.
    """

    def __init__(self, options: Options, emitter: Emitter, fork: ForkCheck) -> None:
        self.id: int = options.shard[0]
        self.total: int = options.shard[1]
        self.log: ShardLog = ShardLog(options.shard)
        self.lifecycle: Lifecycle = Lifecycle(options, emitter, self.log, fork)
        self.requester: Requester = self.lifecycle.make_requester()

    def __repr__(self) -> str:
        return f"<ManagedShard {self.lifecycle.in_short()}>"

    @property
    def status(self) -> Status:
        """What the shard is doing."""
        return self.lifecycle.status

    @property
    def latency(self) -> float:
        """Seconds from the last heartbeat to its acknowledgement; infinity before the first."""
        return self.lifecycle.latency

    @property
    def latencies(self) -> tuple[float, ...]:
        """Seconds from heartbeat to acknowledgement, of the last 5 heartbeats; the newest last."""
        return self.lifecycle.latencies

    @property
    def stats(self) -> Stats:
        """Counts since the manager was made, or since this process was forked."""
        return self.lifecycle.stats

    @property
    def session(self) -> Session:
        """The session now: `id`, `seq` and `resume_url`."""
        return self.lifecycle.session

    @property
    def handled(self) -> Session:
        """The session up to the last event whose handlers have returned."""
        return self.lifecycle.handled

    @property
    def guilds(self) -> Guilds:
        """The ids and states of the guilds of this shard; see `Client.guilds`."""
        return self.lifecycle.guild_view

    def explain(self) -> str:
        """Return a text that says what the shard has done lately, and what it does now; see `Client.explain`."""
        return self.lifecycle.explain()

    def health(self) -> dict[str, Any]:
        """Return the shard's state as values that JSON can hold; see `Client.health`."""
        return self.lifecycle.health()

    def send_packet(self, op_code: int | str, data: Any, timeout: float | None = None) -> None:
        """Send any command on this shard; see `Client.send_packet`.

        Args:
            op_code: an `Opcode`, its number or its name.
            data: the payload's ``d``.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: the command was not sent in time. Nothing of it was written.
            NotConnected: the shard is not running, or was closed while this waited.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used, or `data` holds a value that cannot be encoded.
        """
        self.send(check_op(op_code), data, check_timeout(timeout))

    def send(self, op: int, data: Any, timeout: float | None) -> None:
        """Send a command that was checked."""
        self.requester.expect_refusal(op)
        self.lifecycle.send(op, data, timeout)

    def reconnect(self, reason: str = "") -> None:
        """Close the shard's connection with 4000, and resume on a new connection. Does not wait."""
        self.lifecycle.close(4000, reason, reconnect=True)

    def after_fork(self) -> None:
        """Begin anew in a child process."""
        self.lifecycle.after_fork()
        self.requester = self.lifecycle.make_requester()
