"""Forks by multiprocessing, subprocess and gunicorn. Uses real processes."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forked_program import PARENT, TIMEOUT, WORDS, commands, program
from snippets import ROOT, snippets

from vox_gateway.testing import LocalGateway

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]


PAGE = ROOT / "docs" / "how-to" / "fork.md"

PROCESSES = """
import multiprocessing, subprocess

context = multiprocessing.get_context("fork")
client = make()

def work(results):
    results.put([client.status, raised(client.send_packet, *CHILD)])

def start():
    results = context.SimpleQueue()
    process = context.Process(target=work, args=(results,))
    process.start()
    status, sent = results.get()
    process.join()
    say(status=status, sent=sent, exitcode=process.exitcode)

def initialize(both):
    global barrier
    barrier = both
    client.connect(async_=True)
    assert client.wait_until_ready(15)

def ask(number):
    barrier.wait(15)  # so that each process gets a task
    client.send_packet(*command(number), timeout=10)
    return client.stats.identifies

client.on("MESSAGE_CREATE", lambda message: start())
client.connect(async_=True)
assert client.wait_until_ready(15)
start()
go_on()
with context.Pool(2, initialize, [context.Barrier(2)]) as pool:
    say(identifies=pool.map(ask, range(10, 14), chunksize=1))
command = [sys.executable, "-c", "print('hello')"]
say(output=subprocess.run(command, capture_output=True, text=True).stdout)
say(output=subprocess.run(command, capture_output=True, text=True, preexec_fn=os.getpid).stdout)
say(output=subprocess.run(command, capture_output=True, text=True, close_fds=False).stdout)
client.send_packet(*PARENT, timeout=10)
say(reconnects=client.stats.reconnects)
client.close()
"""


def test_multiprocessing_and_subprocess(gateway: LocalGateway) -> None:
    with program(PROCESSES, gateway.url) as processes:
        for place in ("main", "handler"):
            if place == "handler":
                gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "start"})
            said = processes.next()
            assert said["status"] == "closed"
            assert WORDS in said["sent"]
            assert said["exitcode"] == 0
        processes.go_on()
        assert processes.next() == {"identifies": [1, 1, 1, 1]}
        for _ in range(3):
            assert processes.next() == {"output": "hello\n"}
        assert processes.next() == {"reconnects": 0}
        processes.wait()
    assert sorted(commands(gateway)[:-1]) == ["10", "11", "12", "13"]
    assert commands(gateway)[-1] == PARENT
    assert len(gateway.connections) == 3


def test_the_process_pool_of_the_how_to_page(gateway: LocalGateway, tmp_path: Path) -> None:
    (snippet,) = [snippet for snippet in snippets(PAGE, "python") if "__main__" in snippet.code]
    (tmp_path / "snippet.py").write_text(snippet.code)
    body = """
import contextlib, io, runpy

Client.__init__.__kwdefaults__["url"] = url
os.environ["DISCORD_TOKEN"] = "MTEw.Gabc.not-a-real-token"
with contextlib.redirect_stdout(io.StringIO()) as printed:
    runpy.run_path(rest[0], run_name="__main__")
say(printed=printed.getvalue())
"""
    with program(body, gateway.url, "", str(tmp_path / "snippet.py")) as pool:
        assert pool.next() == {"printed": "ready\n"}
        pool.wait()
    assert gateway.expect("PRESENCE_UPDATE", TIMEOUT).data["status"] == "dnd"


APP = """
import os, sys
from flask import Flask
from vox_gateway import Client, IdentifyGate, NotConnected

client = Client(url=os.environ["VOX_GATEWAY_URL"], token="MTEw.Gabc.any", identify_gate=IdentifyGate(interval=0))
client.on("MESSAGE_CREATE", lambda message: print("handled by", os.getpid(), file=sys.stderr, flush=True))
client.connect(async_=True)
app = Flask(__name__)

@app.get("/health")
def health():
    found = client.health()
    return found, 200 if found["ok"] else 503

@app.post("/status/<status>")
def set_status(status):
    client.presence_update(status=status, timeout=5)
    return "done"

@app.errorhandler(NotConnected)
def not_connected(error):
    return str(error), 503
"""


class Gunicorn:
    """A running gunicorn with `APP`."""

    def __init__(self, folder: Path, gateway: LocalGateway, *options: str) -> None:
        (folder / "app.py").write_text(APP)
        command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--preload", *options, "app:app"]
        environment = {**os.environ, "VOX_GATEWAY_URL": gateway.url}
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def line(self, pattern: str) -> str:
        """Wait for a line that matches `pattern`; return its group."""
        seen = []
        with contextlib.suppress(queue.Empty):
            while line := self._lines.get(timeout=TIMEOUT):
                seen.append(line)
                if found := re.search(pattern, line):
                    return found[1]
        raise AssertionError(f"no line matches {pattern!r}: {''.join(seen)}")

    def ask(self, url: str, data: bytes | None = None) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, data, timeout=TIMEOUT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(TIMEOUT)
        assert self.process.stderr is not None
        self.process.stderr.close()


RunGunicorn = Callable[..., Gunicorn]


@pytest.fixture
def gunicorn(gateway: LocalGateway, tmp_path: Path) -> Iterator[RunGunicorn]:
    """Runs gunicorn with the app; ends it at the end."""
    for package in ("gunicorn", "flask"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    with contextlib.ExitStack() as stack:

        def start(*options: str) -> Gunicorn:
            server = Gunicorn(tmp_path, gateway, *options)
            stack.callback(server.end)
            return server

        yield start


def test_gunicorn_that_loads_the_app_before_forking(gateway: LocalGateway, gunicorn: RunGunicorn) -> None:
    server = gunicorn("--workers", "1")
    base = server.line(r"Listening at: (http://\S+)")
    worker = int(server.line(r"Booting worker with pid: (\d+)"))
    status, health = server.ask(f"{base}/health")
    assert status == 503
    assert WORDS in json.loads(health)["last_error"]
    status, words = server.ask(f"{base}/status/dnd", b"")
    assert status == 503
    assert WORDS in words
    assert WORDS in server.line(f"(.*{re.escape(WORDS)}.*)")  # also in the log
    gateway.wait_connected(1, TIMEOUT)
    os.kill(worker, signal.SIGTERM)
    server.line(r"Booting worker with pid: (\d+)")  # its replacement
    assert len(gateway.connections) == 1
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
    assert int(server.line(r"handled by (\d+)")) == server.process.pid
    assert commands(gateway) == []
    server.end()
    assert gateway.expect_close(TIMEOUT).connection == 1


def test_gunicorn_with_workers_that_connect_after_the_fork(
    gateway: LocalGateway, gunicorn: RunGunicorn, tmp_path: Path
) -> None:
    (settings,) = [snippet for snippet in snippets(PAGE, "python") if "post_fork" in snippet.code]
    (tmp_path / "gunicorn.conf.py").write_text(settings.code)
    server = gunicorn("--workers", "1")
    base = server.line(r"Listening at: (http://\S+)")
    gateway.wait_connected(2, TIMEOUT)
    assert server.ask(f"{base}/status/dnd", b"") == (200, "done")
    assert gateway.expect("PRESENCE_UPDATE", TIMEOUT).data["status"] == "dnd"
    assert server.ask(f"{base}/health")[0] == 200
