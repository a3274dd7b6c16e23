"""`vox-gateway tail --pretty` and `--shards`: the pure parts, and the real command on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pty_support import Terminal, terminal
from rich.console import Console

from vox_gateway import Client, IdentifyGate
from vox_gateway.cli import main
from vox_gateway.cli.shared.stderr import print_line
from vox_gateway.cli.tail.dashboard import Dashboard, shard_state
from vox_gateway.cli.tail.rates import Rate, Rates, merge
from vox_gateway.cli.tail.running import run_client
from vox_gateway.cli.tail.table import ShardRow, TableData, render
from vox_gateway.testing import LocalGateway

TOKEN = "a.very.secret-token"
PATIENCE = 60.0

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT and terminals as POSIX has them")


# -- rates -------------------------------------------------------------------------------------------------------------


def test_a_rate_is_taken_over_what_has_passed_and_then_over_the_window() -> None:
    rates = Rates(start=100.0, window=10.0, slices=20)
    for tenth in range(300):
        rates.count("X", 100.0 + tenth / 10)
        if tenth == 19:
            assert rates.snapshot(102.0) == {"X": Rate("X", 20, 10.0)}
    found = rates.snapshot(129.99)["X"]
    assert found.total == 300
    assert found.per_second == pytest.approx(10.0, rel=0.02)


def test_what_is_older_than_the_window_counts_in_the_total_only() -> None:
    rates = Rates(start=0.0, window=10.0, slices=20)
    rates.count("X", 0.0)
    assert rates.snapshot(9.4)["X"].per_second > 0
    assert rates.snapshot(10.1) == {"X": Rate("X", 1, 0.0)}
    assert rates.snapshot(1e6) == {"X": Rate("X", 1, 0.0)}


def test_the_first_moment_is_no_division_by_zero() -> None:
    rates = Rates(start=5.0, window=10.0, slices=20)
    rates.count("X", 5.0)
    assert rates.snapshot(5.0)["X"].per_second == 2.0  # one in a slice of half a second


def test_counts_of_shards_are_merged_and_the_most_frequent_come_first() -> None:
    left = {"A": Rate("A", 5, 1.0), "B": Rate("B", 9, 0.0)}
    right = {"A": Rate("A", 1, 0.5), "C": Rate("C", 1, 2.0), "D": Rate("D", 9, 0.0)}
    assert merge([left, right]) == [
        Rate("C", 1, 2.0),
        Rate("A", 6, 1.5),
        Rate("B", 9, 0.0),
        Rate("D", 9, 0.0),
    ]


def test_counting_and_looking_from_two_threads_loses_nothing() -> None:
    rates = Rates(start=0.0)
    counter = threading.Thread(target=lambda: [rates.count("X", number / 1000) for number in range(20_000)])
    counter.start()
    while counter.is_alive():
        rates.snapshot(20.0)
    assert rates.snapshot(20.0)["X"].total == 20_000


# -- the table ---------------------------------------------------------------------------------------------------------


def shard(number: int, of: int = 1, ok: bool = True, state: str = "connected, waiting for events") -> ShardRow:
    return ShardRow(
        shard=(number, of), state=state, ok=ok, latency=0.0123 if ok else None, events=1234, per_second=5.25, resumes=2
    )


def shown(data: TableData, width: int = 80, height: int = 24) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=width, height=height, color_system=None).print(render(data, height))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def names(count: int) -> Sequence[Rate]:
    return [Rate(f"EVENT_{number}", 10 * (count - number), float(count - number)) for number in range(count)]


def test_it_shows_shards_and_names_in_columns() -> None:
    assert shown(TableData("vox", [shard(0)], [Rate("MESSAGE_CREATE", 12_345, 67.89), Rate("READY", 1, 0.0)])) == [
        "vox",
        "",
        "shard  state                          latency  events  per second  resumes",
        "0/1    connected, waiting for events    12 ms   1,234         5.2        2",
        "",
        "event           events  per second",
        "MESSAGE_CREATE  12,345        67.9",
        "READY                1         0.0",
    ]


def test_before_any_event_it_says_so() -> None:
    assert shown(TableData("vox", [shard(0, ok=False)], []))[3:] == [
        "0/1    connected, waiting for events        -   1,234         5.2        2",
        "",
        "no events yet",
    ]


@pytest.mark.parametrize("height", [3, 8, 10, 24, 50])
@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("counts", [(1, 0), (1, 1), (1, 100), (60, 3), (60, 100)])
def test_it_fits_every_terminal(counts: tuple[int, int], width: int, height: int) -> None:
    data = TableData("vox", [shard(number, counts[0]) for number in range(counts[0])], names(counts[1]))
    lines = shown(data, width, height)
    assert len(lines) <= max(height, 7)
    assert max(map(len, lines)) <= width


def test_what_does_not_fit_is_summed_up() -> None:
    data = TableData("vox", [shard(number, 60, ok=number not in (7, 50)) for number in range(60)], names(100))
    lines = shown(data, height=21)
    assert [line.split()[0] for line in lines[3:10]] == ["7/60", "50/60", "0/60", "1/60", "2/60", "3/60", "4/60"]
    assert lines[10] == "and 53 other shards, all healthy"
    assert [line.split()[0] for line in lines[13:20]] == [f"EVENT_{number}" for number in range(7)]
    assert lines[20] == f"and 93 other names: {sum(10 * rest for rest in range(1, 94)):,} events"
    assert len(lines) == 21


def test_shards_that_are_left_out_though_they_are_not_well_are_not_called_well() -> None:
    data = TableData("vox", [shard(number, 60, ok=False) for number in range(60)], names(100))
    assert "and 53 other shards" in shown(data, height=21)


def test_words_from_outside_neither_steer_the_terminal_nor_are_markup() -> None:
    lines = shown(TableData("[red]v\x1b[2Jox", [shard(0, state="gone\n[/]")], [Rate("[bold]A\x07", 1, 1.0)]))
    assert lines[0] == "[red]v?[2Jox"
    assert "gone [/]" in lines[3]
    assert lines[6].startswith("[bold]A? ")


# -- running -----------------------------------------------------------------------------------------------------------


def test_it_ends_when_the_client_is_closed_and_ticks_until_then() -> None:
    with LocalGateway(identify_interval=0) as gateway:
        client = Client(token="any", url=gateway.url, identify_gate=IdentifyGate(interval=0))
        ticks: list[bool] = []

        def tick() -> None:
            ticks.append(client.wait_until_ready(PATIENCE))
            if len(ticks) == 3:
                client.close()

        run_client(client, tick=tick, interval=0.01)
        assert ticks == [True] * 3
        assert gateway.expect_close(PATIENCE).code == 1000


def test_it_ends_at_once_if_it_was_asked_to_before_it_connected() -> None:
    with LocalGateway(identify_interval=0) as gateway:
        client = Client(token="any", url=gateway.url, identify_gate=IdentifyGate(interval=0))
        run_client(client, is_ended=lambda: True)
        assert client.status.value == "closed"


# -- the dashboard -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ready"),
        ({"backlog_full": True, "events_waiting": 1200}, "ready, reading paused: 1,200 events wait"),
        ({"slow_handler": "READY", "slow_handler_seconds": 12.3}, "ready, READY handler running for 12 s"),
        ({"status": "resuming", "downtime": 2.6}, "resuming, down for 3 s"),
        ({"status": "closed", "downtime": 2.6}, "closed"),
    ],
)
def test_the_state_of_a_shard_is_read_from_its_health(changes: dict[str, Any], state: str) -> None:
    assert shard_state({**Client(token=TOKEN).health(), "status": "ready", **changes}) == state


def test_the_dashboard_shows_what_clients_do_and_prints_lines_above_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # or nothing is drawn that is no terminal
    monkeypatch.setenv("COLUMNS", "100")
    bot = {"id": "1", "username": "vox\x1b[2J"}
    with LocalGateway(identify_interval=0, bot=bot) as gateway:
        client = Client(token="any", url=gateway.url, identify_gate=IdentifyGate(interval=0))
        with Dashboard(client, frozenset({"MESSAGE_CREATE"}), with_stderr=True) as dashboard, client:
            dashboard.draw()
            client.wait_until_ready(PATIENCE)
            with client.stream("MESSAGE_CREATE") as events:
                say(gateway)
                events.get(timeout=PATIENCE)
            print_line("something was\nsaid\x07")
            dashboard.draw()
        print_line("and something after it")
    output, said = capsys.readouterr()
    assert "something was\n" in output
    assert "said?\n" in output
    assert "vox?[2J" in output
    assert said == "and something after it\n"


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway(token=TOKEN, identify_interval=0) as gateway:
        yield gateway


@contextlib.contextmanager
def tail(url: str, *arguments: str, token: str = TOKEN, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The real command, under way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vox_gateway", "tail", "--url", url, *arguments],
        env={**os.environ, "DISCORD_TOKEN": token, "TERM": "xterm"},
        **streams,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def pretty(url: str, *arguments: str, **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    with terminal() as screen:
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), screen.child)
        with tail(url, "--pretty", *arguments, **options, **streams) as process:
            yield process, screen


def say(gateway: LocalGateway, guild: int = 0) -> None:
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "guild_id": str(guild << 22), "author": {"id": "5"}})


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_a_table_is_kept_up_to_date_over_a_drop_until_ctrl_c(gateway: LocalGateway) -> None:
    with pretty(gateway.url) as (process, screen):
        gateway.wait_connected(timeout=PATIENCE)
        screen.read_until("vox-gateway: [shard 0/1] ready")
        for _ in range(7):
            say(gateway)
        told = screen.read_until("MESSAGE_CREATE       7 ")
        assert "vox-gateway tail · vox · 0:00:0" in told
        assert "ready" in told
        gateway.drop("reset")
        said = screen.read_until("[shard 0/1] resumed")
        assert "the connection was lost" in said
        screen.read_until("RESUMED              1 ")
        process.send_signal(signal.SIGINT)
        end = screen.read_until("vox-gateway: closed")
        assert "\x1b[?25h" in end  # the cursor is back
        assert process.wait(PATIENCE) == 0
    assert gateway.expect_close(PATIENCE, where=lambda closed: closed.code == 1000)


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_only_the_wanted_events_are_counted(gateway: LocalGateway) -> None:
    with pretty(gateway.url, "--events", "MESSAGE_CREATE") as (process, screen):
        gateway.wait_connected(timeout=PATIENCE)
        say(gateway)
        told = screen.read_until("MESSAGE_CREATE       1 ")
        process.send_signal(signal.SIGINT)
        told += screen.read_until("vox-gateway: closed")
    assert "GUILD_CREATE" not in told


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_the_log_goes_where_stderr_goes(gateway: LocalGateway) -> None:
    with terminal() as screen:
        streams = {"stdin": screen.child, "stdout": screen.child, "stderr": subprocess.PIPE}
        with tail(gateway.url, "--pretty", **streams) as process:
            gateway.wait_connected(timeout=PATIENCE)
            told = screen.read_until("GUILD_CREATE")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
    assert "vox-gateway: " not in told
    assert b"[shard 0/1] ready\n" in said
    assert said.endswith(b"vox-gateway: closed\n")


@posix_only
def test_a_wrong_token_ends_it_with_1_and_its_words(gateway: LocalGateway) -> None:
    with pretty(gateway.url, token="wrong.secret-token") as (process, screen):
        told = screen.read_until("copy the bot's token again")
        assert process.wait(PATIENCE) == 1
    assert "wrong.secret-token" not in told


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_each_of_several_shards_has_a_row(gateway: LocalGateway) -> None:
    with pretty(gateway.url, "--shards", "2") as (process, screen):
        gateway.wait_connected(2, timeout=PATIENCE)
        say(gateway, guild=3)
        told = ""
        while not re.search(r"0/2 .*ready.*\n.*1/2 .*ready", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told)):
            told += screen.read_until("MESSAGE_CREATE")  # once in each table
        process.send_signal(signal.SIGINT)
        screen.read_until("vox-gateway: closed")
        assert process.wait(PATIENCE) == 0


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_the_lines_of_several_shards_tell_which(gateway: LocalGateway) -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with tail(gateway.url, "--shards", "2", "--events", "MESSAGE_CREATE", **streams) as process:
        gateway.wait_connected(2, timeout=PATIENCE)
        say(gateway, guild=3)
        say(gateway, guild=4)
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    assert {event["shard"]: event["d"]["guild_id"] for event in events} == {1: str(3 << 22), 0: str(4 << 22)}
    assert [list(event) for event in events] == [["t", "s", "d", "shard"]] * 2
    assert b"vox-gateway: shard 1 connected as vox, in " in said
    assert {closed.shard for closed in (gateway.expect_close(PATIENCE), gateway.expect_close(PATIENCE))} == {0, 1}


# -- refused at once ---------------------------------------------------------------------------------------------------


def test_what_is_no_terminal_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    assert main(["tail", "--pretty", "--url", "ws://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err.startswith("vox-gateway: --pretty needs a terminal: ")


@posix_only
@pytest.mark.parametrize(
    ("term", "script", "words"),
    [
        ("dumb", "", "--pretty needs a terminal"),
        ("xterm", "sys.modules['rich'] = None;", 'vox-gateway: --pretty needs an optional package: pip install "vox-'),
    ],
)
def test_what_it_cannot_draw_on_or_with_is_named(term: str, script: str, words: str) -> None:
    program = f"import sys; {script} from vox_gateway.cli import main; sys.exit(main())"
    with terminal() as screen:
        ended = subprocess.run(
            [sys.executable, "-c", program, "tail", "--pretty", "--url", "ws://127.0.0.1:9"],
            env={**os.environ, "DISCORD_TOKEN": TOKEN, "TERM": term},
            stdout=screen.child,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )
    assert ended.returncode == 2
    assert words in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shards", "0"], "invalid count '0'"),
        (["--shards", "two"], "invalid count 'two'"),
        (["--shards", "2", "--shard", "0/2"], "not allowed with argument"),
    ],
)
def test_shards_that_cannot_be_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tail", *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_the_table_is_not_loaded_for_lines() -> None:
    program = "import sys, vox_gateway.cli; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
