"""Every snippet of the README works as it is written."""

from __future__ import annotations

import doctest
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vox_gateway import Client, IdentifyGate, get_gateway_bot
from vox_gateway.cli import main
from vox_gateway.testing import LocalGateway

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]


def snippet(words: str) -> str:
    """The one snippet that holds `words`."""
    (code,) = [code for code in PYTHON if words in code]
    return code


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    """Stands where Discord is: the defaults of `url` and `api_url` point at it."""
    with LocalGateway(identify_interval=0) as gateway:
        monkeypatch.setenv("DISCORD_TOKEN", "MTEw.Gabc.not-a-real-token")
        monkeypatch.setitem(Client.__init__.__kwdefaults__, "url", gateway.url)
        monkeypatch.setitem(Client.__init__.__kwdefaults__, "api_url", gateway.http_url)
        monkeypatch.setitem(get_gateway_bot.__kwdefaults__, "api_url", gateway.http_url)
        monkeypatch.setitem(Client.__init__.__kwdefaults__, "identify_gate", IdentifyGate(interval=0))
        yield gateway


def run(code: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)
    return namespace


def test_every_snippet_is_known_to_a_test() -> None:
    assert len(PYTHON) == 9
    assert [language for language, _ in BLOCKS if language not in ("python", "sh", "text")] == []


def test_the_bot_greets_and_stops(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    def talk() -> None:
        gateway.wait_connected(1)
        for content in ("hello", "!stop"):
            gateway.dispatch(
                "MESSAGE_CREATE",
                {
                    "id": "1",
                    "guild_id": gateway.guilds[0]["id"],
                    "channel_id": "2",
                    "author": {"id": "3", "username": "ada"},
                    "content": content,
                },
            )

    talker = threading.Thread(target=talk)
    talker.start()
    run(snippet("def greet"))
    talker.join(5)
    assert capsys.readouterr().out == "ada says hello\nada says !stop\n"


def test_the_bot_is_ten_lines() -> None:
    assert len([line for line in snippet("def greet").splitlines() if line.strip()]) <= 10


def test_the_flask_app_tells_its_health_and_sends(gateway: LocalGateway) -> None:
    pytest.importorskip("flask")
    namespace = run(snippet("Flask(__name__)"))
    try:
        assert namespace["client"].wait_until_ready(5)
        web = namespace["app"].test_client()
        assert web.get("/health").get_json()["status"] == "ready"
        assert web.post("/status/idle").status_code == 200
        assert gateway.expect("PRESENCE_UPDATE", 2).data["status"] == "idle"
    finally:
        namespace["client"].close()


TK_HARNESS = """
import sys, tkinter
from vox_gateway import Client

def mainloop(window):
    (messages,) = window.winfo_children()
    while not messages.size():
        window.update()
    print(messages.get(0))
    window.destroy()

Client.__init__.__kwdefaults__["url"] = sys.argv[1]
tkinter.Tk.mainloop = mainloop
exec(sys.argv[2])
"""


def test_the_tk_window_shows_messages(gateway: LocalGateway) -> None:
    pytest.importorskip("tkinter")
    if not os.environ.get("DISPLAY"):
        pytest.skip("no display; run the tests under xvfb-run to include this one")
    command = [sys.executable, "-c", TK_HARNESS, gateway.url, snippet("tkinter.Tk()")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as window:
        gateway.wait_connected(1)
        message = {"id": "1", "guild_id": gateway.guilds[0]["id"], "author": {"id": "3", "username": "ada"}}
        gateway.dispatch("MESSAGE_CREATE", message)
        assert window.communicate(timeout=15)[0] == "ada\n"


def test_the_repl_session_prints_what_it_says(gateway: LocalGateway) -> None:
    session = doctest.DocTestParser().get_doctest(snippet(">>> "), {}, "README.md", "README.md", 0)
    results = doctest.DocTestRunner(verbose=False).run(session)
    assert results.attempted > 5
    assert results.failed == 0


def test_the_commands_arrive(gateway: LocalGateway) -> None:
    run(snippet("client.send_packet"))
    sent = {one.name for one in gateway.received}
    assert sent >= {"VOICE_STATE_UPDATE", "REQUEST_GUILD_MEMBERS", "REQUEST_CHANNEL_INFO", "REQUEST_SOUNDBOARD_SOUNDS"}
    assert gateway.expect_close(2).code == 1000


def test_events_are_pulled(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()

    def talk() -> None:
        gateway.wait_connected(1)
        # Over and over, as the snippet listens only when it has come so far.
        for content in itertools.cycle(["!start", "hello", "!stop"]):
            if over.wait(0.02):
                return
            message = {"guild_id": gateway.guilds[0]["id"], "content": content, "author": {"username": "ada"}}
            gateway.dispatch("MESSAGE_CREATE", message)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        run(snippet("client.stream"))
    finally:
        over.set()
        talker.join(5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "started by ada"
    assert lines[-1] == "!stop"


def test_a_session_is_kept_over_ctrl_c(
    gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        code = snippet("session_file=").replace("print)", "interrupt)")
        ready = "READY" if number == 0 else "RESUMED"

        def interrupt(data: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

        code = code.replace('"MESSAGE_CREATE"', repr(ready))
        exec(compile(code, "README.md", "exec"), {"interrupt": interrupt})
        assert gateway.expect_close(5).code == 4000
        assert "not-a-real-token" not in (tmp_path / "session.json").read_text()


def test_discord_is_asked_first(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    run(snippet("get_gateway_bot"))
    assert capsys.readouterr().out.startswith("1 shards, 1000 of 1000 session starts remain until 20")
    assert [request.path for request in gateway.requests] == ["/gateway/bot"] * 2
    gateway.expect("IDENTIFY", 2)


def test_the_test_of_a_bot_passes() -> None:
    run(snippet("LocalGateway() as gateway"))


def test_the_commands_for_the_shell_are_those_that_ci_runs() -> None:
    """They need a fresh environment and an index, so .ci/run runs them, word for word."""
    shell = [code.strip() for language, code in BLOCKS if language == "sh"]
    assert len(shell) == 2
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert all(line.startswith(("python3 -m venv .venv", ".venv/bin/")) for line in shell)


@pytest.mark.skipif(shutil.which("vox-gateway") is None, reason="the command is not installed on the path")
def test_help_is_there_as_promised() -> None:
    help_text = subprocess.run(["vox-gateway", "--help"], capture_output=True, text=True, check=True).stdout
    assert "demo" in help_text
    assert "tail" in help_text
    assert "doctor" in help_text


def test_the_doctor_is_called_as_the_readme_says(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = [code for language, code in BLOCKS if language == "text" and code.startswith("vox-gateway ")]
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
