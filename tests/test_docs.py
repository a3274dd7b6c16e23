"""Every snippet and every shell command of the site works as it is written.

A page that is added needs nothing here: its snippets of Python are run to their end, against a gateway that stands
where Discord is, and with Ada, who says "hello" and "!stop" to those that listen for messages; those that are tests are
run by pytest. Its shell commands are run one after the other, beside the files that the page shows. What a page says
that a snippet prints ("It prints:" and a block of text), it must print.
"""

from __future__ import annotations

import configparser
import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from growing_file import await_text
from snippets import ROOT, Snippet, gateway_for_discord, included_files, say, snippets

import vox_gateway
import vox_gateway.testing
from vox_gateway import Intents, ShardManager
from vox_gateway.shard import messages, run_state
from vox_gateway.testing import LocalGateway

pytest_plugins = ["pytester"]

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
PICTURES = sorted((DOCS / "pictures").glob("*.dot"))
FIRST_BOT = ROOT / "examples" / "first_bot"
PYTHON = [one for page in PAGES for one in snippets(page, "python")]
TESTS = [one for one in PYTHON if "import pytest" in one.code]
#: those that have a test of their own, here or in test_how_to.py, by a word of theirs
SPECIAL = (
    "COMPANY_CA",
    "logging.basicConfig",
    "JsonFormatter",
    "opentelemetry",
    "session_file=",
    "start_http_server",
    "def pong",
    "manager.drain",
)
SCRIPTS = [one for one in PYTHON if one not in TESTS and not any(word in one.code for word in SPECIAL)]

#: seconds after which something that should have ended is ended
TOO_LONG = 60

#: pages with a gateway that is not like the others, or with more than one client
GATEWAYS: dict[str, dict[str, Any]] = {
    "how-to/errors.md": {"allowed_intents": Intents.default()},
    "how-to/sharding.md": {"shards": 2},
    "how-to/processes.md": {"shards": 2, "max_concurrency": 2},
}
CLIENTS = {"how-to/sharding.md": 2, "how-to/processes.md": 2}


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def special(word: str) -> Snippet:
    (found,) = [one for one in PYTHON if word in one.code]
    return found


