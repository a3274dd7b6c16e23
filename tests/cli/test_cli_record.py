"""`vox-gateway record` against a gateway on real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from growing_file import await_text
from pty_support import terminal

from vox_gateway.cli import main
from vox_gateway.cli.shared.stderr import Progress
from vox_gateway.testing import LocalGateway

TOKEN = "a.very.secret-token"
PATIENCE = 60.0

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway(token=TOKEN, identify_interval=0) as gateway:
        yield gateway


@contextlib.contextmanager
def recording(gateway: LocalGateway, file: Path, *arguments: str, stderr: int = subprocess.PIPE) -> Iterator[Any]:
    """The real command, under way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vox_gateway", "record", str(file), "--url", gateway.url, *arguments],
        env={**os.environ, "DISCORD_TOKEN": TOKEN, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def await_lines(file: Path, count: int) -> list[dict[str, Any]]:
    """Wait until a file has so many whole lines."""
    await_text(file, b"\n", count)
    return lines(file)


def say(gateway: LocalGateway, content: str) -> None:
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": "7", "author": {"id": "5"}, "content": content})


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_records_each_event_redacted_until_ctrl_c_and_sums_up(gateway: LocalGateway, tmp_path: Path) -> None:
    file, began = tmp_path / "events.jsonl", time.time()
    with recording(gateway, file) as process:
        session = gateway.wait_connected(timeout=PATIENCE)[0].id
        say(gateway, "Grüße")
        gateway.dispatch("VOICE_SERVER_UPDATE", {"guild_id": "1", "token": "a-voice-token", "endpoint": None}, shard=0)
        await_lines(file, 5)
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert output == b""
    found = lines(file)
    assert [(one["name"], one["seq"]) for one in found] == [
        ("READY", 1),
        ("GUILD_CREATE", 2),
        ("GUILD_CREATE", 3),
        ("MESSAGE_CREATE", 4),
        ("VOICE_SERVER_UPDATE", 5),
    ]
    assert [list(one) for one in found] == [["time", "seq", "name", "data"]] * 5
    assert all(began - 1 <= one["time"] <= time.time() + 1 for one in found)
    assert found[3]["data"]["content"] == "xx\u00d7\u00d7x"
    text = file.read_text(encoding="utf-8")
    for secret in (TOKEN, gateway.url, "a-voice-token", "Engine room", session):
        assert secret not in text
    assert file.stat().st_mode & 0o777 == 0o600
    size = f"{file.stat().st_size:,}"
    assert f"recorded 5 events, {size} bytes: 2 GUILD_CREATE, 1 READY, 1 MESSAGE_CREATE" in said.decode()


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_a_killed_one_loses_nothing_that_was_written_and_the_next_goes_on(
    gateway: LocalGateway, tmp_path: Path
) -> None:
    file = tmp_path / "e"
    with recording(gateway, file, "--events", "MESSAGE_CREATE", "--keep-content") as process:
        gateway.wait_connected(timeout=PATIENCE)
        say(gateway, "first")
        await_lines(file, 1)
        process.kill()
        process.wait(PATIENCE)
    with file.open("ab") as torn:
        torn.write(b'{"time":17')
    gateway.expire_sessions()
    with recording(gateway, file, "--events", "MESSAGE_CREATE", "--keep-content") as process:
        gateway.expect("IDENTIFY", PATIENCE)
        gateway.expect("IDENTIFY", PATIENCE)
        gateway.wait_connected(timeout=PATIENCE)
        say(gateway, "second")
        await_lines(file, 2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert [one["data"]["content"] for one in lines(file)] == ["first", "second"]
    assert b"removed the incomplete last line of" in said


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_rotates_by_size(gateway: LocalGateway, tmp_path: Path) -> None:
    file = tmp_path / "e"
    options = ["--events", "message_create", "--max-size", "1K", "--keep", "2"]
    with recording(gateway, file, *options, "--encoding", "etf", "--compress", "none") as process:
        gateway.wait_connected(timeout=PATIENCE)
        for _ in range(5):
            say(gateway, "x" * 700)
        say(gateway, "the end")
        await_text(file, b'"seq":9,')
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["e", "e.1", "e.2"]
    assert [[one["seq"] for one in lines(tmp_path / name)] for name in ("e", "e.1", "e.2")] == [[8, 9], [7], [6]]


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_progress_is_shown_on_a_terminal(gateway: LocalGateway, tmp_path: Path) -> None:
    with terminal() as screen, recording(gateway, tmp_path / "e", stderr=screen.child) as process:
        gateway.wait_connected(timeout=PATIENCE)
        said = screen.read_until("recorded 1 events, ")
        await_lines(tmp_path / "e", 3)
        process.send_signal(signal.SIGINT)
        said += screen.read_until(" to ")
        process.communicate(timeout=PATIENCE)
    # The line that changes is taken away before others are printed.
    assert "\r\x1b[Kvox-gateway: " in said
    assert "recorded 3 events, " in said


def test_progress_is_not_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.show("half of it")
    progress.erase()
    assert capsys.readouterr().err == ""


# -- in this process: what ends without a signal -----------------------------------------------------------------------


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says when it does not begin, where no gateway is."""
    assert main(["record", "--url", "ws://127.0.0.1:9", *arguments]) == 2
    return capsys.readouterr().err


def test_what_is_no_recording_is_refused_before_anything_else(
    logged_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = tmp_path / "letter"
    letter.write_text("dear Ada\n")
    assert "exists and is not a recording" in refused(capsys, str(letter))
    assert letter.read_text() == "dear Ada\n"
    assert "is a folder" in refused(capsys, str(tmp_path))
    assert "cannot be recorded to: No such file or directory" in refused(capsys, str(tmp_path / "no" / "e"))


def test_a_missing_token_is_told_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    assert "set DISCORD_TOKEN to the bot's token" in refused(capsys, str(tmp_path / "e"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5M", "5T"])
def test_a_size_that_is_none_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["record", "e", f"--max-size={size}"])
    assert ended.value.code == 2
    assert f"invalid size '{size}'" in capsys.readouterr().err


def test_a_count_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "e", "--keep=-1"])
    assert "invalid count '-1'" in capsys.readouterr().err


def test_a_fatal_close_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str], gateway: LocalGateway
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "wrong")
    assert main(["record", str(tmp_path / "e"), "--url", gateway.url, "--events", "MESAGE_CREATE"]) == 1
    said = capfd.readouterr().err
    assert "did you mean MESSAGE_CREATE?" in said
    assert said.count("4004") == 1
    assert "recorded 0 events, 0 bytes to " in said


@pytest.mark.usefixtures("unmeasured")  # or what is measured could not be written either
@posix_only
def test_a_disk_that_is_full_ends_with_1_and_whole_lines(gateway: LocalGateway, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    script = (
        "import resource, signal, sys; from vox_gateway.cli import main; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); sys.exit(main())"
    )
    file = tmp_path / "e"
    ended = subprocess.run(
        [sys.executable, "-B", "-c", script, "record", str(file), "--url", gateway.url],
        env={**os.environ, "DISCORD_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )
    assert ended.returncode == 1
    assert "cannot be written to: [Errno 27]" in ended.stderr
    assert [one["name"] for one in lines(file)] == ["READY"]
    assert "recorded 1 events" in ended.stderr
