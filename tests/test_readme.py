"""The README: every snippet works as it is written, every link leads to a page, and it stays short."""

from __future__ import annotations

import configparser
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, Snippet, gateway_for_discord, say, snippets

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
    assert len(PYTHON) == 6
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
        assert gateway.expect("PRESENCE_UPDATE").data["status"] == "idle"
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


def test_questions_are_answered(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    snippet("client.fetch_guild_members").run()
    assert capsys.readouterr().out == "['ada']\nvoice server: local-gateway.invalid:443\n"


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
    section = README[README.index("## The command") : README.index("## Links")]
    help_text = subprocess.run(["vox-gateway", "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^    ([a-z]+) ", help_text, re.MULTILINE)
    cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`([a-z]+)", " ".join(cells))) == sorted(commands)
    of_all = "".join(
        subprocess.run(["vox-gateway", one, "--help"], capture_output=True, text=True, check=True).stdout
        for one in ("tail", "record")
    )
    options = set(re.findall(r"--[a-z]+", section)) - {"--help"}
    assert options >= {"--pretty"}
    assert [one for one in options if f" {one}" not in of_all] == []


def test_it_is_short_and_in_order() -> None:
    assert len(README.splitlines()) <= 200
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == [
        "Why threads",
        "What it does not do",
        "Install",
        "A bot",
        "Beside Flask or Tk",
        "Pull",
        "Ask",
        "Test your bot",
        "The command",
        "Links",
    ]


def metadata() -> configparser.SectionProxy:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return settings["metadata"]


def test_the_badges_are_true() -> None:
    pythons = re.findall(r":: (3\.\d+)$", metadata()["classifiers"], re.MULTILINE)
    badges = re.findall(r"\(https://img\.shields\.io/badge/([^)]+)\)", README)
    assert badges == [f"python-{pythons[0]}_to_{pythons[-1]}-blue", f"license-{metadata()['license_expression']}-blue"]


def test_every_link_is_absolute_and_leads_to_a_file_of_this_project() -> None:
    """PyPI shows the README without the files beside it."""
    urls = dict(line.split(" = ") for line in metadata()["project_urls"].split("\n") if line)
    source, site = urls["Homepage"], f"{urls['Documentation']}/en/latest/"
    raw = source.replace("//github.com/", "//raw.githubusercontent.com/")
    missing = []
    for link in re.findall(r"\]\(([^)]+)\)", README):
        if link.startswith(site):
            page = link.removeprefix(site).partition("#")[0] or "index.html"
            path = Path("docs", page).with_suffix(".md")
        elif link.startswith((source, raw)):
            path = Path(re.sub(rf"^({source}/blob|{raw})/main/", "", link))
        elif link.startswith("#"):
            path = Path("README.md")
            assert f"\n## {link[1:].replace('-', ' ').capitalize()}\n" in README
        else:
            assert link.startswith("https://")
            continue
        if not (ROOT / path).is_file():
            missing.append(link)
    assert missing == []
