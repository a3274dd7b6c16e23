"""The command `vox-gateway` as a whole: help, version, log, and how it ends."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys

import pytest

from vox_gateway import LOGGER, ConnectFailed, MissingExtra, __version__
from vox_gateway.cli import main, tail
from vox_gateway.cli.shared.exits import CommandError, Exit

CLUSTER = ["shards", "drain", "move", "gate"]
COMMANDS = ["demo", "doctor", "tail", "record", "replay", "serve", "simulate", *CLUSTER]


def run_tail_as(monkeypatch: pytest.MonkeyPatch, outcome: BaseException | int) -> None:
    """Have `tail` end with this."""

    def run(args: argparse.Namespace) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(tail, "run", run)


def test_python_m_shows_the_same_help_as_main(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    done = subprocess.run(
        [sys.executable, "-m", "vox_gateway", "--help"], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == capsys.readouterr().out.split()


def test_help_teaches_commands_exit_codes_and_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for word in ("demo", "tail", "DISCORD_TOKEN", "NO_COLOR", "--debug", *(f"\n  {code.value} " for code in Exit)):
        assert word in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) < 80


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", [[], *([one] for one in COMMANDS if one != "demo")])
def test_the_examples_of_the_help_are_command_lines(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = help_of(capsys, *command)
    ran = []
    for name in COMMANDS:
        module = importlib.import_module(f"vox_gateway.cli.{'cluster.' * (name in CLUSTER)}{name}")
        monkeypatch.setattr(module, "run", lambda args: ran.append(args) or 0)
    section = text[text.index("\nexamples:\n") :].strip().partition("\n\n")[0]
    for line in section.splitlines()[1:]:
        # Behind the command stands what it does, or what becomes of its output.
        program, *argv = re.split(r"  | \| ", line.strip())[0].split()
        assert program == "vox-gateway"
        assert argv[:1] in ([one] for one in (command or COMMANDS))
        assert main(argv) == 0
    assert len(ran) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_tells_its_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, command)
    for code in Exit:
        assert f"\n  {code.value} " in text[text.index("\nexit codes:\n") :]


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"vox-gateway {__version__}\n"


@pytest.mark.parametrize("argv", [[], ["nothing"], ["demo", "--colour"], ["tail", "x"], ["tail", "--compress", "x"]])
def test_a_command_line_that_is_none_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: vox-gateway" in capsys.readouterr().err


def test_python_m_ends_with_the_code_of_main(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    command = [sys.executable, "-m", "vox_gateway", "tail", "--url", "ws://127.0.0.1:9"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "DISCORD_TOKEN" in ended.stderr


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (Exit.OK, 0, ""),
        (ConnectFailed("no way"), 1, "vox-gateway: no way\n"),
        (CommandError("it broke"), 1, "vox-gateway: it broke\n"),
        (CommandError("not like this", Exit.UNUSABLE), 2, "vox-gateway: not like this\n"),
        (MissingExtra("a thing", "extra"), 2, 'a thing needs an optional package: pip install "vox-gateway[extra]"\n'),
        (KeyboardInterrupt(), 130, "vox-gateway: interrupted\n"),
    ],
)
def test_each_way_to_end_has_its_code_and_its_words(
    outcome: BaseException | int,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_tail_as(monkeypatch, outcome)
    assert main(["tail"]) == code
    assert capsys.readouterr().err.endswith(words)


def test_a_reader_that_has_had_enough_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    def run(args: argparse.Namespace) -> int:
        print("does anybody read this?", flush=True)
        raise AssertionError

    monkeypatch.setattr(tail, "run", run)
    with os.fdopen(writer, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert main(["tail"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["tail"], ["info"]),
        (["-v", "tail"], ["info"]),
        (["--debug", "tail"], ["debug", "info"]),
        (["tail", "--debug"], ["debug", "info"]),
        (["--debug", "tail", "-v"], ["info"]),  # the last word counts
    ],
)
def test_the_log_is_shown_on_stderr_from_the_wanted_level_on(
    argv: list[str], shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        LOGGER.debug("this is debug")
        LOGGER.info("this is info")
        return 0

    monkeypatch.setattr(tail, "run", run)
    assert main(argv) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == shown


def test_the_logger_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    run_tail_as(monkeypatch, KeyboardInterrupt())
    before = LOGGER.level, LOGGER.propagate, list(LOGGER.handlers)
    main(["--debug", "tail"])
    assert (LOGGER.level, LOGGER.propagate, LOGGER.handlers) == before
