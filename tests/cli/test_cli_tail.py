"""`vox-gateway tail` against a gateway on real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from vox_gateway.cli import main
from vox_gateway.testing import Closed, LocalGateway

TOKEN = "a.very.secret-token"
PATIENCE = 60.0
#: where no gateway is, for what must be refused before it is looked for
NOWHERE = ["--url", "ws://127.0.0.1:9"]

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway(token=TOKEN, identify_interval=0) as gateway:
        yield gateway


@contextlib.contextmanager
def tail(gateway: LocalGateway, *arguments: str, token: str | None = TOKEN) -> Iterator[subprocess.Popen[bytes]]:
    """The real command, under way."""
    environment = {key: value for key, value in os.environ.items() if key != "DISCORD_TOKEN"}
    if token is not None:
        environment["DISCORD_TOKEN"] = token
    process = subprocess.Popen(
        [sys.executable, "-m", "vox_gateway", "tail", "--url", gateway.url, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_event(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    event: dict[str, Any] = json.loads(process.stdout.readline().decode("utf-8"))
    return event


def end_of(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Exit code, what is left on stdout, and stderr."""
    output, said = process.communicate(timeout=PATIENCE)
    return process.returncode, output.decode(), said.decode()


def say(gateway: LocalGateway, content: str, channel: str = "7") -> None:
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": channel, "author": {"id": "5"}, "content": content})


def closed_by_client(gateway: LocalGateway) -> Closed:
    return gateway.expect_close(PATIENCE, by="client")


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_prints_each_event_as_a_line_of_json_until_ctrl_c_closes_with_1000(gateway: LocalGateway) -> None:
    with tail(gateway) as process:
        gateway.wait_connected(timeout=PATIENCE)
        say(gateway, "Grüße, 雪 and \N{DUCK}")
        events = [next_event(process) for _ in range(4)]
        process.send_signal(signal.SIGINT)
        assert closed_by_client(gateway).code == 1000
        code, rest, said = end_of(process)
    assert [(event["t"], event["s"]) for event in events] == [
        ("READY", 1),
        ("GUILD_CREATE", 2),
        ("GUILD_CREATE", 3),
        ("MESSAGE_CREATE", 4),
    ]
    assert list(events[3]) == ["t", "s", "d"]
    assert events[3]["d"]["content"] == "Grüße, 雪 and \N{DUCK}"
    assert (code, rest) == (0, "")
    assert "connected as vox, in 2 guilds" in said
    assert said.endswith("vox-gateway: closed\n")


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_only_the_wanted_events_are_printed_and_lines_are_utf8_whatever_they_hold(gateway: LocalGateway) -> None:
    with tail(gateway, "--events", "message_create,RESUMED", "--compress", "none") as process:
        gateway.wait_connected(timeout=PATIENCE)
        gateway.dispatch("TYPING_START", {"channel_id": "7", "user_id": "5"})
        say(gateway, "half a pair: \ud83e")
        assert next_event(process)["d"]["content"] == "half a pair: \ud83e"
        gateway.drop("reset")
        say(gateway, "while away")
        assert next_event(process)["d"]["content"] == "while away"
        assert next_event(process)["t"] == "RESUMED"
        process.send_signal(signal.SIGINT)
        code, rest, said = end_of(process)
    assert (code, rest) == (0, "")
    assert "the connection was lost" in said
    assert "resumed" in said
    assert "compress" not in gateway.connections[0].query


def test_intents_and_shard_are_the_given_ones(gateway: LocalGateway) -> None:
    with tail(gateway, "--intents", "GUILDS,GUILD_MESSAGES", "--shard", "1/2"):
        identify = gateway.expect("IDENTIFY", PATIENCE).data
    assert identify["intents"] == 513
    assert identify["shard"] == [1, 2]


def test_a_wrong_token_ends_with_1_and_says_what_to_do_without_showing_it(gateway: LocalGateway) -> None:
    with tail(gateway, "--debug", token="wrong.secret-token") as process:
        code, output, said = end_of(process)
    assert (code, output) == (1, "")
    assert "4004" in said
    assert said.count("copy the bot's token again from the developer portal") == 1
    assert "wrong.secret-token" not in said


