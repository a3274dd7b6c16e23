"""What follows when a connection ends: which connection comes next, and when.

Pure: no socket, no thread, no clock. `ReconnectPolicy` takes how each connection ended and returns the next
`ConnectPlan`, or `Fatal`. The supervisor does the waiting; randomness is an argument, so that every delay is tested
without waiting.

See: https://docs.discord.com/developers/events/gateway#disconnecting
See: https://docs.discord.com/developers/events/gateway#resuming
See: https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConnectFailed, ConnectionClosed, GatewayError
from ..opcodes import Remedy, fatal_error, remedy_for
from ..session.state import Session
from .state import State

__all__ = ["Cause", "ConnectPlan", "Disconnect", "Fatal", "ReconnectPolicy"]

#: seconds a connection must have lived after READY or RESUMED before earlier failures are forgotten
STABLE_AFTER = 60.0
#: longest wait between two attempts, in seconds
MAX_DELAY = 60.0
#: the same after the server itself ended a connection in a way that resumes: it works again, and the session is waiting
MAX_RESUME_DELAY = 10.0
#: longest wait between two IDENTIFYs without a READY, in seconds: 1000 in 24 hours reset the bot's token
MAX_IDENTIFY_DELAY = 600.0
#: failed resumes in a row after which the session is dropped: RESUME was written, and brought no event
MAX_FAILED_RESUMES = 5


class Cause(enum.Enum):
    """Why a connection ended."""

    CLOSED = "the server closed the connection"
    LOST = "the connection was lost"
    PROTOCOL_ERROR = "the server broke a rule"
    RECONNECT = "the server asked for a reconnect"
    INVALID_SESSION = "the session is not valid"
    IDENTIFY_REFUSED = "the gateway refused IDENTIFY"
    UNREACHABLE = "no connection could be made"
    RECONNECT_REQUESTED = "close(reconnect=True) was called"
    LOCAL_CLOSE = "close() was called"
    NOT_OURS = "another process may run this shard"
    SYSTEM_SUSPENDED = "the machine slept"


#: endings on our side: they say nothing against the server or the session
_OURS = frozenset({Cause.RECONNECT_REQUESTED, Cause.LOCAL_CLOSE, Cause.NOT_OURS, Cause.SYSTEM_SUSPENDED})


@dataclass(frozen=True, slots=True)
class Disconnect:
    """How a connection ended.

    Attributes:
        cause: why.
        code: the close code of the server's close frame, or None when none came.
        reason: words for the log and for the `close` event.
        resumable: with op 9, the ``d`` of the payload.
        error: the exception behind it, if any.
    """

    cause: Cause
    code: int | None = None
    reason: str = ""
    resumable: bool = True
    error: GatewayError | None = None

    def __str__(self) -> str:
        said = ": ".join(str(part) for part in (self.code, self.reason) if part)
        return f"{self.cause.value} ({said})" if said else self.cause.value


@dataclass(frozen=True, slots=True)
class ConnectPlan:
    """The next connection to make.

    Attributes:
        session: the session to RESUME, or to replace by an IDENTIFY if it is not resumable.
        at_resume_url: connect to the session's own URL rather than to the base URL.
        delay: seconds to wait first.
    """

    session: Session
    at_resume_url: bool
    delay: float

    @property
    def resume(self) -> bool:
        """Whether to RESUME rather than IDENTIFY."""
        return self.session.resumable


@dataclass(frozen=True, slots=True)
class Fatal:
    """No connection follows: reconnecting cannot help.

    Attributes:
        error: what to raise to the user.
    """

    error: GatewayError


#: the causes of an op 9: after READY or RESUME, and in answer to IDENTIFY
_INVALID = (Cause.INVALID_SESSION, Cause.IDENTIFY_REFUSED)


class ReconnectPolicy:
    """Decides what follows each disconnect of a run.

    Args:
        random: returns a float in [0, 1).
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0  # attempts since the last stable connection
        # In a row. Only what was written can fail: an end before HELLO says nothing about the session.
        self._failed_identifies = 0
        self._failed_resumes = 0
        self._undecodable_after = Session()
        self._undecodable_count = 0  # resumes in a row that brought the event after it again
        self._avoid_resume_url = False
        self._ever_connected = False

    def first(self, session: Session) -> ConnectPlan:
        """Return the plan for a connection at once: it resumes `session` if that is resumable."""
        return self._plan(session, 0.0)

    def connected(self) -> None:
        """A websocket was opened: a later refusal is temporary, and is retried."""
        self._ever_connected = True

    def after_undecodable(self, session: Session) -> Session:
        """Return where to resume after an event could not be decoded: `session`, which ends before that event.

        The session is dropped when `MAX_FAILED_RESUMES` resumes have brought the same event again. They are counted
        apart from failed resumes, since RESUMED, or the end of the connection, may come before the event is decoded.
        """
        self._undecodable_count = self._undecodable_count + 1 if session == self._undecodable_after else 0
        self._undecodable_after = session
        return session.without_id() if self._undecodable_count >= MAX_FAILED_RESUMES else session

    def after(
        self, ending: Disconnect, plan: ConnectPlan, reached: State, session: Session, lived: float = 0.0
    ) -> ConnectPlan | Fatal:
        """Return what follows `ending`.

        Args:
            plan: the plan of the connection that ended.
            reached: how far it had come, CONNECTING to READY.
            session: where its session stands, which is beyond that of `plan` if the connection brought events; dropped
                here, or by `after_undecodable`, when it cannot be resumed.
            lived: seconds since READY or RESUMED; 0 before.
        """
        error = ending.error
        # The host of the resume URL may be gone by now, above all when the session was kept on disk.
        never_reached = not self._ever_connected and not plan.at_resume_url
        if isinstance(error, ConnectFailed) and error.permanent and never_reached:
            return Fatal(error)
        if isinstance(error, ConnectionClosed):  # as a close code would have said, had there been a connection
            return Fatal(error)
        if ending.code is not None and remedy_for(ending.code) is Remedy.FATAL:
            return Fatal(fatal_error(ending.code, ending.reason))

        moved = plan.resume and session != plan.session
        self._count(ending, plan, reached, moved, lived)
        if reached is State.READY or moved:
            self._avoid_resume_url = False
        elif plan.at_resume_url and self._is_failure(ending):
            self._avoid_resume_url = True
        if self._session_is_over(ending):
            session = session.without_id()
        return self._plan(session, self._delay(ending, session))

    def _is_failure(self, ending: Disconnect) -> bool:
        """Return whether `ending`, before READY or RESUMED, says that the URL is of no use to this session."""
        if ending.cause is Cause.INVALID_SESSION and ending.resumable:
            return False  # the server knows the session, and wants another RESUME
        return ending.cause not in _OURS

    def _count(self, ending: Disconnect, plan: ConnectPlan, reached: State, moved: bool, lived: float) -> None:
        if reached is State.READY:
            self._failed_identifies = self._failed_resumes = 0
            if lived >= STABLE_AFTER:
                self._failures = 0
        elif reached is State.IDENTIFYING and ending.cause is not Cause.NOT_OURS:  # for which none was written
            self._failed_identifies += 1
        elif moved:
            self._failed_resumes = 0
        elif reached is State.RESUMING and ending.cause not in _OURS:
            self._failed_resumes += 1

    def _session_is_over(self, ending: Disconnect) -> bool:
        if ending.cause in _INVALID and not ending.resumable:
            return True
        return remedy_for(ending.code) is Remedy.NEW_SESSION or self._failed_resumes >= MAX_FAILED_RESUMES

    def _plan(self, session: Session, delay: float) -> ConnectPlan:
        if not session.resumable:
            self._failed_resumes = 0
        at_resume_url = session.resumable and session.resume_url is not None and not self._avoid_resume_url
        return ConnectPlan(session, at_resume_url, delay)

    def _delay(self, ending: Disconnect, session: Session) -> float:
        failures, self._failures = self._failures, self._failures + 1
        if ending.cause in _OURS:
            self._failures = failures
            return 0.0
        if failures == 0:
            delay = self._random()
        else:
            longest = MAX_RESUME_DELAY if session.resumable and _is_by_server(ending) else MAX_DELAY
            # The exponent is bounded: after a month of retries 2 ** n would no longer fit a float.
            delay = (0.5 + 0.5 * self._random()) * min(longest, 2.0 ** min(failures - 1, 16))
        if ending.cause in _INVALID and not ending.resumable:
            # Not in the documentation of 2026; earlier versions asked for 1 to 5 seconds.
            delay = max(delay, 1.0 + 4.0 * self._random())
        if self._failed_identifies and not session.resumable:
            jitter = self._random() * min(MAX_IDENTIFY_DELAY, 2.0 ** min(self._failed_identifies, 16))
            delay = max(delay, jitter)
        if isinstance(ending.error, ConnectFailed) and ending.error.retry_after is not None:
            delay = max(delay, ending.error.retry_after)
        return delay


def _is_by_server(ending: Disconnect) -> bool:
    """Return whether the server ended the connection itself: with op 7, op 9, or a close code."""
    return ending.cause in (Cause.RECONNECT, Cause.INVALID_SESSION) or ending.code is not None
