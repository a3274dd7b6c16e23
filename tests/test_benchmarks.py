"""The benchmarks run: a small corpus, real sockets, and every event counted. No figure is judged here."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("trustme", reason="the benchmark's server needs trustme")

from benchmarks import cores, corpus, environments, formats, imports, reshard, shards, small, wire
from benchmarks.contest import EventsLost, Result, Servers, compete, ratios, result, turns
from benchmarks.contestants import CA, CONTESTANTS, GOALS, Contestant, of_every_python
from benchmarks.runners.stopwatch import Stopwatch

ROOT = Path(__file__).parent.parent
COUNT = 300


def test_the_corpus_is_the_same_every_time_and_written_as_discord_writes() -> None:
    messages = list(corpus.messages(COUNT))
    assert messages == list(corpus.messages(COUNT))
    payloads = [json.loads(message) for message in messages]
    assert [payload["s"] for payload in payloads] == list(range(2, COUNT + 2))
    assert [payload["t"] for payload in payloads[:20]] == ["GUILD_CREATE"] * 20
    assert all(message.startswith(b'{"t":"') for message in messages)
    assert payloads[-1]["d"]["content"] == corpus.THE_END
    assert {payload["t"] for payload in payloads} == {"GUILD_CREATE", *corpus.MIX}


def test_every_format_is_measured() -> None:
    rows = formats.table(COUNT, 1)
    assert [row[:2] for row in rows] == [(encoding, compress or "none") for encoding, compress in formats.formats()]
    assert all(size > 0 for *_, size, _ in rows)


@pytest.mark.parametrize(
    ("server", "client"),
    [
        (["--compress", "zlib-stream"], ["--compress", "zlib-stream"]),
        (["--encoding", "etf"], ["--encoding", "etf"]),
        (["--compress", "zlib-stream"], ["--compress", "zlib-stream", "--only", "MESSAGE_CREATE"]),
        (["--compress", "zlib-stream"], ["--compress", "zlib-stream", "--one-by-one"]),
        (["--compress", "zlib-stream"], ["--compress", "zlib-stream", "--workers", "3"]),
        (["--compress", "zlib-stream", "--ca", "{ca}"], ["--compress", "zlib-stream", "--ca", "{ca}"]),
    ],
    ids=["json", "etf", "one event", "one by one", "workers", "tls"],
)
def test_our_runner_counts_every_event(server: list[str], client: list[str], tmp_path: Path) -> None:
    def command(module: str, *options: str) -> list[str]:
        filled = [option.replace("{ca}", str(tmp_path / "ca.pem")) for option in options]
        return [sys.executable, "-m", f"benchmarks.{module}", *filled]

    with subprocess.Popen(
        command("server", "--events", str(COUNT), *server),
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        done = subprocess.run(
            command("runners.vox", url, str(COUNT), *client),
            cwd=ROOT, check=True, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        process.communicate("")
    told = json.loads(done.stdout)
    assert told["events"] == COUNT
    assert result("x", [told, told]).rate == pytest.approx(COUNT / told["seconds"])


def test_every_goal_is_about_contestants_that_there_are() -> None:
    names = {one.name for one in CONTESTANTS}
    assert {goal.ours for goal in GOALS} | {goal.theirs for goal in GOALS} <= names
    listed = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert listed.stdout.splitlines() == [one.name for one in CONTESTANTS]


def saying(line: str) -> Contestant:
    """A contestant that prints `line`, whatever it is asked."""
    return Contestant("stub", lambda: [sys.executable, "-c", f"print({line!r})"], server=None)


def test_the_corpus_is_mixed_as_it_says() -> None:
    names = Counter(json.loads(message)["t"] for message in corpus.messages(2000))
    guilds = names.pop("GUILD_CREATE")
    assert guilds == corpus.GUILDS
    for name, percent in corpus.MIX.items():
        assert abs(100 * names[name] / (2000 - guilds) - percent) < 4


def test_a_contestant_that_lost_events_ends_the_contest() -> None:
    lossy = saying(json.dumps({"events": COUNT - 1, "seconds": 1, "cpu": 1, "peak_kb": 1024}))
    with pytest.raises(EventsLost, match=f"got {COUNT - 1} of {COUNT} events"):
        compete([lossy], COUNT, 1)


def test_a_contestant_that_cannot_run_is_left_out_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert compete([saying("no JSON")], COUNT, 2) == []
    assert "stub takes no part" in capsys.readouterr().err


def test_a_result_has_every_round_and_their_medians() -> None:
    told = saying(json.dumps({"events": COUNT, "seconds": 0.5, "cpu": 0.3, "peak_kb": 2048}))
    [one] = compete([told], COUNT, 3)
    assert one == Result("stub", (COUNT / 0.5,) * 3, (1000.0,) * 3, (2.0,) * 3)
    assert (one.rate, one.cpu, one.peak) == (COUNT / 0.5, 1000.0, 2.0)


def test_each_round_begins_with_another_contestant() -> None:
    orders = turns(CONTESTANTS, 5)
    assert len({order[0].name for order in orders}) == 5
    for order in orders:
        assert sorted(one.name for one in order) == sorted(one.name for one in CONTESTANTS)


def test_rounds_are_compared_with_each_other() -> None:
    assert ratios([10, 40, 30], [10, 10, 20]) == [1, 1.5, 4]
    with pytest.raises(ValueError, match="longer"):
        ratios([1], [1, 2])


def test_a_contestant_that_fails_in_a_later_round_has_no_result(tmp_path: Path) -> None:
    told = json.dumps({"events": COUNT, "seconds": 0.5, "cpu": 0.3, "peak_kb": 2048})
    once = f"import os; os.mkdir({str(tmp_path / 'ran')!r}); print({told!r})"
    results = compete([Contestant("once", lambda: [sys.executable, "-c", once], server=None), saying(told)], COUNT, 2)
    assert [one.name for one in results] == ["stub"]


def test_a_handler_that_misses_a_call_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    messages = corpus.count_of("MESSAGE_CREATE", COUNT)
    names = [json.loads(message)["t"] for message in corpus.messages(COUNT)]
    assert messages == names.count("MESSAGE_CREATE")
    assert corpus.count_of("TYPING_START", COUNT) == names.count("TYPING_START")
    watch = Stopwatch(COUNT, "MESSAGE_CREATE")
    watch.start()
    for calls in (messages, messages - 1):
        watch.stop(calls)
        assert json.loads(capsys.readouterr().out)["events"] == COUNT + calls - messages


@pytest.mark.parametrize("inflate", ["zlib", "zstd"])
def test_the_limit_reads_every_event(inflate: str) -> None:
    if inflate == "zstd" and wire.zstd_module() is None:
        pytest.skip("no package for zstd")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.runners.limit", "-", str(COUNT), "--json", "json",
         "--inflate", inflate],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert json.loads(done.stdout)["events"] == COUNT


def peers() -> list[Any]:
    """The runners of hikari and discord.py, each with the options of every row."""
    rows = {
        "hikari_raw": [["--busy"], ["--only", "MESSAGE_CREATE", "--ca", CA]],
        "discord_py": [["--raw", "--busy"], ["--raw", "--only", "TYPING_START", "--ca", CA], []],
    }
    return [
        pytest.param(module, options, id=" ".join([module, *options]), marks=pytest.mark.slow)
        for module, several in rows.items()
        for options in several
    ]


@pytest.mark.parametrize(("module", "options"), peers())
def test_a_peer_counts_the_calls_of_its_handler(module: str, options: list[str]) -> None:
    pytest.importorskip(module.split("_")[0])
    # Where zstandard is installed discord.py asks for zstd, and nothing else can be told to it.
    zstd = module == "discord_py" and importlib.util.find_spec("zstandard") is not None
    server = ("--compress", "zstd-stream" if zstd else "zlib-stream", *(["--ca", CA] if "--ca" in options else []))
    command = [sys.executable, "-m", f"benchmarks.runners.{module}"]
    one = Contestant("peer", command.copy, tuple(options), server)
    [told] = compete([one], COUNT, 1)
    assert told.rate > 0


def test_servers_are_gone_when_the_contest_is_over() -> None:
    with contextlib.ExitStack() as stack:
        address = urlsplit(Servers(COUNT, stack).url(("--compress", "zlib-stream")))
        assert address.hostname
        assert address.port
        socket.create_connection((address.hostname, address.port), 5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), 5)


def test_the_time_to_ready_is_measured() -> None:
    assert "the median of 2" in small.start(2)


def test_the_cost_of_an_import_is_measured() -> None:
    bare, package, client = imports.import_cost(1).splitlines()
    assert bare.endswith("the medians of 1")
    assert package.startswith("import vox_gateway: ")
    assert client.endswith(" MB more")


def test_each_python_is_found_once() -> None:
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in environments.pythons()
    names = [one.name for one in of_every_python()]
    assert len(names) == len(set(names)) >= 2


def test_the_memory_of_waiting_events_is_measured() -> None:
    assert "MB while 19 wait behind a stuck handler" in small.memory(20, 10_000)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_the_memory_of_a_shard_is_measured(scheme: str) -> None:
    assert f"memory on {scheme}: " in small.idle_on(scheme, 2)


def test_shards_are_measured_at_full_and_at_a_quiet_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PEERS", {"vox_gateway": shards.PEERS["vox_gateway"]})
    monkeypatch.setattr(environments, "python", lambda name: sys.executable)
    full = shards.compete(COUNT, 1, [(1, None), (3, None)])
    assert [told["events"] for (told,) in full.values()] == [COUNT, COUNT]
    assert [line.split()[:2] for line in shards.table(full)][1:] == [["vox_gateway", "1"], ["vox_gateway", "3"]]
    (quiet,) = shards.compete(60, 1, [(3, 50)])["vox_gateway", 3]
    assert quiet["events"] == 60


def test_peers_take_turns_to_be_first() -> None:
    assert [shards.rotated(["a", "b", "c"], number) for number in (0, 1, 5)] == [[*"abc"], [*"bca"], [*"cab"]]


def test_what_became_of_events_is_judged() -> None:
    assert reshard.judge(3, {0: [0, 1, 2], 1: [0, 1, 2]}, guilds=2) == reshard.Verdict(0, 0, 0)
    assert reshard.judge(3, {0: [0, 0, 2, 1]}, guilds=2) == reshard.Verdict(3, 1, 1)
    assert reshard.longest_pause([1.0, 2.0, 5.0, 9.0], 0.0, 6.0) == 3.0


def test_events_under_resharding_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reshard, "STEADY", 0.1)
    monkeypatch.setattr(reshard, "OVERLAP", 0.05)
    assert "missing 0, duplicates 0, out of order 0" in reshard.reshard(500.0, (1, 2, 1))


DRAW = """
import sys
from pathlib import Path
from benchmarks.contest import Result
from benchmarks import cores
from benchmarks.picture import draw, draw_cores

