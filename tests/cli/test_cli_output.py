"""What every command does when its output has no room, no reader, or texts that others wrote."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import serving

from vox_gateway.cli.shared.screen import Mark, Screen
from vox_gateway.cli.shared.stdout import watched
from vox_gateway.testing import LocalGateway, user

TOKEN = "a.very.secret-token"
PATIENCE = 60.0
#: what steers a terminal, or shows as something else than it is
HOSTILE = "\x1b[2J\x9b31m\u202egnp.exe\u200b\x07"

full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is full")
posix_only = pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway(identify_interval=0) as gateway:
        yield gateway


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "vox_gateway", *arguments]


@contextlib.contextmanager
def started(*arguments: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "DISCORD_TOKEN": TOKEN}
    environment.pop("PYTHONUNBUFFERED", None)  # what is buffered can fail late
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen(command(*arguments), env=environment, **streams)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text('{"time": 1, "seq": 1, "name": "TYPING_START", "data": {}}\n')
    return path


# -- a stdout with no room ---------------------------------------------------------------------------------------------


@full
@pytest.mark.parametrize("name", ["demo", "doctor", "serve", "replay", "tail", "--help", "--version", "tail --help"])
def test_a_full_device_is_reported_in_one_line(name: str, gateway: LocalGateway, recording: Path) -> None:
    arguments = {
        "doctor": ["doctor", "--url", gateway.url],
        "serve": ["serve", "--port", "0"],
        "replay": ["replay", str(recording), "--port", "0"],
        "tail": ["tail", "--url", gateway.url],
    }.get(name, name.split())
    with Path("/dev/full").open("w") as stdout, started(*arguments, stdout=stdout) as process:
        said = process.communicate(timeout=PATIENCE)[1].decode()
    assert process.returncode == 1
    assert "Traceback" not in said
    about_it = [line for line in said.splitlines() if "No space left on device" in line]
    assert len(about_it) == 1
    assert about_it[0].startswith("vox-gateway: ")
    if name != "tail":  # which shows the log
        assert about_it == ["vox-gateway: stdout cannot be written to: No space left on device"] == said.splitlines()


@posix_only
@pytest.mark.parametrize("arguments", [["doctor"], ["--help"], ["tail"], ["serve", "--port", "0"]])
def test_a_closed_stdout_is_reported_in_one_line(arguments: list[str]) -> None:
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *command(*arguments)]
    done = subprocess.run(line, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (1, b"vox-gateway: stdout cannot be written to: it is closed\n")


@full
def test_a_full_stderr_harms_nothing(gateway: LocalGateway) -> None:
    with Path("/dev/full").open("w") as stderr, started("tail", "--url", gateway.url, stderr=stderr) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["t"] == "READY"
        process.stdout.close()
        process.stdout = None
        assert process.wait(PATIENCE) == 0


@posix_only
def test_help_for_a_reader_that_is_gone_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout, started("--help", stdout=stdout) as process:
        said = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, said) == (1, b"")


# -- a reader that is gone ---------------------------------------------------------------------------------------------


def read_one_line_and_leave(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    process.stdout = None  # or communicate() would read it


@posix_only
def test_tail_ends_with_its_reader_though_nothing_happens(gateway: LocalGateway) -> None:
    with started("tail", "--url", gateway.url) as process:
        read_one_line_and_leave(process)
        assert gateway.expect_close(PATIENCE, by="client").code == 1000
        said = process.communicate(timeout=PATIENCE)[1].decode()
    assert process.returncode == 0
    assert said.endswith("vox-gateway: closed\n")


@posix_only
@pytest.mark.parametrize("name", ["serve", "replay"])
def test_a_gateway_that_tells_nobody_ends(name: str, recording: Path) -> None:
    arguments = ["replay", str(recording)] if name == "replay" else ["serve"]
    with started(*arguments, "--port", "0") as process:
        read_one_line_and_leave(process)
        said = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, said) == (1, b"")


@posix_only
def test_a_watch_calls_once_when_the_reader_goes() -> None:
    gone = threading.Event()
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, watched(stream, gone.set):
        assert not gone.is_set()
        os.close(reader)
        assert gone.wait(PATIENCE)


@posix_only
def test_a_watch_of_a_socket_is_not_misled_by_what_its_reader_sends() -> None:
    gone = threading.Event()
    ours, theirs = socket.socketpair()
    with ours, ours.makefile("w") as stream, watched(stream, gone.set):
        theirs.sendall(b"hello")
        assert not gone.is_set()
        theirs.close()
        assert gone.wait(PATIENCE)


def test_a_watch_ends_with_its_block_and_a_stream_in_memory_needs_none(tmp_path: Path) -> None:
    for stream in ((tmp_path / "file").open("w"), io.StringIO()):
        with stream, watched(stream, lambda: pytest.fail("it has a reader")):
            stream.write("x")
    assert not [thread for thread in threading.enumerate() if thread.name == "vox_gateway-stdout"]


# -- texts that others wrote -------------------------------------------------------------------------------------------


def is_harmless(text: str) -> bool:
    return text.replace("\n", "").isprintable()


@posix_only
def test_tail_escapes_what_steers_a_terminal_and_loses_nothing(gateway: LocalGateway) -> None:
    content = f"{HOSTILE} Grüße, 雪 \N{DUCK} \ud83e \U000e0041 \x7f"
    with started("tail", "--url", gateway.url, "--events", "MESSAGE_CREATE") as process:
        gateway.wait_connected(timeout=PATIENCE)
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": "7", "author": {"id": "5"}, "content": content})
        assert process.stdout is not None
        line = process.stdout.readline().decode()
    assert is_harmless(line)
    assert "Grüße, 雪 \N{DUCK} " in line
    assert json.loads(line)["d"]["content"] == content


@posix_only
def test_tail_shows_the_texts_of_a_server_on_stderr_as_printable_lines() -> None:
    with LocalGateway(identify_interval=0, bot=user(7, f"vox{HOSTILE}\nvox-gateway: fake", bot=True)) as gateway:
        with started("tail", "--url", gateway.url) as process:
            gateway.wait_connected(timeout=PATIENCE)
            gateway.drop("close", code=4000, reason=f"{HOSTILE}\nvox-gateway: fake")
            gateway.expect("RESUME", PATIENCE)
            gateway.drop("close", code=4004, reason=f"{HOSTILE}\nvox-gateway: fake")
            said = process.communicate(timeout=PATIENCE)[1].decode()
    assert process.returncode == 1
    assert "connected as vox?[2J?31m?gnp.exe" in said
    assert "4004" in said
    assert is_harmless(said)


def test_the_doctor_shows_the_texts_of_a_server_as_printable_lines(gateway: LocalGateway) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(f"HTTP/1.1 {HOSTILE} 200\r\n\r\n".encode())

    with serving(serve) as port, started("doctor", "--url", gateway.url, "--api-url", f"http://127.0.0.1:{port}") as it:
        output = it.communicate(timeout=PATIENCE)[0].decode()
    assert "did not answer GET /gateway as an HTTP server does" in " ".join(output.split())
    assert is_harmless(output)


@pytest.mark.parametrize("coloured", [False, True])
def test_nothing_on_a_screen_steers_the_terminal(coloured: bool) -> None:
    stream = io.StringIO()
    screen = Screen(stream, width=79, coloured=coloured)
    screen.title(HOSTILE)
    screen.text(HOSTILE)
    screen.line(0.0, Mark.IN, HOSTILE, HOSTILE)
    screen.row("events", "1", HOSTILE)
    screen.check("API", "ok", HOSTILE, Mark.GOOD)
    screen.verdict(Mark.BAD, HOSTILE)
    for sequence in (mark.value[1] for mark in Mark):
        stream = io.StringIO(stream.getvalue().replace(f"\x1b[{sequence}m", ""))
    shown = stream.getvalue().replace("\x1b[0m", "").replace("\x1b[1m", "")
    assert is_harmless(shown)
    assert shown.count("?[2J?31m?gnp.exe") == 7
