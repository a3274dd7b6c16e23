"""Reads many connections on the thread that handles what they bring, and on a standby while that thread is busy.

Each connection has a reader thread of its own, which opens it, logs in, and closes it. While a connection is ready, its
thread lends it to the shared reader, and sleeps. The dispatcher reads it, whenever it has nothing to dispatch: so an
event wakes a single thread, however many shards there are, and is handled where it was read.

A handler may take long. So while events come, a standby thread looks every `LOOK_EVERY` seconds whether the dispatcher
has read since. If it has not, the standby reads, until the dispatcher asks for its turn.

Nothing here waits for one connection. A connection goes back to its own thread when it is to be closed, when the event
queue has no room for what came, when the kernel did not take all that was written, and when reading raises.
"""

from __future__ import annotations

import contextlib
import math
import queue
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..concurrency.fork import in_child
from ..concurrency.wakeup import Wakeup

__all__ = ["Readable", "SharedReader"]

#: seconds between two looks at the dispatcher, and so, twice, of the longest time in which nobody reads
LOOK_EVERY = 0.05
#: looks in a row that find it waiting, after which the standby sleeps: to wake it again costs more than a look
LAST_LOOK = 4
#: descriptors that can be waited for at once: select(), which Windows has in the place of epoll, takes 512
MAX_DESCRIPTORS: float = 512 if sys.platform == "win32" else math.inf


class Readable(Protocol):
    """A connection that can be read by another thread than its own."""

    @property
    def wakeup(self) -> Wakeup:
        """Can be read when the connection's own thread has to act."""

    def fileno(self) -> int:
        """The descriptor that can be read when data has come."""

    def read_now(self) -> bool:
        """Read once, without waiting; return whether the next read may happen here too."""


class _Loan:
    """A connection that is read here, and the thread that waits to have it back."""

    def __init__(self, readable: Readable) -> None:
        self.readable = readable
        self.is_taken = False  # by the selector
        self.is_over = False
        #: brings what the reading raised, or None, when the connection is given back
        self.returned: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()


