"""`vox-gateway demo`: told to its end on real sockets, and what becomes of it when something goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import running

from vox_gateway.cli import main
from vox_gateway.cli.demo import gateway as gateway_module
from vox_gateway.cli.demo import gateway_process, scenario
from vox_gateway.cli.demo.gateway import GatewayProcess
from vox_gateway.cli.demo.messages import Event, Message, ProcessExited, Reply
from vox_gateway.cli.demo.runner import Runner
from vox_gateway.cli.demo.summary import print_summary
from vox_gateway.cli.shared.exits import CommandError, Exit
from vox_gateway.cli.shared.inbox import MainInbox
from vox_gateway.cli.shared.screen import Screen
from vox_gateway.testing import LocalGateway

COMMAND = [sys.executable, "-m", "vox_gateway", "demo"]
#: the same, with a handler that blocks for an hour
SLEEPY_PROGRAM = """
import sys
from vox_gateway.cli import main
from vox_gateway.cli.demo import scenario

scenario.NAP = 3600.0
sys.exit(main(["demo"]))
"""
SLEEPY_COMMAND = [sys.executable, "-c", SLEEPY_PROGRAM]
#: the same, with an hour between the last event and the end
LINGERING_PROGRAM = """
import sys
from vox_gateway.cli import main
from vox_gateway.cli.demo import scenario

last_act = scenario._block

def act(*arguments):
    scenario.PAUSE = 3600.0
    return last_act(*arguments)

scenario._block = act
sys.exit(main(["demo"]))
"""
LINGERING_COMMAND = [sys.executable, "-c", LINGERING_PROGRAM]
LIMIT = 60.0

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and terminals as POSIX has them")


@contextlib.contextmanager
def demo(command: list[str] = COMMAND, **options: object) -> Iterator[subprocess.Popen[str]]:
    """The real command, under way."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """The line of its output that holds `words`."""
    assert process.stdout is not None
    return next(line for line in process.stdout if words in line)


def pid_of_the_gateway(process: subprocess.Popen[str]) -> int:
    found = re.search(r"in process (\d+)", read_until(process, "in process"))
    assert found is not None
    return int(found[1])


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said on stderr."""
    _, said = process.communicate(timeout=LIMIT)
    return process.returncode, said


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def figures(output: str) -> dict[str, str]:
    """The table at the end."""
    return dict(re.findall(r"^  (\S.*?) {2,}(\S+(?: ms)?)", output.partition("Summary")[2], re.MULTILINE))


# -- when all is well --------------------------------------------------------------------------------------------------


def test_it_shows_all_and_loses_nothing(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["demo"]) == 0
    output, said = capfd.readouterr()
    assert said == ""
    table = figures(output)
    assert table["events sent"] == table["events received"]
    assert [table[name] for name in ("lost", "handled twice", "out of order")] == ["0", "0", "0"]
    assert int(table["connections"]) >= 2
    assert int(table["commands"]) == 6
    assert float(table["latency"].removesuffix(" ms")) > 0
    assert "Nothing was lost." in output
    for number in range(1, 13):
        assert f"reading {number} of 12" in output
    for name in ("RESUME ", "RESUMED ", "GUILD_MEMBERS_CHUNK", "SOUNDBOARD_SOUNDS", "CHANNEL_INFO", "HEARTBEAT"):
        assert name in output
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 80
    # It is told in the order in which it happened.
    told = ["reading 1 of 12", "reading 2 of 12", "TCP reset", "close  ", "reading 3 of 12"]
    assert [output.index(words) for words in told] == sorted(output.index(words) for words in told)


@posix_only
def test_on_a_terminal_of_80_columns_it_is_coloured_and_no_line_is_too_wide() -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(COMMAND, stdout=theirs, env={**environment, "TERM": "xterm"})
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # EIO: the other side of the terminal is closed
        while piece := os.read(ours, 65536):
            output += piece
    os.close(ours)
    assert process.wait(LIMIT) == 0
    text = output.decode()
    assert "\x1b[32mNothing was lost.\x1b[0m" in text
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in text.splitlines()) < 80


# -- when it is not ----------------------------------------------------------------------------------------------------