rates = {"vox_gateway": 100_000, "limit: x": 200_000, "busy": 300, "pure": 1, "one event": 1}
draw([Result(name, (rate,), (1.0,), (30.0,)) for name, rate in rates.items()], Path(sys.argv[1]))
everyone = cores.settings(without_gil=True)
draw_cores([Result(one.name, (1000.0 * one.shards,), (1.0,), (1.0,)) for one in everyone], Path(sys.argv[2]))
"""


def test_cores_has_every_setting_and_a_goal_for_each_peer() -> None:
    everyone = cores.settings(without_gil=True)
    assert len(everyone) == len({one.name for one in everyone}) == 3 * 2 * 2 * len(cores.SHARDS)
    assert len(cores.settings(without_gil=False)) == len(everyone) / 2
    names = {one.name for one in everyone}
    assert all({goal.ours, goal.theirs} <= names for goal in cores.GOALS)
    assert [goal.theirs.split(",")[0] for goal in cores.GOALS] == ["hikari", "discord.py"]


def test_cores_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "python", lambda *args: sys.executable)
    command = cores.command(cores.Setting("vox_gateway", 1, False, 2), "3.13t", "python3.13t", switch=True)()
    assert command[:2] == ["taskset", "--cpu-list"]
    assert command[3:] == [sys.executable, "-X", "gil=0", "-m", "benchmarks.runners.vox_shards"]
    with pytest.raises(environments.Unavailable, match="cores"):
        cores.command(cores.Setting("vox_gateway", 10_000, True, 2), "3.13", "python3.13", switch=False)()


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset, of util-linux, gives a process its cores")
def test_cores_count_the_events_of_all_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "python", lambda *args: sys.executable)
    one = cores.contestant(cores.Setting("vox_gateway", 1, True, 4), "", "", switch=False)
    [told] = compete([one], COUNT, 1)
    table = cores.table([told]).splitlines()
    assert table[0].split()[:3] == ["events/s", "1", "shard"]
    assert len(table) == 1  # a line needs all numbers of shards


def test_a_table_of_cores_has_a_line_for_each_client() -> None:
    results = [Result(one.name, (1000.0 * one.shards,), (1.0,), (1.0,)) for one in cores.settings(without_gil=False)]
    _, *lines = cores.table(results).splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ["vox_gateway,", "1", "core,", "with", "the", "GIL", "1,000", "2,000", "4,000", "8,000"]


@pytest.mark.skipif(importlib.util.find_spec("pygal") is None, reason="pygal draws the picture")
def test_the_picture_shows_who_gets_every_event_and_runs_alone(tmp_path: Path) -> None:
    # In a process of its own: pygal leaves an import hook behind that Python warns of.
    subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "picture.svg"), str(tmp_path / "cores.svg")],
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    drawn = (tmp_path / "picture.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<?xml")
    assert "vox_gateway  100,000" in drawn
    for aside in ("busy", "pure", "one event"):
        assert aside not in drawn
    assert "<script" not in drawn
    cores_drawn = (tmp_path / "cores.svg").read_text(encoding="utf-8")
    assert "vox_gateway, 2 cores, without the GIL" in cores_drawn
    assert "<script" not in cores_drawn