def test_an_identify_that_is_refused_is_not_called_an_invalid_session() -> None:
    with LocalGateway(identify_interval=60) as gateway, tail(gateway):
        gateway.wait_connected(timeout=PATIENCE)
        with tail(gateway) as late:
            assert late.stderr is not None
            refused = next(line for line in late.stderr if b"IDENTIFY" in line).decode()
    assert "the gateway refused IDENTIFY (usually because this bot sent another IDENTIFY less than 5 seconds" in refused
    assert "session is not valid" not in refused


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_the_debug_log_shows_payloads_and_never_the_token(gateway: LocalGateway) -> None:
    with tail(gateway, "--debug") as process:
        assert next_event(process)["t"] == "READY"
        process.send_signal(signal.SIGINT)
        code, _, said = end_of(process)
    assert code == 0
    assert "> IDENTIFY" in said
    assert "< DISPATCH READY" in said
    assert TOKEN not in said


def test_a_reader_that_has_had_enough_ends_it_quietly_and_in_order(gateway: LocalGateway) -> None:
    with tail(gateway) as process:
        assert next_event(process)["t"] == "READY"
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None  # or communicate() would read it
        say(gateway, "does anybody listen?")
        assert closed_by_client(gateway).code == 1000
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert b"Traceback" not in said
        assert b"Broken" not in said


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_ctrl_c_ends_it_while_nobody_reads(gateway: LocalGateway) -> None:
    with tail(gateway, "--events", "MESSAGE_CREATE") as process:
        gateway.wait_connected(timeout=PATIENCE)
        say(gateway, "x" * 1_000_000)  # more than any pipe holds
        assert process.stdout is not None
        process.stdout.read(1)  # the write is under way, and stuck
        process.send_signal(signal.SIGINT)
        assert closed_by_client(gateway).code == 1000
        assert process.wait(PATIENCE) == 0


# -- in this process: what ends without a signal -----------------------------------------------------------------------


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_ends_with_2_and_says_where_it_goes(
    token: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("DISCORD_TOKEN", token)
    assert main(["tail", *NOWHERE]) == 2
    assert capfd.readouterr().err.startswith("vox-gateway: set DISCORD_TOKEN to the bot's token")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "https://example.org"], "url must begin with wss:// or ws://"),
        ([*NOWHERE, "--intents", str(2**60)], "intents must be from 0"),
    ],
)
def test_an_argument_that_the_client_refuses_ends_with_2(
    arguments: list[str], words: str, logged_in: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["tail", *arguments]) == 2
    assert words in capfd.readouterr().err


def test_a_missing_extra_ends_with_2_and_is_named(
    logged_in: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    assert main(["tail", *NOWHERE, "--compress", "zstd-stream"]) == 2
    assert 'pip install "vox-gateway[zstd]"' in capfd.readouterr().err


def test_a_token_that_cannot_be_ends_with_2_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "two words")
    assert main(["tail", *NOWHERE]) == 2
    said = capfd.readouterr().err
    assert "token must hold no spaces" in said
    assert "two words" not in said


def test_a_fatal_close_ends_with_1_and_its_words_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], gateway: LocalGateway
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "wrong")
    assert main(["tail", "--url", gateway.url, "--events", "MESAGE_CREATE"]) == 1
    output, said = capfd.readouterr()
    assert output == ""
    assert "did you mean MESSAGE_CREATE?" in said
    assert said.count("4004") == 1


@contextlib.contextmanager
def stdout_is(file: IO[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with file, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", file)
        yield


def test_a_closed_pipe_for_stdout_ends_with_0(
    logged_in: None, gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with stdout_is(os.fdopen(writer, "w"), monkeypatch):
        assert main(["tail", "--url", gateway.url]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is full")
def test_a_full_disk_ends_with_1_and_says_so(
    logged_in: None, gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with stdout_is(Path("/dev/full").open("w"), monkeypatch):
        assert main(["tail", "--url", gateway.url]) == 1
    assert "the events cannot be written to stdout: [Errno 28]" in capfd.readouterr().err


@posix_only
def test_ctrl_c_ends_with_0(
    logged_in: None, gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()

    def interrupt_after_ready() -> None:
        with os.fdopen(reader) as lines:
            assert json.loads(lines.readline())["t"] == "READY"
            os.kill(os.getpid(), signal.SIGINT)
            lines.read()

    thread = threading.Thread(target=interrupt_after_ready)
    with stdout_is(os.fdopen(writer, "w"), monkeypatch):
        thread.start()
        assert main(["tail", "--url", gateway.url, "--events", "READY"]) == 0
    thread.join()
    assert capfd.readouterr().err.endswith("vox-gateway: closed\n")
