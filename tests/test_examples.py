"""Each example runs as its own process, against a gateway on loopback."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from vox_gateway.testing import LocalGateway

EXAMPLES = Path(__file__).parent.parent / "examples"


@contextlib.contextmanager
def running(example: str, gateway: LocalGateway, **environment: str) -> Iterator[subprocess.Popen[str]]:
    settings = {**os.environ, "DISCORD_TOKEN": "t", "VOX_GATEWAY_URL": gateway.url, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / example)],
        env={**settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def say(gateway: LocalGateway, content: str) -> None:
    gateway.dispatch(
        "MESSAGE_CREATE",
        {"id": "1", "guild_id": gateway.guilds[0]["id"], "author": {"id": "3", "username": "ada"}, "content": content},
    )


def test_the_blocking_bot_listens_and_stops() -> None:
    with LocalGateway() as gateway, running("blocking_bot.py", gateway) as bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == "logged in as vox\n"
        assert gateway.expect("PRESENCE_UPDATE", 5).data["activities"][0]["name"] == "blocking calls"
        say(gateway, "hello")
        say(gateway, "!stop")
        out, err = bot.communicate(timeout=10)
        assert (out, bot.returncode) == ("ada: hello\nada: !stop\nclosed\n", 0), err
        assert gateway.expect_close().reason == "asked to stop"


@pytest.mark.usefixtures("unmeasured")
def test_the_flask_app_answers_and_sends() -> None:
    pytest.importorskip("flask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LocalGateway() as gateway, running("flask_app.py", gateway, PORT=str(port)) as app:
        assert app.stderr is not None
        while "Running on" not in (line := app.stderr.readline()):
            assert line, "it ended"
        gateway.wait_connected(1, timeout=30)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/status/dnd", method="POST")
        with urllib.request.urlopen(request, timeout=5) as response:
            assert response.read() == b"done\n"
        assert gateway.expect("PRESENCE_UPDATE", 5).data["status"] == "dnd"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            assert b'"status":"ready"' in response.read().replace(b" ", b"")
        app.send_signal(signal.SIGINT)
        app.communicate(timeout=10)
        assert gateway.expect_close().code == 1000


def test_the_flask_app_answers_503_while_its_client_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flask")
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    web = runpy.run_path(str(EXAMPLES / "flask_app.py"))["app"].test_client()
    assert web.post("/status/dnd").status_code == 503


def test_the_tk_window_lists_messages() -> None:
    pytest.importorskip("tkinter")
    if not os.environ.get("DISPLAY"):
        pytest.skip("no display; run the tests under xvfb-run to include this one")
    with LocalGateway() as gateway, running("tk_window.py", gateway) as window:
        gateway.wait_connected(1, timeout=30)
        say(gateway, "hello")
        say(gateway, "!stop")
        out, err = window.communicate(timeout=30)
        assert (out, window.returncode) == ("ada: hello\nada: !stop\n", 0), err
        assert gateway.expect_close().code == 1000


def test_every_example_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{example.name}"' in source for example in EXAMPLES.glob("*.py"))
    assert shutil.which(sys.executable)