@contextlib.contextmanager
def not_for_ever(end: Callable[[], object]) -> Iterator[None]:
    """Ends what takes too long, so that it fails and does not hang."""
    timer = threading.Timer(TOO_LONG, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextlib.contextmanager
def ada(gateway: LocalGateway, clients: int, again: bool) -> Iterator[None]:
    """Talks to the bot as soon as it is there; `again` and again where it begins to listen only then."""
    over = threading.Event()

    def talk() -> None:
        gateway.wait_connected(clients)
        while True:
            say(gateway, "hello")
            say(gateway, "!stop")
            if not again or over.wait(0.05):
                break

    talker = threading.Thread(target=talk, name="test-ada", daemon=True)
    talker.start()
    try:
        yield
    finally:
        over.set()
        talker.join(10)


@pytest.mark.parametrize("snippet", SCRIPTS, ids=str)
def test_a_snippet_runs(
    snippet: Snippet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    page = name(snippet.page)
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(gateway_for_discord(monkeypatch, **GATEWAYS.get(page, {})))
        stack.enter_context(not_for_ever(lambda: gateway.drop("close", code=4004)))
        if "coordination=" in snippet.code:  # which has a gate of its own
            monkeypatch.setitem(ShardManager.__init__.__kwdefaults__, "identify_gate", None)
        if "MESSAGE_CREATE" in snippet.code:
            stack.enter_context(ada(gateway, CLIENTS.get(page, 1), "wait_for" in snippet.code))
        snippet.run()
    if snippet.prints is not None:
        assert capsys.readouterr().out == snippet.prints


@pytest.mark.parametrize("snippet", TESTS, ids=str)
def test_a_test_passes(snippet: Snippet, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(snippet.code)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_certificate_of_a_company_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    ssl = pytest.importorskip("ssl")
    company = trustme.CA()
    company.cert_pem.write_to_path(tmp_path / "company.pem")
    monkeypatch.setenv("COMPANY_CA", str(tmp_path / "company.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    company.issue_cert("127.0.0.1").configure_cert(context)
    with gateway_for_discord(monkeypatch, ssl_context=context):
        with special("COMPANY_CA").run()["client"] as client:
            assert client.wait_until_ready(10)


def test_the_log_tells_what_happens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    level = logging.root.level
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's own, which would keep basicConfig from adding one
    try:
        with gateway_for_discord(monkeypatch):
            special("logging.basicConfig").run()
    finally:
        logging.root.setLevel(level)
    told = capsys.readouterr().out
    assert "INFO" in told
    assert "connecting to" in told
    assert "ready" in told


# -- the shell --------------------------------------------------------------------------------------------------------


def folder_of(page: Path, work: Path) -> Path:
    """A folder with the files that a page shows, and with what its commands find in .venv/bin."""
    for file in included_files(page):
        shutil.copy(file, work)
    programs = work / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program, command in (("python", ""), ("vox-gateway", " -m vox_gateway")):
        path = programs / program
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}"{command} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
    return work


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTEST_ADDOPTS", "DISCORD_TOKEN")}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


#: pages with commands that run until they are told to end
LONG_RUNNING = ("tutorial", "real-traffic", "serve")


def commands(page: Path) -> list[str]:
    return [one.code.strip() for one in snippets(page, "sh")]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page) and page.stem not in LONG_RUNNING], ids=name)
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    folder = folder_of(page, tmp_path)
    with LocalGateway() as gateway:
        for command in commands(page):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=environment(DISCORD_TOKEN="any", VOX_GATEWAY_URL=gateway.url),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TOO_LONG,
                check=False,
            )
            assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def started(command: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is told to end; the shell gives way to it, so that signals reach it."""
    with subprocess.Popen(
        ["bash", "-c", f"exec env {command}"],
        cwd=folder,
        env=environment(**settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            with not_for_ever(process.kill):
                yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], line: str) -> None:
    """Read up to this line; it fails when the process ends before."""
    assert process.stdout is not None
    while (told := process.stdout.readline()) != f"{line}\n":
        assert told, f"it ended before it said {line!r}"


def type_in(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> int:
    process.send_signal(how)
    process.communicate(timeout=10)
    return process.returncode


@pytest.mark.usefixtures("unmeasured")
def test_the_tutorial_goes_as_it_says(tmp_path: Path) -> None:
    page = DOCS / "tutorial.md"
    install, start_gateway, start_bot = commands(page)
    assert any(one.startswith(f"{install} &&") for one in commands(ROOT / "README.md")), ".ci/run runs those"

    folder = folder_of(page, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    start_gateway = f"{start_gateway} --port {port}"
    assert ":8080 " in start_bot

    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(started(start_gateway, folder))
        read_until(gateway, "Ctrl-C to stop")
        bot = stack.enter_context(started(start_bot.replace("8080", port), folder))
        read_until(bot, "logged in as vox")
        for line in ("hello", "!busy"):
            type_in(gateway, line)
            read_until(bot, f"ada: {line}")
        read_until_shown(gateway, "PRESENCE_UPDATE")
        assert end(gateway) == 0
        gateway = stack.enter_context(started(start_gateway, folder))
        read_until(bot, "logged in as vox")
        type_in(gateway, "hello again")
        read_until(bot, "ada: hello again")
        assert end(bot) == 0


@pytest.mark.usefixtures("unmeasured")
def test_real_traffic_is_recorded_and_replayed_as_it_says(tmp_path: Path) -> None:
    record, replay, start_bot = commands(DOCS / "how-to" / "real-traffic.md")
    folder = folder_of(DOCS / "tutorial.md", tmp_path)
    with LocalGateway(token="right") as discord:
        with started(f"{record} --url {discord.url}", folder, DISCORD_TOKEN="right") as recorder:
            discord.wait_connected(timeout=TOO_LONG)
            say(discord, "it was a busy evening")
            await_text(folder / "events.jsonl", b"it was a busy evening")
            assert end(recorder) == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with started(f"{replay} --port {port}", folder) as player:
        read_until(player, "waiting for a client to connect; Ctrl-C to stop")
        assert ":8080 " in start_bot
        with started(start_bot.replace("8080", port), folder) as bot:
            read_until(bot, "ada: it was a busy evening")
            output, _ = player.communicate(timeout=TOO_LONG)
    assert player.returncode == 0
    assert "sent 3 events" in output


def read_until_shown(process: subprocess.Popen[str], *parts: str) -> None:
    """Read up to a line that contains the first part, then the next; it fails when the process ends before."""
    assert process.stdout is not None
    for part in parts:
        while part not in (line := process.stdout.readline()):
            assert line, f"it ended before it said {part!r}"


@pytest.mark.usefixtures("unmeasured")
def test_a_bot_is_tried_without_discord_as_it_says(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "serve.md"
    serve, start_bot, play = commands(page)
    folder = folder_of(page, tmp_path)
    for file in included_files(DOCS / "how-to" / "reply.md"):
        shutil.copy(file, folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    start_bot = start_bot.replace("8080", port)
    with started(f"{serve} --port {port}", folder, COLUMNS="200") as gateway:
        read_until(gateway, "Ctrl-C to stop")
        with started(start_bot, folder) as bot:
            read_until_shown(gateway, "PUT /api/v10/applications/")
            for line in re.findall(
                r"^\| `(.+?)` \| (?:a message|an interaction|the same)", page.read_text("utf-8"), re.MULTILINE
            ):
                type_in(gateway, line)
                read_until_shown(gateway, line.partition(": ")[2] or line)
            read_until_shown(gateway, "POST /api/v10/channels/", "hello")
            assert end(bot) == 0
        assert end(gateway) == 0
    with started(f"{play} --port {port}", folder, COLUMNS="200") as gateway:
        read_until(gateway, "Ctrl-C to stop")
        with started(start_bot, folder) as bot:
            read_until_shown(gateway, "POST /api/v10/interactions/", "You")
            read_until_shown(gateway, "RESUMED")
            read_until_shown(gateway, "POST /api/v10/channels/", "nothing")
            assert end(bot) == 0
        assert end(gateway) == 0


@pytest.mark.usefixtures("unmeasured")
def test_a_supervisor_keeps_the_bot_running_as_the_service_file_says(tmp_path: Path) -> None:
    service = configparser.ConfigParser()
    service.optionxform = str  # type: ignore[assignment, method-assign]
    service.read(FIRST_BOT / "bot.service", encoding="utf-8")
    settings = service["Service"]
    folder = folder_of(DOCS / "tutorial.md", tmp_path)
    command = settings["ExecStart"].replace(settings["WorkingDirectory"], str(folder))

    with LocalGateway(token="right", identify_interval=0) as gateway:
        gateway.faults.refuse_upgrade(403)  # the first of these; the second gets as far as the token
        for _ in range(2):
            with started(command, folder, VOX_GATEWAY_URL=gateway.url, DISCORD_TOKEN="wrong") as bot:
                bot.communicate(timeout=20)
                assert str(bot.returncode) == settings["RestartPreventExitStatus"]
        with started(command, folder, VOX_GATEWAY_URL=gateway.url, DISCORD_TOKEN="right") as bot:
            read_until(bot, "logged in as vox")
            assert end(bot, signal.SIGKILL) != 0  # a failure, after which it is started again
            assert settings["Restart"] == "on-failure"
        with started(command, folder, VOX_GATEWAY_URL=gateway.url, DISCORD_TOKEN="right") as bot:
            read_until(bot, "logged in as vox")
            assert end(bot, signal.Signals[settings["KillSignal"]]) == 0
            assert gateway.expect_close(5, by="client", where=lambda closed: closed.code == 1000)


def test_every_file_of_a_bot_is_on_a_page() -> None:
    """And so it is run here, by the commands of that page."""
    folders = [one for one in (ROOT / "examples").iterdir() if one.is_dir()]
    files = {file for folder in folders for file in folder.iterdir() if file.suffix in (".py", ".service")}
    assert files - {file for page in PAGES for file in included_files(page)} == set()


# -- the pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_holds_no_code_that_nobody_runs(page: Path) -> None:
    languages = {one.language for one in snippets(page) if not one.language.startswith("{")}
    assert languages <= {"python", "sh", "text", "ruby"}
    for file in included_files(page):
        assert file.relative_to(ROOT).parts[0] == "examples"


def test_each_picture_is_on_a_page_with_a_text_for_those_who_do_not_see_it() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = re.findall(r"^```\{graphviz\} (\S+)\n:alt: \S", text, re.MULTILINE)
    assert sorted(shown) == [picture.relative_to(DOCS).as_posix() for picture in PICTURES]


def test_the_picture_of_the_threads_has_the_names_of_the_source() -> None:
    picture = (DOCS / "pictures" / "threads.dot").read_text(encoding="utf-8")
    labels = " ".join(re.findall(r'label="([^"]*)"', picture)).replace("\\l", " ").replace("\\n", " ")
    classes = set(re.findall(r"\b[A-Z]\w+", labels)) - {"Discord", "Gateway"}
    assert classes - {"RunState"} <= set(messages.__all__)
    assert {"RunState"} <= classes & set(run_state.__all__)
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "vox_gateway").rglob("*.py"))
    for thread in ("reader", "heartbeat", "dispatcher", "reconnect"):
        assert re.search(rf"^    {thread}\b", picture, re.MULTILINE)
        assert re.search(rf'name}}-{thread}["{{]', source)  # a number may follow


def test_the_reference_is_complete() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    offered = {*vox_gateway.__all__, *vox_gateway.testing.__all__} - {"__version__", "events"}  # a page of its own
    automatic = set(vox_gateway.errors.__all__)
    assert [one for one in sorted(offered - automatic) if f":: {one}\n" not in pages] == []
    assert ".. automodule:: vox_gateway.errors\n   :members:" in pages
