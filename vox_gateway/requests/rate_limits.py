"""Warns of commands that the gateway refuses to answer for a while.

A `Requester` subscribes it before the first command that the gateway may refuse; called on the dispatcher's thread.

See: https://docs.discord.com/developers/events/gateway-events#rate-limited
"""

from __future__ import annotations

from typing import Any

from ..dispatch.subscriptions import Subscriber
from ..encoding.fields import id_of, seconds_of
from ..event import Event
from ..log import ShardLog
from ..opcodes import opcode_name

__all__ = ["RateLimitWarning"]


class RateLimitWarning(Subscriber):
    """Logs a warning for each RATE_LIMITED, with the guild and the seconds."""

    EVENTS = ("RATE_LIMITED",)

    def __init__(self, log: ShardLog) -> None:
        self._log = log

    def receive(self, event: Event[Any]) -> None:
        """See `Subscriber`."""
        data: dict[str, Any] = event.data if isinstance(event.data, dict) else {}
        meta, op, seconds = data.get("meta"), data.get("opcode"), seconds_of(data.get("retry_after"))
        guild_id = id_of(meta.get("guild_id")) if isinstance(meta, dict) else None
        command = opcode_name(op) if type(op) is int else "a command"
        guild = "" if guild_id is None else f" for guild {guild_id}"
        how_long = "" if seconds is None else f" for {seconds:.1f} seconds"
        self._log.warning("the gateway does not answer %s: it was sent too often", f"{command}{guild}{how_long}")
