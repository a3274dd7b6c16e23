"""Checks for every test: it leaks no threads and no descriptors. Shortens the logs of failures."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis_server import RedisServer

# The same inputs in every run; HYPOTHESIS_PROFILE=explore generates new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# A shell starts background jobs with SIGINT ignored, which their children inherit; tests send SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DESCRIPTORS = Path("/proc/self/fd")
#: lines of the captured log that a failure shows; all of them with -vv
LOG_LINES = 20


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shorten the captured logs of a failure, which would hide the assertion."""
    report = yield
    if item.config.get_verbosity() < 2:
        report.sections = [(title, _end(text) if " log " in title else text) for title, text in report.sections]
    return report


def _end(text: str) -> str:
    lines = text.splitlines()
    left_out = len(lines) - LOG_LINES
    return text if left_out <= 0 else "\n".join([f"({left_out} lines omitted, see -vv)", *lines[-LOG_LINES:]])


def open_descriptors() -> dict[str, str]:
    """Return the open sockets and pipes by number; other files depend on the test tools."""
    found = {}
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith(("socket:", "pipe:")):
            found[entry.name] = target
    return found


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server for all tests; they use different bots."""
    pytest.importorskip("redis")
    if not RedisServer.is_installed():
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server.url
    server.stop()


@pytest.fixture(autouse=True, scope="session")
def main_thread_wakeup() -> None:
    """Create the sockets that wake the main thread, once for the process, before a test counts descriptors."""
    from vox_gateway.concurrency.signals import SignalSafeEvent  # imported late, so that coverage is measured

    SignalSafeEvent().wait(0.001)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fails a test that leaves a thread, a socket or a pipe open."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
        assert not thread.is_alive(), f"the thread {thread.name} is still running"
    if set(open_descriptors().items()) - set(descriptors.items()):
        gc.collect()  # unreachable objects are not leaks
    left = set(open_descriptors().items()) - set(descriptors.items())
    assert not left, f"still open: {left}"


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disables coverage in the subprocesses of a test.

    For tests that send SIGINT, since coverage.py holds a lock while it registers a file, which SIGINT at that moment
    would leave locked forever; and for long computations in which other tests have covered all that is ours.
    """
    for name in [name for name in os.environ if "COV" in name]:
        monkeypatch.delenv(name)
