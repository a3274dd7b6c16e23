"""`vox-gateway shards`, `drain`, `move` and `gate`, as processes beside nodes of this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from coordination_support import GATE, TIMES, Owner
from pty_support import terminal
from support import wait_until

from vox_gateway.cli import main
from vox_gateway.cli.cluster.rows import HEADINGS, as_lines, document, rows_of, summary
from vox_gateway.cli.cluster.table import render
from vox_gateway.coordination import (
    Coordination,
    NodeInfo,
    NodeStatus,
    Overview,
    Revoked,
    ShardStatus,
    open_coordination,
)

BOT = "1100000000000000001"
TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
PATIENCE = 60.0
EVIL = "evil\x1b[31m\nname\u202e"

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT and terminals as POSIX has them")


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bot.db"
    redis = pytest.importorskip("redis")
    url = str(request.getfixturevalue("redis_url"))
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        client.flushall()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/bot.db"


class Cluster:
    """Nodes of this process."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def coordination(self, url: str, bot: str = BOT) -> Coordination:
        opened = open_coordination(url, bot=bot, times=TIMES, gate=GATE)
        return self._stack.enter_context(contextlib.closing(opened))

    def node(self, url: str, name: str, shards: int = 4, **options: Any) -> Owner:
        owner = Owner(self.coordination(url), shards, name=name, **options)
        self._stack.callback(owner.node.close)
        return owner

    def pair(self, url: str) -> tuple[Owner, Owner]:
        """Two nodes that run two shards each."""
        one, other = self.node(url, "alpha"), self.node(url, "beta")
        wait_until(lambda: len(one.running) == len(other.running) == 2)
        return one, other


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        yield Cluster(stack)


