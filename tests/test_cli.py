"""The command, as a person runs it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from vox_gateway import Intents, __version__
from vox_gateway.cli import main
from vox_gateway.cli.demo import Tally
from vox_gateway.cli.screen import Screen
from vox_gateway.testing import LocalGateway

COMMAND = [sys.executable, "-m", "vox_gateway"]


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    settings = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env={**settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    with start(*arguments, **environment) as process:
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err


def test_the_demo_loses_nothing_and_takes_less_than_15_seconds() -> None:
    began = time.monotonic()
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    assert time.monotonic() - began < 15
    for words in ("RESUMED", "GUILD_MEMBERS_CHUNK", "heartbeats were sent meanwhile", "Nothing was lost."):
        assert words in out
    rows = dict(line.strip().split("  ", 1) for line in out[out.index("Summary") :].splitlines()[1:] if "  " in line)
    assert rows["lost"].strip() == rows["received twice"].strip() == "0"
    assert rows["messages sent"].strip() == rows["received"].strip()
    assert int(rows["beats while blocked"].split()[0]) >= 3
    assert "\x1b" not in out  # no colours where no terminal is
    assert max(len(line) for line in out.splitlines()) <= 80


def test_the_demo_ends_on_ctrl_c() -> None:
    with start("demo") as process:
        assert process.stdout is not None
        while "READY" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 130


def test_the_demo_says_so_when_its_gateway_dies(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert main(["demo"]) == 1
    assert "the gateway died" in capsys.readouterr().out


def test_the_demo_runs_in_this_process_too(capsys: Any) -> None:
    assert main(["demo"]) == 0
    assert "Nothing was lost." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arrivals", "lost", "doubled", "code"),
    [
        ([0, 1, 2], 0, 0, 0),
        ([0, 2], 1, 0, 1),
        ([0, 1, 1, 2], 0, 1, 1),
        ([0, 2, 1], 0, 0, 1),
        ([], 3, 0, 1),
    ],
)
def test_a_loss_a_double_and_a_disorder_are_counted(arrivals: list[int], lost: int, doubled: int, code: int) -> None:
    tally = Tally(sent=3)
    for number in arrivals:
        tally.arrived(number)
    assert (tally.lost, tally.doubled, tally.exit_code) == (lost, doubled, code)


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    Screen(terminal).row("name", "value", "good")
    assert "\x1b[32mvalue" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    Screen(terminal).title("words")
    assert terminal.getvalue() == "\nwords\n"


def test_tail_prints_what_it_hears_until_ctrl_c() -> None:
    with LocalGateway(token="t") as gateway:
        arguments = ("tail", "--url", gateway.url, "--intents", "GUILDS,GUILD_MESSAGES", "--events", "ready,news")
        with start(*arguments, DISCORD_TOKEN="t") as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert (ready["t"], ready["s"]) == ("READY", 1)
            assert gateway.expect("IDENTIFY").data["intents"] == Intents.GUILDS | Intents.GUILD_MESSAGES
            gateway.dispatch("NOISE", {})
            gateway.dispatch("NEWS", {"text": "é😀", "big": 2**70})
            news = json.loads(process.stdout.readline())
            assert (news["t"], news["d"]) == ("NEWS", {"text": "é😀", "big": 2**70})
            gateway.drop("reset")
            gateway.expect("RESUME", 5)
            gateway.wait_connected()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        assert (out, process.returncode) == ("", 0)
        assert "ready as vox, 2 guilds" in err
        assert "closed: 1006" in err
        while gateway.expect_close(2).code != 1000:
            pass


def test_tail_ends_quietly_when_nobody_reads_it() -> None:
    with LocalGateway() as gateway, start("tail", "--url", gateway.url, DISCORD_TOKEN="t") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        gateway.dispatch("NEWS", {})
        gateway.dispatch("NEWS", {})
        assert gateway.expect_close(5).code == 1000
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()


def test_tail_in_this_process(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    with LocalGateway() as gateway:

        def end() -> None:
            gateway.wait_connected()
            gateway.drop("close", code=4000)
            gateway.expect("RESUME", 5)
            gateway.wait_connected()
            gateway.drop("close", code=4004, reason="enough")

        ender = threading.Thread(target=end)
        ender.start()
        assert main(["-v", "tail", "--url", gateway.url, "--shard", "0/1", "--intents", "all"]) == 1
        ender.join(5)
    out, err = capfdbinary.readouterr()
    assert [json.loads(line)["t"] for line in out.splitlines()][:2] == ["READY", "GUILD_CREATE"]
    assert b"resumed" in err
    assert b"4004" in err


def test_a_token_that_is_wrong_ends_it_with_words() -> None:
    with LocalGateway(token="right") as gateway:
        code, out, err = run("tail", "--url", gateway.url, DISCORD_TOKEN="wrong-token")
    assert (code, out) == (1, "")
    assert "copy the bot's token again" in err
    assert "wrong-token" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tail"], "DISCORD_TOKEN"),
        (["tail", "--intents", "GILDS"], "GILDS"),
        (["tail", "--shard", "1"], "ID/COUNT"),
        (["tail", "--shard", "2/2"], "shard"),
        (["tail", "--url", "https://x"], "url"),
        ([], "required"),
        (["fly"], "invalid choice"),
    ],
)
def test_a_command_line_that_is_wrong_exits_with_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    if "DISCORD_TOKEN" in words:
        monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    else:
        monkeypatch.setenv("DISCORD_TOKEN", "t")
    try:
        code: Any = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("513", 513),
        ("default", Intents.default()),
        ("guilds, MESSAGE_CONTENT", Intents.GUILDS | Intents.MESSAGE_CONTENT),
        ("default,privileged", Intents.all()),
        ("none", 0),
    ],
)
def test_intents_are_given_by_number_or_name(text: str, intents: int) -> None:
    from vox_gateway.cli.tail import _intents

    assert _intents(text) == intents


def test_the_version_and_the_help_are_told() -> None:
    assert run("--version")[:2] == (0, f"vox-gateway {__version__}\n")
    for arguments in (["--help"], ["demo", "--help"], ["tail", "--help"]):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "usage: vox-gateway" in out
    assert "exit codes:" in run("--help")[1]
