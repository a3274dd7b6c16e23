"""Scripts that fork, run in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from vox_gateway.testing import LocalGateway

TIMEOUT = 30.0
WORDS = "forked after connect()"

PRELUDE = """
import atexit, faulthandler, json, os, signal, ssl, sys, threading, time, traceback
from vox_gateway import *

def say(**said):
    os.write(1, json.dumps(said, default=str).encode() + b"\\n")

def make(**options):
    if authority:
        options["ssl_context"] = ssl.create_default_context(cafile=authority)
    options = {"url": url, "identify_gate": IdentifyGate(interval=0), **options}
    return Client(token="MTEw.Gabc.not-a-real-token", intents=Intents.all(), **options)

def connected(**options):
    client = make(**options)
    client.connect(async_=True)
    assert client.wait_until_ready(15)
    return client

def run_in_child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except SystemExit:
            raise
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return pid

def wait(pid):
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"

def raised(function, *args, **options):
    try:
        return f"returned {function(*args, **options)!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def go_on():
    os.read(0, 1)

def ends(pid):
    until = time.monotonic() + 20
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGABRT)  # faulthandler says where it hangs
            return False
    return True

def command(name):
    return 4, {"guild_id": str(name), "channel_id": None, "self_mute": False, "self_deaf": False}

# Commands that identify their sender.
PARENT, CHILD = command(1), command(2)

faulthandler.enable()
url, authority, *rest = sys.argv[1:]
"""


class Program:
    """A running script and its output."""

    def __init__(self, body: str, url: str, authority: str = "", *rest: str) -> None:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + body, url, authority, *rest]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors += [line.decode() for line in self.process.stderr]

    def next(self) -> dict[str, Any]:
        """Return the next line of its output, parsed."""
        said = self._said.get(timeout=TIMEOUT)
        assert said is not None, "".join(self.end()[1])
        return said

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def wait(self) -> str:
        """Wait until it exits with 0; return stderr."""
        status = self.process.wait(TIMEOUT)
        _, errors = self.end()
        assert status == 0, errors
        return errors

    def end(self) -> tuple[int, str]:
        """Kill it and its children unless they have exited; return the exit status and stderr."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait(TIMEOUT)
        for reader in self._readers:
            reader.join(TIMEOUT)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status, "".join(self._errors)


@contextlib.contextmanager
def program(body: str, url: str, authority: str = "", *rest: str) -> Iterator[Program]:
    running = Program(body, url, authority, *rest)
    try:
        yield running
    finally:
        running.end()


#: the commands of the programs, as they arrive
PARENT, CHILD = "1", "2"


def commands(gateway: LocalGateway) -> list[str]:
    """Return the guild ids of the commands received."""
    return [
        payload.data["guild_id"]
        for payload in gateway.received
        if payload.name not in ("HEARTBEAT", "IDENTIFY", "RESUME")
    ]