class LeakyInbox(MainInbox[Message]):
    """Loses events between their handler and the one who counts."""

    def put(self, item: Message) -> None:
        if not (isinstance(item, Event) and item.data.get("content") in ("reading 4 of 12", "question 4 of 4")):
            super().put(item)


def test_events_that_are_lost_are_counted_and_end_it_with_1() -> None:
    inbox, stream = LeakyInbox(), io.StringIO()
    with GatewayProcess(inbox.put) as gateway:
        runner = Runner(Screen(stream, 79, coloured=False), gateway, inbox, pace=0.0, timeout=4.0)
        assert print_summary(runner.screen, runner.received, scenario.run_scenario(runner, inbox.put)) == 1
    table = figures(stream.getvalue())
    assert table["lost"] == "2"
    assert int(table["events sent"]) == int(table["events received"]) + 2
    assert "Something went wrong: 2 events were lost." in stream.getvalue()
    assert "Nothing was lost." not in stream.getvalue()


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_ctrl_c_ends_it_and_its_gateway_with_130() -> None:
    with demo() as process:
        pid = pid_of_the_gateway(process)
        read_until(process, "READY")
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, "vox-gateway: interrupted\n")
        assert not is_alive(pid)


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_ctrl_c_while_a_handler_blocks_does_not_wait_for_it() -> None:
    with demo(SLEEPY_COMMAND) as process:
        read_until(process, "the handler blocks")
        process.send_signal(signal.SIGINT)
        assert end_of(process)[0] == 130


@pytest.mark.usefixtures("unmeasured")
@posix_only
@pytest.mark.parametrize("words", ["REQUEST_SOUNDBOARD_SOUNDS", "reading 12", "question 1"])
def test_ctrl_c_ends_it_in_every_act(words: str) -> None:
    with demo(LINGERING_COMMAND) as process:
        read_until(process, words)
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, "vox-gateway: interrupted\n")


@posix_only
def test_it_ends_with_1_and_words_when_its_gateway_dies() -> None:
    with demo() as process:
        pid = pid_of_the_gateway(process)
        read_until(process, "TYPING_START")
        os.kill(pid, signal.SIGKILL)
        code, said = end_of(process)
        assert code == 1
        assert said == "vox-gateway: the gateway process ended by signal 9 before the end of the demo\n"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not a child")
def test_its_gateway_does_not_outlive_it_whatever_becomes_of_it() -> None:
    with demo() as process:
        watched = os.pidfd_open(pid_of_the_gateway(process))
        try:
            process.kill()
            assert select.select([watched], [], [], LIMIT)[0], "the gateway's process still runs"
        finally:
            os.close(watched)


@posix_only
def test_a_reader_that_has_had_enough_ends_it_quietly() -> None:
    with demo() as process:
        read_until(process, "in process")
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None  # or communicate() would read it
        assert end_of(process) == (1, "")


def test_without_the_extra_it_ends_with_2_and_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "websockets.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with demo(env={**os.environ, "PYTHONPATH": path}) as process:
        output, said = process.communicate(timeout=LIMIT)
        assert process.returncode == 2
        assert output == ""  # no heading
        assert 'pip install "vox-gateway[testing]"' in said
        assert len(said.splitlines()) == 1


