"""Asks Get Gateway Bot for a run, on a thread of its own, as a name lookup cannot be interrupted.

It asks until there is an answer, and posts that into the mailbox of the run, which does other things until then.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..concurrency.signals import SignalSafeEvent
from ..concurrency.wakeup import Interrupted, Wakeup
from ..config import Options
from ..discovery.gateway_bot import GatewayBot, ask_gateway_bot
from ..errors import AuthenticationFailed, CertificateInvalid, GatewayError, ThreadFailed
from ..log import ShardLog
from ..shard.failure import log_failure

__all__ = ["Answered", "GatewayBotRequest"]

#: errors that asking again does not change, and errors of ours
FINAL = (AuthenticationFailed, CertificateInvalid, ThreadFailed)
#: seconds before Get Gateway Bot is asked again: doubled after each failure, up to the second
FIRST_DELAY, MAX_DELAY = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """Get Gateway Bot was answered, or cannot be.

    Attributes:
        request: what has asked.
        answer: the answer, or why asking again does not help.
        asked_at: monotonic time, in seconds.
    """

    request: GatewayBotRequest
    answer: GatewayBot | GatewayError
    asked_at: float


class GatewayBotRequest:
    """Asks until there is an answer, or an error that asking again does not change.

    Args:
        options: of all shards.
        post: called with `Answered`, on the thread; an answer that comes during `cancel` may still be posted.
    """

    def __init__(self, options: Options, post: Callable[[Answered], None], log: ShardLog) -> None:
        self._options = options
        self._post = post
        self._log = log
        self._wakeup = Wakeup()
        self._cancelled = SignalSafeEvent()
        #: a daemon, since it may be in a name lookup
        self._thread = threading.Thread(target=self._run, name="vox_gateway-shards-ask", daemon=True)

    def start(self) -> None:
        """Begin to ask. Raises RuntimeError, and gives everything back, if the thread cannot be started."""
        try:
            self._thread.start()
        except RuntimeError:
            self._wakeup.close()
            raise

    def cancel(self) -> None:
        """Ask no more. Idempotent; takes no lock that a signal handler must not take."""
        self._cancelled.set()
        self._wakeup.cancel()

    def _run(self) -> None:
        delay = FIRST_DELAY
        with contextlib.closing(self._wakeup), contextlib.suppress(Interrupted):
            while not self._cancelled.is_set():
                asked_at = time.monotonic()
                answer = self._ask(asked_at + self._options.network.connect_timeout)
                if isinstance(answer, (GatewayBot, *FINAL)):
                    self._wakeup.check()
                    self._post(Answered(self, answer, asked_at))
                    return
                wait = getattr(answer, "retry_after", None) or delay * (0.5 + random.random() / 2)
                self._log.warning("%s; asking again in %.1f seconds", answer, wait)
                delay = min(2 * delay, MAX_DELAY)
                self._cancelled.wait(wait)

    def _ask(self, ends_at: float) -> GatewayBot | GatewayError:
        options = self._options
        try:
            return ask_gateway_bot(options.api, options.token, options.network, lambda: ends_at, self._wakeup)
        except GatewayError as error:
            return error
        except Interrupted:
            raise
        except Exception as mistake:
            return log_failure(self._log, mistake)
