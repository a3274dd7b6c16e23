"""What the how-to pages say beyond what their snippets print: commands that arrive, metrics, a log, a restart."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests  # noqa: F401  # before pytester, which forgets its imports: requests fails when imported again
from snippets import ROOT, Snippet, gateway_for_discord, say, snippets

from vox_gateway import Client, ShardManager
from vox_gateway.cli import main
from vox_gateway.testing import LocalGateway, message, user

HOW_TO = ROOT / "docs" / "how-to"


def snippet(page: str, words: str) -> Snippet:
    """The one snippet of a page that holds `words`."""
    (found,) = [one for one in snippets(HOW_TO / page, "python") if words in one.code]
    return found


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    """Stands where Discord is."""
    with gateway_for_discord(monkeypatch) as gateway:
        yield gateway


def test_the_commands_arrive(gateway: LocalGateway) -> None:
    snippet("commands.md", "voice_state_update").run()
    sent = {one.name for one in gateway.received}
    assert sent >= {"VOICE_STATE_UPDATE", "REQUEST_GUILD_MEMBERS", "REQUEST_CHANNEL_INFO", "REQUEST_SOUNDBOARD_SOUNDS"}
    assert gateway.expect_close().code == 1000


def test_the_bot_answers_people_and_not_bots(gateway: LocalGateway) -> None:
    send, one = "/channels/{channel.id}/messages", snippet("reply.md", "def pong")
    code = one.code.replace("https://discord.com/api/v10", gateway.api_url).replace("client.connect()", "")
    client = replace(one, code=code).run()["client"]
    gateway.http.expect("POST", send, json={"id": "1"})
    with client:
        gateway.wait_connected()
        gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "!ping", author=user(9, "echo", bot=True)))
        gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "!ping"))
        request = gateway.http.wait_for_request("POST", send)
        assert gateway.wait_handled(client)
    assert request.json == {"content": "pong"}
    assert request.headers["authorization"] == "Bot MTEw.Gabc.not-a-real-token"
    gateway.http.check()


def test_a_session_is_kept_over_ctrl_c(gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        code = snippet("restart.md", 'session_file="').code.replace("print)", "interrupt)")
        ready = "READY" if number == 0 else "RESUMED"

        def interrupt(data: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

        code = code.replace('"MESSAGE_CREATE"', repr(ready))
        exec(compile(code, "restart.md", "exec"), {"interrupt": interrupt})
        assert gateway.expect_close(5).code == 4000
        assert "not-a-real-token" not in (tmp_path / "session.json").read_text()


def test_a_session_is_kept_in_redis(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, str] = {}
    connection = SimpleNamespace(get=kept.get, set=kept.__setitem__, delete=lambda key: kept.pop(key, None))
    redis = SimpleNamespace(Redis=SimpleNamespace(from_url=lambda url, socket_timeout: connection))
    monkeypatch.setitem(sys.modules, "redis", redis)  # type: ignore[arg-type]
    monkeypatch.setenv("REDIS_URL", "redis://cache.example")
    for resumes in (0, 1):
        client = snippet("restart.md", "import redis").run()["client"]
        with client:
            assert client.wait_until_guilds(10)
        assert client.stats.resumes == resumes
        assert list(kept) == ["session of shard 0"]


def test_discord_is_asked_first(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    snippet("discovery.md", "resets_at").run()
    assert capsys.readouterr().out.startswith("1 shards, 1000 of 1000 session starts left until 20")
    assert [request.path for request in gateway.http.requests] == ["/gateway/bot"] * 2
    gateway.expect("IDENTIFY")


def explained_in_general(explained: str) -> list[str]:
    """The lines of `Client.explain`, without their figures and names."""
    times, names = r"^ *|\d+ min \d+ s|\d+(\.\d+)? s\b", r"session \w+…|(?<=connecting to )[^,]+"
    return [re.sub(rf"{times}|{names}|seq \d+|\d+ (?=event|heartbeats)", "*", line) for line in explained.splitlines()]


def test_what_is_explained_reads_as_it_does_here(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = [one.code for one in snippets(HOW_TO / "health.md", "text")]
    with gateway_for_discord(monkeypatch, heartbeat_interval=0.3) as gateway, Client(token="any") as client:
        end, pause = time.monotonic() + 20, threading.Event()

        def wait_for(words: str) -> None:
            while words not in client.explain():
                assert time.monotonic() < end, client.explain()
                pause.wait(0.05)

        wait_for("heartbeats acknowledged")
        gateway.reconnect()
        wait_for("resumed, with")
        wait_for("now: connected, waiting for events")
        explained = explained_in_general(client.explain())
    if "acknowledged" in explained[-2]:  # by now there may have been a heartbeat on the second connection too
        del explained[-2]
    assert explained == explained_in_general(shown)


def test_the_metrics_can_be_scraped(gateway: LocalGateway) -> None:
    pytest.importorskip("prometheus_client")
    one = snippet("metrics.md", "GatewayCollector")
    page = (HOW_TO / "metrics.md").read_text(encoding="utf-8")
    assert "(9000)" in one.code
    found = replace(one, code=one.code.replace("(9000)", "(0, addr='127.0.0.1')")).run()
    try:
        assert found["client"].wait_until_ready(5)
        with urllib.request.urlopen(f"http://127.0.0.1:{found['server'].server_port}/", timeout=10) as answer:
            metrics = answer.read().decode()
        for name in re.findall(r"\b(vox_gateway_\w+)", page):
            assert f'\n{name}{{shard="0"}} ' in metrics or name == "vox_gateway_latency_seconds"
        assert 'vox_gateway_up{shard="0"} 1.0' in metrics
        assert "# TYPE vox_gateway_latency_seconds gauge" in metrics
    finally:
        found["client"].close()
        found["prometheus_client"].REGISTRY.unregister(found["collector"])
        found["server"].shutdown()
        found["server"].server_close()
        found["thread"].join(10)


def test_the_reference_names_every_metric() -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    from vox_gateway.prometheus import GatewayCollector

    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    registry = prometheus_client.CollectorRegistry()
    collector = GatewayCollector(Client(token="any"), registry=registry)
    kinds = {"gauge": "gauge", "counter": "counter", "stateset": "state set"}
    endings = {"counter": "_total"}
    metrics = collector.describe()
    offered = {f"| `{one.name}{endings.get(one.type, '')}` | {kinds[one.type]} |" for one in metrics}
    told = {re.match(r"\| `[^|]*\|[^|]*\|", line) for line in page.splitlines()} - {None}
    assert offered == {match[0] for match in told if match}


def test_the_doctor_is_called_as_the_page_says(gateway: LocalGateway, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = [one.code for one in snippets(HOW_TO / "errors.md", "text") if one.code.startswith("vox-gateway ")]
    program, *argv = command.split()
    assert program == "vox-gateway"
    assert main([*argv, "--url", gateway.url]) == 0
    said = capsys.readouterr().out
    for check in ("versions", "proxy", "name lookup", "API", "clock", "token", "session starts", "intents"):
        assert check in said


def test_every_option_has_a_row() -> None:
    page = (ROOT / "docs" / "reference" / "options.md").read_text(encoding="utf-8")
    of_client, of_manager = (
        sorted(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", part, re.MULTILINE))))
        for part in page.split("## Only of a `ShardManager`")
    )
    assert of_client == sorted(Client.__init__.__kwdefaults__ | {"token": None})
    assert of_manager == sorted(ShardManager.__init__.__kwdefaults__.keys() - Client.__init__.__kwdefaults__)


def test_sigterm_keeps_the_session(gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    one = snippet("deploy.md", "SIGTERM")
    stopped = 'client.once("GUILD_CREATE", lambda guild: os.kill(os.getpid(), signal.SIGTERM))\nclient.connect()'
    try:
        replace(one, code=one.code.replace("client.connect()", stopped)).run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert gateway.expect_close(5).code == 4000
    assert (tmp_path / "session.json").exists()


def test_sigterm_drains_even_if_it_interrupts_a_handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    one = snippet("processes.md", "manager.drain")
    code = one.code.replace('bot.db"', 'bot.db", handlers="caller"').replace(
        "manager.connect()",
        'manager.once("GUILD_CREATE", lambda guild: os.kill(os.getpid(), signal.SIGTERM))\nmanager.connect()',
    )
    with gateway_for_discord(monkeypatch, shards=2, max_concurrency=2) as gateway:
        monkeypatch.setitem(ShardManager.__init__.__kwdefaults__, "identify_gate", None)  # the coordination has one
        end = threading.Timer(60, lambda: gateway.drop("close", code=4004))  # fail, and do not hang
        end.start()
        try:
            manager = replace(one, code=code).run()["manager"]
        finally:
            end.cancel()
            end.join()
            signal.signal(signal.SIGTERM, before)
        assert manager.status == "closed"
        assert gateway.expect_close(5).code == 4000


def test_each_line_of_the_log_is_json_with_the_shard(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pythonjsonlogger")
    level = logging.root.level
    monkeypatch.setattr(logging.root, "handlers", [])
    try:
        snippet("logging.md", "JsonFormatter").run()
        logging.getLogger("another.library").warning("no shard")
    finally:
        logging.root.setLevel(level)
    *lines, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert {line["shard"] for line in lines} == {"0/1"}
    assert {"time", "level", "name", "threadName", "message"} <= lines[0].keys()
    assert {"vox_gateway-0/1-reader", "vox_gateway-0/1-reconnect"} & {line["threadName"] for line in lines}
    assert (other["message"], other["shard"]) == ("no shard", None)


def test_handlers_are_spans_and_counts_are_instruments(
    gateway: LocalGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader, tracing = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([reader]))

    def talk() -> None:
        gateway.wait_connected(1)
        say(gateway, "hello")

    talker = threading.Thread(target=talk)
    talker.start()
    one = snippet("opentelemetry.md", "opentelemetry")
    one.run()
    talker.join(10)
    assert capsys.readouterr().out == one.prints
    assert [span.name for span in spans.get_finished_spans()] == ["discord answer"]
    data = json.loads(reader.get_metrics_data().to_json())
    (scope,) = data["resource_metrics"][0]["scope_metrics"]
    points = {metric["name"]: metric["data"]["data_points"][0] for metric in scope["metrics"]}
    assert points["discord.gateway.events"]["value"] >= 2
    assert points["discord.gateway.ok"]["attributes"] == {"shard": "0"}


def test_a_container_is_stopped_as_the_dockerfile_says(tmp_path: Path) -> None:
    """There is no Docker where tests run, so its instructions are followed by hand."""
    lines = (ROOT / "examples" / "first_bot" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    steps = dict(line.split(" ", 1) for line in lines if line and line[0].isupper())
    program, *argv = json.loads(steps["CMD"])
    assert program == "python"
    key, _, value = steps["ENV"].partition("=")
    folder = ROOT / "examples" / "first_bot"
    assert (folder / steps["COPY"].split()[0]).is_file()
    with LocalGateway() as gateway:
        settings = {**os.environ, "DISCORD_TOKEN": "any", "VOX_GATEWAY_URL": gateway.url, key: value}
        command = [sys.executable, *argv]
        with subprocess.Popen(command, cwd=folder, env=settings, stdout=subprocess.PIPE, text=True) as bot:
            try:
                assert bot.stdout is not None
                assert bot.stdout.readline() == "logged in as vox\n"
                bot.send_signal(signal.Signals[steps["STOPSIGNAL"]])
                bot.communicate(timeout=20)
            finally:
                bot.kill()
        assert bot.returncode == 0
        assert gateway.expect_close(5).code == 1000
