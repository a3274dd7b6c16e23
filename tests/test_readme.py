"""Every snippet of the README works as it is written."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from snippets import ROOT, Snippet, gateway_for_discord, say, snippets

from vox_gateway import Client
from vox_gateway.cli import main
from vox_gateway.testing import LocalGateway

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = snippets(ROOT / "README.md")
PYTHON = [one for one in BLOCKS if one.language == "python"]


def snippet(words: str) -> Snippet:
    """The one snippet that holds `words`."""
    (found,) = [one for one in PYTHON if words in one.code]
    return found


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    """Stands where Discord is."""
    with gateway_for_discord(monkeypatch) as gateway:
        yield gateway


def test_every_snippet_is_known_to_a_test() -> None:
    assert len(PYTHON) == 11
    assert {one.language for one in BLOCKS} == {"python", "sh", "text"}


def test_the_bot_greets_and_stops(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    def talk() -> None:
        gateway.wait_connected(1)
        say(gateway, "hello")
        say(gateway, "!stop")

    talker = threading.Thread(target=talk)
    talker.start()
    snippet("def greet").run()
    talker.join(5)
    assert capsys.readouterr().out == "ada says hello\nada says !stop\n"


def test_the_bot_is_ten_lines() -> None:
    assert len([line for line in snippet("def greet").code.splitlines() if line.strip()]) <= 10


def test_the_flask_app_tells_its_health_and_sends(gateway: LocalGateway) -> None:
    pytest.importorskip("flask")
    namespace = snippet("Flask(__name__)").run()
    try:
        assert namespace["client"].wait_until_ready(5)
        web = namespace["app"].test_client()
        answer = web.get("/health")
        assert (answer.status_code, answer.get_json()["status"]) == (200, "ready")
        assert web.post("/status/idle").status_code == 200
        assert gateway.expect("PRESENCE_UPDATE", 2).data["status"] == "idle"
    finally:
        namespace["client"].close()
    answer = web.get("/health")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "closed")


TK_HARNESS = """
import sys, tkinter
from vox_gateway import Client
from vox_gateway.cli import main

def mainloop(window):
    (messages,) = window.winfo_children()

    def look():
        if messages.size():
            print(messages.get(0))
            window.destroy()
        else:
            window.after(10, look)

    look()
    window.tk.mainloop(0)

