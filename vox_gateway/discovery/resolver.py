"""Resolves the gateway's URL by asking the API, for a client without `url`.

Called on the reader thread before it connects to the URL. Each IDENTIFY asks anew, since the answer also holds the
session start limit, which goes to the identify gate. A RESUME uses the URL of the last answer.

See: https://docs.discord.com/developers/events/gateway#get-gateway-bot
"""

from __future__ import annotations

import time

from ..concurrency.wakeup import Deadline, Wakeup
from ..errors import ConnectFailed
from ..log import ShardLog
from ..network.connector import Network
from ..network.urls import APIURL
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
            ConnectFailed: the API could not be reached or gave no URL, or no session starts remain; then with
                ``retry_after``.
            Interrupted: `wakeup` was set.
        """
        if resume and self._cached is not None and time.monotonic() < self._cached[1]:
            return self._cached[0]
        self._log.info("asking %s where the gateway is", self._api.host)
        asked_at = time.monotonic()
        bot = ask_gateway_bot(self._api, self._token, self._network, deadline, wakeup)
        self._cached = bot.url, asked_at + CACHE_SECONDS
        if not resume:
            self._check_session_starts(bot, asked_at)
        return bot.url

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
