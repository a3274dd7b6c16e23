"""Where a client finds its gateway: at the URL it was given, or by asking the API before it connects.

The API is asked anew before each IDENTIFY, since the answer also says whether there may be one. A RESUME needs only the
URL, and takes it from the last answer.

Rests on "Get Gateway Bot" of the official Gateway documentation, which wants the answer not kept for long.
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

#: seconds for which an answer's URL is good enough to resume at
KEEP_FOR = 86_400.0


class GatewayResolver:
    """Asks for the gateway's URL, for one client; used by one reader at a time, on its thread.

    Args:
        gate: is told the session start limit.
        holder: who enters the gate for this client.
    """

    def __init__(
        self, api: APIURL, token: str, network: Network, gate: IdentifyGate, holder: object, log: ShardLog
    ) -> None:
        self._api = api
        self._token = token
        self._network = network
        self._gate = gate
        self._holder = holder
        self._log = log
        self._known: tuple[str, float] | None = None  # the URL, and until when it is good

    def url(self, resume: bool, deadline: Deadline, interrupt: Wakeup) -> str:
        """The gateway's URL, for a RESUME or for an IDENTIFY.

        Raises:
            TokenRefused: the token is not valid.
            ConnectFailed: the API did not tell, or no session starts remain; then with when they return.
            Interrupted: `interrupt` was set.
        """
        known = self._known
        if resume and known is not None and time.monotonic() < known[1]:
            return known[0]
        self._log.info("asking %s where the gateway is", self._api.host)
        asked_at = time.monotonic()
        bot = ask_gateway_bot(self._api, self._token, self._network, deadline, interrupt)
        self._known = bot.url, asked_at + KEEP_FOR
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