Client.__init__.__kwdefaults__["url"] = sys.argv[1]
tkinter.Tk.mainloop = mainloop
exec(sys.argv[2])
"""


def test_the_tk_window_shows_messages(gateway: LocalGateway) -> None:
    pytest.importorskip("tkinter")
    if not os.environ.get("DISPLAY"):
        pytest.skip("no display; run the tests under xvfb-run to include this one")
    command = [sys.executable, "-c", TK_HARNESS, gateway.url, snippet("tkinter.Tk()").code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as window:
        try:
            gateway.wait_connected(1, timeout=30)
            say(gateway, "hello")
            assert window.communicate(timeout=30)[0] == "ada\n"
        finally:
            window.kill()  # or the end of the block would wait forever for a window that shows nothing


def test_the_repl_session_prints_what_it_says(gateway: LocalGateway) -> None:
    assert snippet(">>> ").is_session
    snippet(">>> ").run()


def test_the_commands_arrive(gateway: LocalGateway) -> None:
    snippet("client.send_packet").run()
    sent = {one.name for one in gateway.received}
    assert sent >= {"VOICE_STATE_UPDATE", "REQUEST_GUILD_MEMBERS", "REQUEST_CHANNEL_INFO", "REQUEST_SOUNDBOARD_SOUNDS"}
    assert gateway.expect_close(2).code == 1000


def test_questions_are_answered(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    snippet("client.fetch_guild_members").run()
    names, voice, *rest = capsys.readouterr().out.splitlines()
    assert names == "['ada']"
    assert voice.startswith("open a voice connection to local-gateway.invalid:443 with session_id ")
    assert rest == ["sound quack", "channel 1200000000000000012 Listening to rain"]


def test_events_are_pulled(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()

    def talk() -> None:
        gateway.wait_connected(1)
        # Over and over, as the snippet listens only when it has come so far.
        for content in itertools.cycle(["!start", "hello", "!stop"]):
            if over.wait(0.02):
                return
            say(gateway, content)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        snippet("client.stream").run()
    finally:
        over.set()
        talker.join(5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "started by ada"
    assert lines[-1] == "!stop"


def test_a_session_is_kept_over_ctrl_c(gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        code = snippet("session_file=").code.replace("print)", "interrupt)")
        ready = "READY" if number == 0 else "RESUMED"

        def interrupt(data: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

        code = code.replace('"MESSAGE_CREATE"', repr(ready))
        exec(compile(code, "README.md", "exec"), {"interrupt": interrupt})
        assert gateway.expect_close(5).code == 4000
        assert "not-a-real-token" not in (tmp_path / "session.json").read_text()


def test_discord_is_asked_first(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    snippet("get_gateway_bot").run()
    assert capsys.readouterr().out.startswith("1 shards, 1000 of 1000 session starts remain until 20")
    assert [request.path for request in gateway.requests] == ["/gateway/bot"] * 2
    gateway.expect("IDENTIFY", 2)


def explained_in_general(explained: str) -> list[str]:
    """The lines of `Client.explain`, without their figures and names."""
    times, names = r"^ *|\d+ min \d+ s|\d+(\.\d+)? s\b", r"session \w+…|(?<=connecting to )[^,]+"
    return [re.sub(rf"{times}|{names}|seq \d+|\d+ (?=event|heartbeats)", "*", line) for line in explained.splitlines()]


def test_what_is_explained_reads_as_it_does_here(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = [one.code for one in BLOCKS if one.language == "text" and "now: " in one.code]
    with gateway_for_discord(monkeypatch, heartbeat_interval=0.3) as gateway, Client(token="any") as client:
        end, pause = time.monotonic() + 20, threading.Event()

        def wait_for(words: str) -> None:
            while words not in client.explain():
                assert time.monotonic() < end, client.explain()
                pause.wait(0.05)

        wait_for("heartbeats acknowledged")
        gateway.reconnect()
        wait_for("resumed, with")
        wait_for("now: connected, waiting for events")
        explained = explained_in_general(client.explain())
    if "acknowledged" in explained[-2]:  # by now there may have been a heartbeat on the second connection too
        del explained[-2]
    assert explained == explained_in_general(shown)


def test_the_metrics_can_be_scraped(gateway: LocalGateway) -> None:
    pytest.importorskip("prometheus_client")
    one = snippet("GatewayCollector")
    assert "(9000)" in one.code
    found = replace(one, code=one.code.replace("(9000)", "(0, addr='127.0.0.1')")).run()
    try:
        assert found["client"].wait_until_ready(5)
        with urllib.request.urlopen(f"http://127.0.0.1:{found['server'].server_port}/", timeout=10) as answer:
            metrics = answer.read().decode()
        for name in re.findall(r"`(vox_gateway_\w+)`", README):
            assert f'\n{name}{{shard="0"}} ' in metrics or name == "vox_gateway_latency_seconds"
        assert 'vox_gateway_up{shard="0"} 1.0' in metrics
        assert "# TYPE vox_gateway_latency_seconds gauge" in metrics
    finally:
        found["client"].close()
        found["prometheus_client"].REGISTRY.unregister(found["collector"])
        found["server"].shutdown()
        found["server"].server_close()
        found["thread"].join(10)


def test_the_reference_names_every_metric() -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    from vox_gateway.prometheus import GatewayCollector

    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    registry = prometheus_client.CollectorRegistry()
    collector = GatewayCollector(Client(token="any"), registry=registry)
    kinds = {"gauge": "gauge", "counter": "counter", "stateset": "state set"}
    endings = {"counter": "_total"}
    metrics = collector.describe()
    offered = {f"| `{one.name}{endings.get(one.type, '')}` | {kinds[one.type]} |" for one in metrics}
    told = {re.match(r"\| `[^|]*\|[^|]*\|", line) for line in page.splitlines()} - {None}
    assert offered == {match[0] for match in told if match}


def test_the_test_of_a_bot_passes() -> None:
    snippet("LocalGateway() as gateway").run()


def test_the_commands_for_the_shell_are_those_that_ci_runs() -> None:
    """They need a fresh environment and an index, so .ci/run runs them, word for word."""
    shell = [one.code.strip() for one in BLOCKS if one.language == "sh"]
    assert len(shell) == 2
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert all(line.startswith(("python3 -m venv .venv", ".venv/bin/")) for line in shell)


@pytest.mark.skipif(shutil.which("vox-gateway") is None, reason="the command is not installed on the path")
def test_each_command_and_option_that_is_told_is_there() -> None:
    section = README[README.index("## The command") : README.index("## Formats and speed")]
    help_text = subprocess.run(["vox-gateway", "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^    ([a-z]+) ", help_text, re.MULTILINE)
    assert sorted(re.findall(r"^\| `([a-z]+)", section, re.MULTILINE)) == sorted(commands)
    of_all = "".join(
        subprocess.run(["vox-gateway", one, "--help"], capture_output=True, text=True, check=True).stdout
        for one in ("tail", "record")
    )
    options = set(re.findall(r"--[a-z]+", section)) - {"--help"}
    assert options >= {"--pretty", "--shards", "--intents"}
    assert [one for one in options if f" {one}" not in of_all] == []


def test_the_doctor_is_called_as_the_readme_says(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = [one.code for one in BLOCKS if one.language == "text" and one.code.startswith("vox-gateway ")]
    program, *argv = command.split()
    assert program == "vox-gateway"
    assert main([*argv, "--url", gateway.url]) == 0
    said = capsys.readouterr().out
    for check in ("versions", "proxy", "name lookup", "API", "clock", "token", "session starts", "intents"):
        assert check in said


def test_every_option_of_the_client_is_in_the_table() -> None:
    table = README[README.index("## Options") : README.index("## What the client knows")]
    missing = [name for name in Client.__init__.__kwdefaults__ if f"`{name}`" not in table]
    assert missing == []