def test_its_help_tells_the_exit_code_of_a_missing_extra(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    codes = dict(re.findall(r"^  (\d+) +(.*)", capsys.readouterr().out.partition("exit codes:")[2], re.MULTILINE))
    assert [code for code, meaning in codes.items() if "extra" in meaning] == [str(Exit.UNUSABLE.value)]


# -- the gateway's process ---------------------------------------------------------------------------------------------


def carried_out(*commands: dict[str, object]) -> list[dict[str, object]]:
    """What the gateway's process answers to these, its first answer left out."""
    answers = io.StringIO()
    lines = [json.dumps({"number": number, **command}) + "\n" for number, command in enumerate(commands, start=1)]
    gateway_process.serve(io.StringIO("".join(lines)), answers)
    first, *others = map(json.loads, answers.getvalue().splitlines())
    assert first["number"] == 0
    assert first["value"]["url"].startswith("ws://127.0.0.1:")
    return others


def test_commands_are_carried_out_and_answered_in_order() -> None:
    dispatched, cut, counted = carried_out(
        {"command": "dispatch", "events": [["READY", {}]]},
        {"command": "cut", "after": []},
        {"command": "count"},
    )
    assert dispatched == {"number": 1, "value": None}
    assert cut == {"number": 2, "value": None}
    assert counted == {"number": 3, "value": {"events": 0, "connections": 0, "heartbeats": 0, "commands": 0}}


def test_it_ends_with_its_commands_though_a_heartbeat_is_still_waited_for() -> None:
    reader, writer = os.pipe()
    answers = io.StringIO()
    with os.fdopen(reader) as commands, running(lambda: gateway_process.serve(commands, answers)) as process:
        with os.fdopen(writer, "w") as pipe:
            pipe.write(json.dumps({"number": 1, "command": "next_heartbeat", "timeout": 600}) + "\n")
        process.join(LIMIT)
    assert len(answers.getvalue().splitlines()) == 1  # that it has started


def test_a_missing_extra_is_the_first_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vox_gateway.testing", None)
    gateway_process.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["number"] == GatewayProcess.START
    assert "vox_gateway.testing" in answer["error"]


def test_a_process_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be started"), GatewayProcess(print, [str(tmp_path / "none")]):
        pass


def test_a_process_that_does_not_end_by_itself_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "END_WITHIN", 0.1)
    inbox: queue.SimpleQueue[Reply | ProcessExited] = queue.SimpleQueue()
    with GatewayProcess(inbox.put, [sys.executable, "-c", "import threading; threading.Event().wait()"]):
        pass
    died = inbox.get(timeout=0)
    assert isinstance(died, ProcessExited)
    assert died.status != 0


def test_a_command_to_a_dead_process_is_harmless() -> None:
    inbox: queue.SimpleQueue[Reply | ProcessExited] = queue.SimpleQueue()
    with GatewayProcess(inbox.put, [sys.executable, "-c", "raise SystemExit(3)"]) as gateway:
        assert inbox.get(timeout=LIMIT) == ProcessExited(3)
        assert gateway.send_command("count") == 1


# -- a story that comes to no good end ---------------------------------------------------------------------------------


def tell(*command: str, patience: float = LIMIT) -> str:
    """The story with this process for a gateway; returns why it could not be told."""
    inbox = MainInbox[Message]()
    with GatewayProcess(inbox.put, [sys.executable, "-c", *command]) as gateway:
        runner = Runner(Screen(io.StringIO(), 79, coloured=False), gateway, inbox, pace=0.0, timeout=patience)
        with pytest.raises(CommandError) as failed:
            scenario.run_scenario(runner, inbox.put)
    assert failed.value.code is Exit.FAILED
    return str(failed.value)


def test_a_gateway_that_says_nothing_is_not_waited_for_in_vain() -> None:
    assert tell("input()", patience=0.2) == "the gateway's reply did not come within 0.2 seconds"


def test_a_gateway_that_ends_at_once_is_said() -> None:
    assert tell("raise SystemExit(7)") == ("the gateway process ended with exit code 7 before the end of the demo")


def test_a_client_that_is_refused_is_said() -> None:
    with LocalGateway(token="another") as gateway:
        about = {"url": gateway.url, "pid": 1, "guild": gateway.guilds[0]}
        started = json.dumps({"number": 0, "value": about})
        message = tell("import sys; print(sys.argv[1], flush=True); sys.stdin.read()", started)
    assert message.startswith("the client failed: the gateway closed the connection with 4004")


def test_a_gateway_that_answers_with_a_problem_is_quoted() -> None:
    with LocalGateway() as gateway:
        about = {"url": gateway.url, "pid": 1, "guild": gateway.guilds[0]}
        started = json.dumps({"number": 0, "value": about})
        refusal = json.dumps({"number": 1, "error": "no steam"})
        assert (
            tell(
                "import sys; print(sys.argv[1], flush=True); input(); print(sys.argv[2], flush=True); sys.stdin.read()",
                started,
                refusal,
            )
            == "no steam"
        )