@contextlib.contextmanager
def command(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command, under way; killed at the end."""
    clean = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    with subprocess.Popen(
        [sys.executable, "-m", "vox_gateway", *arguments],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    with command(*arguments, **environment) as process:
        output, said = process.communicate(timeout=PATIENCE)
        return process.returncode, output, said


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """As `run`, but within this process, which is faster."""

    def call(*arguments: str, **environment: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name in ("DISCORD_TOKEN", "VOX_GATEWAY_COORDINATION"):
                patch.delenv(name, raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            return main([*arguments]), *capsys.readouterr()

    return call


def at(url: str) -> dict[str, str]:
    return {"VOX_GATEWAY_COORDINATION": url}


# -- shards ------------------------------------------------------------------------------------------------------------


def test_shards_has_owners_and_what_they_reported(cluster: Cluster, url: str, ran: Run) -> None:
    one, other = cluster.pair(url)
    shard = min(one.running)
    state = {"status": "ready", "latency": 0.0414, "rate": 7.54, "guilds": 1234, "resumes": 2}
    state["reason"] = "close code 4000"
    one.node.report(shard, 1.0, state)
    wait_until(lambda: cluster.coordination(url).overview().shards[shard].state == state)
    code, output, said = run("shards", url, "--once")
    assert (code, said) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith("2 nodes run 4 shards; 990 session starts remain, 0 shards wait")
    assert lines[1].split("  ")[0] == "shard"
    (line,) = (line for line in lines if line.startswith(f"{shard}/4 "))
    for word in ("alpha", "ready", "41 ms", "7.5", "1,234", "close code 4000"):
        assert word in line
    (line,) = (line for line in lines if line.startswith(f"{min(other.running)}/4 "))
    assert "beta  " in line
    assert "not reported" in line

    code, output, _ = ran("shards", "--json", **at(url))
    found = json.loads(output)
    assert code == 0
    assert [node["name"] for node in found["nodes"]] == ["alpha", "beta"]
    assert [node["shards"] for node in found["nodes"]] == [2, 2]
    assert (found["shards"][shard]["owner_name"], found["shards"][shard]["state"]) == ("alpha", state)


def test_shards_prints_what_changes_until_the_reader_is_gone(cluster: Cluster, sqlite_url: str) -> None:
    cluster.node(sqlite_url, "alpha")
    wait_until(lambda: len(cluster.coordination(sqlite_url).overview().shards) == 4)
    with command("shards", sqlite_url) as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(6)]
        assert all("alpha" in line for line in first[2:])
        cluster.node(sqlite_url, "beta")
        assert any("beta" in line for line in process.stdout)
        process.stdout.close()
        assert process.wait(PATIENCE) == 0


@posix_only
@pytest.mark.usefixtures("unmeasured")
def test_shards_is_a_table_on_a_terminal_until_ctrl_c(cluster: Cluster, sqlite_url: str) -> None:
    owner = cluster.node(sqlite_url, "alpha", shards=2)
    wait_until(lambda: len(owner.running) == 2)
    with terminal() as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "vox_gateway", "shards", sqlite_url],
            stdout=screen.child,
            stderr=screen.child,
            env={**os.environ, "TERM": "xterm"},
        )
        try:
            screen.read_until("last reason")
            screen.read_until("not reported")
            owner.node.report(1, 3.0, {"status": "resuming"})
            screen.read_until("resuming")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def overview(*names: str, **state: Any) -> Overview:
    nodes = [NodeStatus(NodeInfo(f"id{n}", name, 3, 3), 5.0, n == 1) for n, name in enumerate(names)]
    shards = [
        ShardStatus(total=3, shard=0, owner="id0", load=2.0, state=state, reported_ago=1.0),
        ShardStatus(total=3, shard=2, owner="id1", load=1.0, state={"status": "ready"}, reported_ago=90.0),
    ]
    return Overview(
        nodes=nodes,
        shards=shards,
        pins={(3, 0): "id1"},
        holding=[],
        waiting=[],
        remaining=5,
        starts_in=0.0,
        max_concurrency=1,
    )


def test_what_others_wrote_cannot_control_the_terminal() -> None:
    seen = overview(EVIL, "b[red]", status="st\x1b[2Jate", reason="\x07bell\r\nnext", guilds="\x1b]0;title\x07")
    lines = [summary(seen), *as_lines(rows_of(seen))]
    assert all(line.isprintable() for line in lines)
    from rich.console import Console

    console = Console(width=160, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    with contextlib.closing(console.file):
        console.print(render(summary(seen), rows_of(seen), 24))
        text = console.export_text()
    assert "b[red]" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert json.loads(json.dumps(document(seen)))["nodes"][0]["name"] == EVIL
    assert json.dumps(document(seen)).isprintable()


def test_rows_say_what_is_ordered_and_what_is_old() -> None:
    rows = [dict(zip(HEADINGS, row.cells, strict=True)) for row in rows_of(overview("a", "a", status="ready"))]
    assert [row["owner"] for row in rows] == ["a (id0)", "-", "a (id1)"]
    assert [row["state"] for row in rows] == [
        "ready, moves to a (id1)",
        "free",
        "ready, reported 90 s ago, to be handed over",
    ]
    assert [row.ok for row in rows_of(overview("a", "b", status="ready"))] == [True, False, False]


def test_shards_that_do_not_fit_are_counted() -> None:
    from rich.console import Console

    shards = [
        ShardStatus(
            total=50,
            shard=n,
            owner="id",
            load=1.0,
            state={"status": "closed" if n == 40 else "ready"},
            reported_ago=1.0,
        )
        for n in range(50)
    ]
    seen = Overview(
        nodes=[NodeStatus(NodeInfo("id", "a", 50, 50), 5.0, False)],
        shards=shards,
        pins={},
        holding=[],
        waiting=[],
        remaining=5,
        starts_in=0.0,
        max_concurrency=1,
    )
    console = Console(width=120, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    with contextlib.closing(console.file):
        console.print(render(summary(seen), rows_of(seen), 14))
        lines = console.export_text().splitlines()
    assert len(lines) < 14
    assert lines[3].startswith("40/50"), "those that are not ready come first"
    assert lines[-1] == "and 41 other shards"


# -- drain and move ----------------------------------------------------------------------------------------------------


def test_drain_waits_until_the_node_has_no_shard(cluster: Cluster, url: str, ran: Run) -> None:
    one = cluster.node(url, "alpha", releases=False)
    wait_until(lambda: len(one.running) == 4)
    other = cluster.node(url, "beta", capacity=4)
    wait_until(lambda: other.node.view is not None)
    with command("drain", "alpha", **at(url)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alpha has 4 shards left\n"
        wait_until(lambda: one.node.info.capacity == 0 and not one.running)
        one.node.release(0, 1, 2)
        assert process.stdout.readline() == "alpha has 1 shard left\n"
        one.node.release(3)
        output, said = process.communicate(timeout=PATIENCE)
        assert (output, said, process.returncode) == ("alpha has no shards left\n", "", 0)
    assert one.node.drained.wait(5)
    wait_until(lambda: len(other.running) == 4)
    assert not any(event.lost for event in one.events if isinstance(event, Revoked))
    code, output, said = ran("drain", one.node.info.id, **at(url))
    assert (code, output, said) == (0, "alpha has no shards left\n", ""), "again"


def test_drain_without_another_node(cluster: Cluster, sqlite_url: str, ran: Run) -> None:
    owner = cluster.node(sqlite_url, "alpha", releases=False)
    wait_until(lambda: len(owner.running) == 4)
    code, output, said = ran("drain", "alpha", "--no-wait", **at(sqlite_url))
    assert (code, output) == (0, "alpha was ordered to hand over its shards\n")
    assert said == "vox-gateway: no other node can take its shards: they are down until one starts\n"
    with command("drain", "alpha", **at(sqlite_url)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alpha has 4 shards left\n"
        owner.node.close()
        assert process.communicate(timeout=PATIENCE)[0] == "alpha has left\n"


def test_move_moves_a_shard_and_it_stays(cluster: Cluster, url: str, ran: Run) -> None:
    one, other = cluster.pair(url)
    shard = min(one.running)
    code, output, said = run("move", str(shard), "beta", **at(url))
    assert (code, output, said) == (0, f"shard {shard} moves from alpha to beta\n", "")
    wait_until(lambda: shard in other.running and len(one.running) == len(other.running) == 2)
    code, output, _ = ran("move", str(shard), "beta", **at(url))
    assert (code, output) == (0, f"shard {shard} is at beta, and stays there\n")


def test_what_cannot_be_ordered_is_refused_in_words(
    cluster: Cluster, sqlite_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOX_GATEWAY_COORDINATION", sqlite_url)
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    coordination = cluster.coordination(sqlite_url)
    nodes = [
        NodeInfo("id1", "twin", 4, 4),
        NodeInfo("id2", "twin", 4, 4),
        NodeInfo("id3", "full", 4, 1),
        NodeInfo("id4", "away", 4, 0),
        NodeInfo("id5", EVIL, 4, 4),
    ]
    for number, info in enumerate(nodes[:4]):
        coordination.beat(info, {number: 1.0})
    coordination.beat(nodes[4], {})
    for argv, code, words in [
        (["drain", "twin"], 2, "2 nodes have the name 'twin': give the id of one, id1, id2"),
        (["drain", "nobody"], 1, "there is no node 'nobody', only away, evil?[31m name?, full, twin (id1), twin (id2)"),
        (["move", "4", "id1"], 2, "there is no shard 4: twin (id1) runs shards of 0 to 3"),
        (["move", "0", "away"], 1, "away hands over its shards, and takes no others"),
        (["move", "0", "full"], 1, "full has no room: its capacity is 1, and it runs as many shards"),
    ]:
        assert main(argv) == code
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", f"vox-gateway: {words}\n")
    assert main(["drain", "evil?[31m name?", "--no-wait"]) == 0, "as it is shown"
    assert capsys.readouterr().out == "evil?[31m name? was ordered to hand over its shards\n"
    assert main(["move", "2", "full"]) == 0
    assert capsys.readouterr().out == "shard 2 is at full, and stays there\n"


# -- gate --------------------------------------------------------------------------------------------------------------


def test_gate_has_who_may_identify_and_who_waits(cluster: Cluster, url: str, ran: Run) -> None:
    coordination = cluster.coordination(url)
    owner = cluster.node(url, "alpha", shards=2)
    wait_until(lambda: len(owner.running) == 2)
    code, output, said = run("gate", **at(url))
    assert (code, said) == (0, "")
    assert output == "990 session starts remain; 1 shard may IDENTIFY at once\nno shard waits\n"
    woken = threading.Event()
    owner.node.gate.enter(0, "zero", woken.set, time.monotonic())
    assert woken.wait(10)
    owner.node.gate.enter(1, "one", lambda: None, time.monotonic())
    wait_until(lambda: coordination.overview().waiting)
    code, output, _ = ran("gate", **at(url))
    lines = output.splitlines()
    assert lines[0] == "989 session starts remain; 1 shard may IDENTIFY at once"
    assert lines[1].startswith("shard 0 of alpha may IDENTIFY now, for up to ")
    assert lines[2].startswith("shard 1 of alpha has waited for ")
    found = json.loads(ran("gate", "--json", **at(url))[1])
    assert (found["remaining"], found["max_concurrency"]) == (989, 1)
    assert [(one["shard"], one["node_name"]) for one in found["holding"]] == [(0, "alpha")]
    assert [(one["shard"], one["node"]) for one in found["waiting"]] == [(1, owner.node.info.id)]
    assert 0 < found["next_turn_in"] <= GATE.turn


# -- where it is -------------------------------------------------------------------------------------------------------


def test_the_bot_is_found(cluster: Cluster, url: str, ran: Run) -> None:
    cluster.coordination(url).beat(NodeInfo("id1", "mine", 1, 1), {})
    assert "1 node " in ran("shards", url, "--once")[1], "the only one"
    cluster.coordination(url, "2200").beat(NodeInfo("id1", "theirs", 1, 1), {})
    code, output, said = ran("shards", url, "--once")
    assert (code, output) == (2, "")
    assert said == f"vox-gateway: several bots use this coordination: give --bot with one of {BOT}, 2200\n"
    nodes = [
        json.loads(ran("shards", url, "--json", *more, **environment)[1])["nodes"][0]["name"]
        for more, environment in [(["--bot", "2200"], {"DISCORD_TOKEN": TOKEN}), ([], {"DISCORD_TOKEN": TOKEN})]
    ]
    assert nodes == ["theirs", "mine"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["shards"], 2, "set VOX_GATEWAY_COORDINATION or give --coordination"),
        (["shards", "sqlite:///"], 2, "coordination='sqlite:///' must end with the name of a file"),
        (["gate", "--coordination", "sqlite:////no/bot.db"], 2, "/no/bot.db does not exist: no process"),
        (["gate", "--coordination", "postgres://me:hunter2@host/1"], 2, "a URL that begins with 'postgres'"),
        (["shards", "redis://:hun/ter2@host:6379"], 2, "special characters of a password must be percent-encoded"),
        (["shards", "redis://me:hunter2@127.0.0.1:1/0"], 1, "cannot be coordinated through Redis"),
    ],
)
def test_a_coordination_that_cannot_be_used(
    argv: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("redis")
    monkeypatch.delenv("VOX_GATEWAY_COORDINATION", raising=False)
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    assert main(argv) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert "hun" not in said.err


def test_a_file_without_a_bot(sqlite_url: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.coordination(sqlite_url)
    assert main(["shards", sqlite_url]) == 1
    assert capsys.readouterr().err == "vox-gateway: no process of a bot has used this coordination\n"


@pytest.mark.parametrize("table", ["CREATE TABLE mine (id)", "CREATE TABLE state (bot, name)", ""])
@pytest.mark.parametrize("argv", [["shards"], ["drain", "one"], ["gate", "--bot", BOT]])
def test_the_database_of_another_program_is_left_alone(
    argv: list[str], table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    path = tmp_path / "theirs?.db"
    with contextlib.closing(sqlite3.connect(path)) as theirs:
        theirs.execute(table)
    before = path.read_bytes()
    assert main([*argv, "--coordination", f"sqlite:///{path}"]) == 1
    assert "no process of a bot has used this file" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_a_bot_id_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["gate", "--bot", "{1}"])
    assert "invalid bot id '{1}'" in capsys.readouterr().err
