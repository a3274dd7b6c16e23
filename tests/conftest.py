"""What every test is held to: it leaves no thread and no descriptor behind. And what a failure shows."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same inputs every time: a change is judged by what it changes. HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# A shell starts background jobs with SIGINT ignored, and all their children with it: Ctrl-C could not be tested there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DESCRIPTORS = Path("/proc/self/fd")
#: lines of the captured log that a failure shows; all of them with -vv
LOG_LINES = 20


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shorten the captured logs of a failure: hundreds of lines at DEBUG hide the assertion."""
    report = yield
    if item.config.get_verbosity() < 2:
        report.sections = [(title, _end(text) if " log " in title else text) for title, text in report.sections]
    return report


def _end(text: str) -> str:
    lines = text.splitlines()
    left_out = len(lines) - LOG_LINES
    return text if left_out <= 0 else "\n".join([f"({left_out} lines before, see -vv)", *lines[-LOG_LINES:]])


def open_descriptors() -> dict[str, str]:
    """Sockets and pipes that are open, by number; other files come and go with the tools."""
    found = {}
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith(("socket:", "pipe:")):
            found[entry.name] = target
    return found


@pytest.fixture(autouse=True, scope="session")
def what_wakes_the_main_thread() -> None:
    """Made once for a process and kept: make it before any test counts descriptors."""
    from vox_gateway.concurrency.signals import SignalSafeEvent  # not before coverage is measured

    SignalSafeEvent().wait(0.001)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails a test that leaves a thread, a socket or a pipe behind."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
        assert not thread.is_alive(), f"the thread {thread.name} is still running"
    if set(open_descriptors().items()) - set(descriptors.items()):
        gc.collect()  # what only waits to be collected is not left behind
    left = set(open_descriptors().items()) - set(descriptors.items())
    assert not left, f"still open: {left}"


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that press Ctrl-C: the processes that they start are not measured for coverage.

    Where it notes a new file, coverage.py holds a lock of its own. Ctrl-C at that moment leaves it locked for ever.
    """
    for name in [name for name in os.environ if "COV" in name]:
        monkeypatch.delenv(name)