class SharedReader:
    """Reads the connections that are lent to it, on the thread that calls `wait`, or on its own, the standby.

    The standby is a daemon because a script that ends without `close` must not hang; its owner ends it with `finish`.

    Args:
        name: of the standby.
        on_failure: called with an error of ours, on the thread that it ends.

    Attributes:
        is_open: whether connections are taken; not before `start`, nor after the end.
        is_waited_in: whether `wait` waits, so that `wake` is needed; another thread asks after it has put work.
    """

    _wakeup: Wakeup  # these two are made by `start`
    _selector: selectors.BaseSelector

    def __init__(self, name: str, on_failure: Callable[[BaseException], object]) -> None:
        self.is_waited_in: bool = False
        self.is_open: bool = False
        self._on_failure = on_failure
        self._arriving: deque[_Loan] = deque()
        # What the last select found: read in turn, so that each is handled before the next is read.
        self._ready: deque[tuple[selectors.SelectorKey, int]] = deque()
        # Held by the thread that reads. The dispatcher asks a standby that holds it to let go.
        self._turn = threading.Lock()
        self._is_wanted = False  # the dispatcher waits for the turn
        self._reads = 0  # how often the dispatcher has stopped waiting; counted by it
        self._is_watched = True  # the standby looks whether that goes on; false only while `is_waited_in`
        self._inbox: queue.SimpleQueue[bool] = queue.SimpleQueue()  # of the standby: false to end
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Take connections from now on. Without descriptors for that, each is read by its own thread.

        Raises:
            RuntimeError: the system has no more threads.
        """
        with contextlib.ExitStack() as undo:
            try:
                self._wakeup = undo.enter_context(contextlib.closing(Wakeup()))
                self._selector = undo.enter_context(selectors.DefaultSelector())
                self._selector.register(self._wakeup, selectors.EVENT_READ)
            except OSError:
                return
            in_child(self, SharedReader._after_fork)
            self._inbox.put(True)  # the dispatcher may have work before it ever waits
            self._thread.start()
            self.is_open = True
            undo.pop_all()

    def finish(self) -> None:
        """End the standby; connections go back to their own threads."""
        if self._thread.ident is not None:
            self._inbox.put(False)
            self._wakeup.cancel()

    def join(self, timeout: float) -> None:
        """Wait until the standby has ended, if it was ever started; `timeout` seconds at most."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    # -- for a connection's own thread -----------------------------------------------------------------------------

    def read(self, readable: Readable) -> bool:
        """Have a connection read until its own thread, which calls this, has to act. Raises what the reading raises.

        Returns:
            Whether it could be waited for; if not, its own thread has to read.
        """
        loan = _Loan(readable)
        self._arriving.append(loan)
        self.wake()
        if not self.is_open:  # it may have ended before it could see the loan
            self._give_back_all()
        error = loan.returned.get()
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback has this frame, and would keep itself alive
        return loan.is_taken

    # -- for the dispatcher ----------------------------------------------------------------------------------------

    def wait(self, is_idle: Callable[[], bool]) -> bool:
        """Read until there is work; return false, at once, if no connections are taken.

        Args:
            is_idle: whether nothing that was read, and no other thread, has put something to do. A thread that puts
                something calls `wake` afterwards if `is_waited_in`.
        """
        if not self.is_open:
            return False
        try:
            self._read_while(is_idle)
        except BaseException as error:  # of ours: what a connection raises goes to its own thread
            self.is_open = False
            self.finish()
            self._on_failure(error)
        return self.is_open

    def _read_while(self, is_idle: Callable[[], bool]) -> None:
        if not self._turn.acquire(blocking=False):
            self._is_wanted = True
            self.wake()
            self._turn.acquire()
            self._is_wanted = False
        try:
            while self.is_open and is_idle():
                if not self._ready:
                    self.is_waited_in = True
                    if is_idle():  # asked again: what comes from here on calls `wake`
                        self._ready.extend(self._selector.select())
                    self.is_waited_in = False
                    self._reads += 1
                    if not self._is_watched:
                        self._is_watched = True
                        self._inbox.put(True)
                self._serve_next()
        finally:
            self._turn.release()

    def wake(self) -> None:
        """End the wait in progress, so that it asks again whether there is work."""
        self._wakeup.wake()

    # -- the standby -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._inbox.get():
                self._watch()
        except BaseException as error:
            self._on_failure(error)
        finally:
            self._end()

    def _watch(self) -> None:
        """Look after the dispatcher until it has waited for a while, or this thread has to end."""
        waiting = 0
        while not self._wakeup.is_cancelled:
            reads = self._reads
            with contextlib.suppress(queue.Empty):
                self._inbox.put(self._inbox.get(timeout=LOOK_EVERY))  # the end
                return
            if self._reads != reads:
                waiting = 0
            elif self._turn.acquire(blocking=False):
                try:
                    self._stand_in()
                finally:
                    self._turn.release()
                waiting = 0
            elif self.is_waited_in and (waiting := waiting + 1) >= LAST_LOOK:
                self._is_watched = False
                if self.is_waited_in and self._reads == reads:
                    return
                self._is_watched = True  # it has read just now, and may have seen that it was watched

    def _stand_in(self) -> None:
        while not (self._is_wanted or self._wakeup.is_cancelled):
            if not self._ready:
                self._ready.extend(self._selector.select())
            self._serve_next()

    # -- the thread whose turn it is -------------------------------------------------------------------------------

    def _serve_next(self) -> None:
        """Read the next connection for which data has come, or do what the wakeup is for."""
        if not self._ready:
            return
        key, _ = self._ready.popleft()
        loan: _Loan | None = key.data
        if loan is None:
            self._wakeup.drain()
            self._take_loans()
        elif loan.is_over:  # given back since
            pass
        elif key.fileobj is loan.readable.wakeup:
            self._give_back(loan, None)
        else:
            self._read(loan)

    def _read(self, loan: _Loan) -> None:
        try:
            stays = loan.readable.read_now()
        except BaseException as error:
            self._give_back(loan, error)
        else:
            if not stays:
                self._give_back(loan, None)

    def _take_loans(self) -> None:
        while (loan := self._next_loan()) is not None:
            waited_for = (loan.readable, loan.readable.wakeup)
            loan.is_taken = len(self._selector.get_map()) + len(waited_for) <= MAX_DESCRIPTORS
            try:
                for each in waited_for if loan.is_taken else ():
                    self._selector.register(each, selectors.EVENT_READ, loan)
            except (ValueError, OSError):  # it is closed, or the system has no room
                loan.is_taken = False
            if not loan.is_taken:
                self._give_back(loan, None)

    def _next_loan(self) -> _Loan | None:
        """Return the next connection that has arrived, for `_take_loans` and `_give_back_all` at once."""
        try:
            return self._arriving.popleft()
        except IndexError:
            return None

    def _give_back(self, loan: _Loan, error: BaseException | None) -> None:
        loan.is_over = True
        for waited_for in (loan.readable, loan.readable.wakeup):
            with contextlib.suppress(KeyError, ValueError):  # it could not be registered
                self._selector.unregister(waited_for)
        loan.returned.put(error)

    def _end(self) -> None:
        self.is_open = False
        self.wake()  # the dispatcher, which has the turn while it waits
        with self._turn:
            loans = {key.data for key in self._selector.get_map().values() if key.data is not None}
            self._selector.close()
        self._wakeup.close()
        for loan in loans:
            loan.returned.put(None)
        self._give_back_all()

    def _give_back_all(self) -> None:
        """Give back what has arrived and was not taken. Several threads may do so at once."""
        while (loan := self._next_loan()) is not None:
            loan.returned.put(None)

    def _after_fork(self) -> None:
        self.is_open = False
        self._turn = threading.Lock()
        with contextlib.suppress(OSError):  # a child has no copy of a kqueue, and Python 3.10 closes it all the same
            self._selector.close()  # the child's copy: the parent goes on with its own
