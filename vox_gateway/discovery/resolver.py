"""Resolves the gateway's URL by asking the API, for a client without `url`.

Called on the reader thread before it connects to the URL. Each IDENTIFY asks anew, since the answer also holds the
session start limit, which goes to the identify gate. A RESUME uses the URL of the last answer. While the API is down an
IDENTIFY does so too, or uses the documented URL if there was no answer yet; the gate alone counts session starts then.

See: https://docs.discord.com/developers/events/gateway#get-gateway-bot
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..concurrency.wakeup import Deadline, Wakeup, seconds_left
from ..errors import ConnectFailed
from ..log import ShardLog
from ..network.connector import Network
from ..network.urls import APIURL, DEFAULT_GATEWAY
from .gateway_bot import GatewayBot, ask_gateway_bot
from .identify_limiter import IdentifyGate

__all__ = ["GatewayResolver"]

#: seconds for which a RESUME may use an answer's URL
CACHE_SECONDS = 86_400.0


class GatewayResolver:
    """Resolves the gateway's URL for a client. Used by a single reader at a time.

    Args:
        gate: receives the session start limit.
        holder: identifies the client to `gate`.
    """

    def __init__(
        self, api: APIURL, token: str, network: Network, *, gate: IdentifyGate, holder: object, log: ShardLog
    ) -> None:
        self._api = api
        self._token = token
        self._network = network
        self._gate = gate
        self._holder = holder
        self._log = log
        self._cached: tuple[str, float] | None = None  # the URL, and when it expires in monotonic time

    def url(self, resume: bool, deadline: Deadline, wakeup: Wakeup) -> str:
        """Return the gateway's URL, for a RESUME or for an IDENTIFY.

        Raises:
            TokenRefused: the token is not valid.
            ConnectFailed: the API could not be reached or gave no URL, and none is known; or no session starts remain,
                then with ``retry_after``.
            Interrupted: `wakeup` was set.
        """
        if resume and self._cached is not None and time.monotonic() < self._cached[1]:
            return self._cached[0]
        self._log.info("asking %s where the gateway is", self._api.host)
        asked_at = time.monotonic()
        try:
            bot = self._ask(deadline, wakeup)
        except ConnectFailed as error:
            if error.permanent or self._known_url is None:
                raise
            self._log.warning(
                "connecting to %s, counting session starts without Discord's count: %s", self._known_url, error
            )
            return self._known_url
        self._cached = bot.url, asked_at + CACHE_SECONDS
        if not resume:
            self._check_session_starts(bot, asked_at)
        return bot.url

    @property
    def _known_url(self) -> str | None:
        """The URL of the last answer, however old, or Discord's documented URL, to which only its own API leads."""
        if self._cached is not None:
            return self._cached[0]
        return DEFAULT_GATEWAY if f".{self._api.host}".endswith(".discord.com") else None

    def _ask(self, deadline: Deadline, wakeup: Wakeup) -> GatewayBot:
        network = self._network
        if self._known_url is not None and (left := seconds_left(deadline)) is not None:
            # Half of the time is left to connect without the answer.
            network = replace(network, timeout_name=f"half of {network.timeout_name}")
            deadline = _earlier(deadline, time.monotonic() + left / 2)
        return ask_gateway_bot(self._api, self._token, network, deadline, wakeup)

    def _check_session_starts(self, bot: GatewayBot, asked_at: float) -> None:
        limit = bot.session_start_limit
        self._log.info(
            "%d of %d session starts remain, %d may be made at once; %d shards are recommended",
            limit.remaining,
            limit.total,
            limit.max_concurrency,
            bot.shards,
        )
        if wait := self._gate.learn(self._holder, limit, asked_at, time.monotonic()):
            raise ConnectFailed(
                f"no session starts remain, of {limit.total} in 24 hours: IDENTIFY is refused until they return at "
                f"{limit.resets_at:%Y-%m-%d %H:%M:%S} UTC",
                retry_after=wait,
            )


def _earlier(deadline: Deadline, latest: float) -> Deadline:
    """Return `deadline`, but not after `latest` (monotonic, seconds)."""

    def ends_at() -> float:
        at = deadline()
        return latest if at is None else min(at, latest)

    return ends_at
