"""`vox-gateway doctor`: each check well and not well, against a real gateway."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from proxy_server import http_connect, proxy_server
from support import black_hole, refused_port, serving

from vox_gateway import Intents
from vox_gateway.cli import main
from vox_gateway.cli.doctor.credentials import check_intents, check_token
from vox_gateway.cli.doctor.finding import Verdict
from vox_gateway.cli.doctor.machine import check_speedups
from vox_gateway.cli.doctor.reach import certificate_finding, clock_finding
from vox_gateway.testing import LocalGateway, guild

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
CHECKS = [
    "versions",
    "speedups",
    "proxy",
    "name lookup",
    "connection",
    "API",
    "clock",
    "token",
    "GET /gateway/bot",
    "intents",
]

Doctor = Callable[..., tuple[int, dict[str, tuple[str, str]], str]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Runs the command; gives its exit code, each check's verdict and words, and all that it said."""
    for variable in ("http_proxy", "https_proxy", "no_proxy", "DISCORD_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)

    def run(url: str, *argv: str, token: str | None = TOKEN) -> tuple[int, dict[str, tuple[str, str]], str]:
        if token is not None:
            monkeypatch.setenv("DISCORD_TOKEN", token)
        code = main(["doctor", "--url", url, *argv])
        output = capsys.readouterr()
        assert "not-a-real-token" not in output.out + output.err
        return code, findings(output.out), output.out + output.err

    return run


def findings(output: str) -> dict[str, tuple[str, str]]:
    """Each check's verdict and words, made of its lines."""
    found: dict[str, tuple[str, str]] = {}
    for line in output.split("\n\n")[0].splitlines():
        head = re.match(r"  (\S.{0,24}?)\s+(ok|warning|failed|skipped) +(.*)", line)
        if head:
            found[head[1]] = head[2], head[3]
        else:
            name, (verdict, words) = list(found.items())[-1]
            found[name] = verdict, f"{words} {line.strip()}"
    return found


def test_all_is_well(doctor: Doctor) -> None:
    with LocalGateway(token=TOKEN, shards=3, session_starts_remaining=998) as gateway:
        code, found, output = doctor(gateway.url)
        assert gateway.connections == ()  # no session start, no login
        assert gateway.session_starts_remaining == 998
    assert code == 0
    assert list(found) == CHECKS
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    for word in ("vox_gateway", "Python", "OpenSSL", "websocket-client", "simplejson", "pyee"):
        assert word in found["versions"][1]
    assert "json: " in found["speedups"][1]
    assert "1100000000000000001" in found["token"][1]
    assert "998 of 1000 session starts remain" in found["GET /gateway/bot"][1]
    assert "recommended shards: 3" in found["GET /gateway/bot"][1]
    assert output.endswith("No problems found.\n")


def test_its_words_use_the_width_of_the_terminal(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with LocalGateway() as gateway:
        _, _, output = doctor(gateway.url)
    lines = output.split("\n\n")[0].splitlines()
    assert max(map(len, lines)) < 80
    assert {len(line) - len(line.lstrip()) for line in lines} == {2, 29}  # so that 50 columns are left


def test_without_a_token_the_rest_is_looked_at(doctor: Doctor) -> None:
    with LocalGateway() as gateway:
        code, found, output = doctor(gateway.url, token=None)
    assert code == 0
    assert found["token"] == ("skipped", "set DISCORD_TOKEN to the bot's token to check it")
    assert found["GET /gateway/bot"][0] == "skipped"
    assert output.endswith("No problems in what was checked.\n")


def test_a_token_that_is_refused_is_told(doctor: Doctor) -> None:
    with LocalGateway(token="another") as gateway:
        code, found, output = doctor(gateway.url)
    assert code == 1
    assert found["token"][0] == "ok"
    assert found["GET /gateway/bot"][0] == "failed"
    assert "HTTP 401" in found["GET /gateway/bot"][1]
    assert output.endswith("1 failed. Start with the first.\n")


def test_what_is_no_token_is_not_sent_anywhere(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def know_nothing_of_discord(host: str, *args: Any, **options: Any) -> Any:
        if host.endswith("discord.gg"):
            raise OSError("no network")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", know_nothing_of_discord)
    with LocalGateway() as gateway:
        code, found, _ = doctor("wss://gateway.discord.gg", "--api-url", gateway.http_url, token="A" * 32)
        assert [request.path for request in gateway.http.requests] == ["/gateway"]
    assert code == 1
    assert "client secret" in found["token"][1]
    assert found["GET /gateway/bot"][0] == "skipped"


@pytest.mark.parametrize("token", ["any", "made-up", "A" * 32, "a.b"])
def test_a_gateway_of_ones_own_may_take_any_token(doctor: Doctor, token: str) -> None:
    with LocalGateway(token=token) as gateway:
        code, found, _ = doctor(gateway.url, token=token)
    assert code == 0
    assert found["token"][0] == "ok"
    assert "does not have the format of Discord's tokens" in found["token"][1]
    assert found["GET /gateway/bot"][0] == "ok"


@pytest.mark.parametrize("token", ["", "two words", "töken"])
def test_a_token_that_no_client_could_send_has_failed_everywhere(doctor: Doctor, token: str) -> None:
    with LocalGateway() as gateway:
        code, found, _ = doctor(gateway.url, token=token)
    assert code == 1
    assert found["token"][0] == "failed"
    assert found["GET /gateway/bot"][0] == "skipped"


def test_a_prefix_that_the_client_ignores_is_a_warning(doctor: Doctor) -> None:
    with LocalGateway(token=TOKEN) as gateway:
        code, found, output = doctor(gateway.url, token=f"Bot {TOKEN} ")
    assert code == 0
    assert found["token"][0] == "warning"
    assert found["GET /gateway/bot"][0] == "ok"
    assert output.endswith("No check failed; 1 warning.\n")


@pytest.mark.parametrize(("remaining", "verdict", "code"), [(0, "failed", 1), (99, "warning", 0), (100, "ok", 0)])
def test_few_session_starts_and_none(doctor: Doctor, remaining: int, verdict: str, code: int) -> None:
    with LocalGateway(session_starts_remaining=remaining) as gateway:
        ended, found, _ = doctor(gateway.url)
    assert (ended, found["GET /gateway/bot"][0]) == (code, verdict)
    assert re.search(r"reset at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", found["GET /gateway/bot"][1])


@pytest.mark.parametrize(("shift", "words"), [(3600, "seconds behind the server's"), (-3600, "seconds ahead of")])
def test_a_clock_that_is_off_is_a_warning(doctor: Doctor, shift: float, words: str) -> None:
    with LocalGateway() as gateway:
        gateway.faults.shift_clock(shift)
        code, found, _ = doctor(gateway.url)
    assert (code, found["clock"][0]) == (0, "warning")
    assert words in found["clock"][1]


def test_privileged_intents_are_named_where_nobody_says_which_are_enabled(doctor: Doctor) -> None:
    with LocalGateway() as gateway:
        code, found, _ = doctor(gateway.url, "--intents", "default,MESSAGE_CONTENT", token=None)
    assert (code, found["intents"][0]) == (0, "warning")
    assert "MESSAGE_CONTENT: privileged" in found["intents"][1]


@pytest.mark.parametrize("count", [2, 100])  # Discord has other flags for bots in many guilds
def test_privileged_intents_are_compared_with_those_that_are_enabled(doctor: Doctor, count: int) -> None:
    wanted = "default,MESSAGE_CONTENT,GUILD_MEMBERS"
    guilds = [guild(index << 22) for index in range(1, count + 1)]
    with LocalGateway(allowed_intents=Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES, guilds=guilds) as gateway:
        code, found, _ = doctor(gateway.url, "--intents", wanted)
        assert (code, found["intents"][0]) == (1, "failed")
        assert "MESSAGE_CONTENT: not enabled for this bot" in found["intents"][1]
        assert "4014" in found["intents"][1]
        code, found, _ = doctor(gateway.url, "--intents", "GUILD_MEMBERS")
    assert (code, found["intents"][0]) == (0, "ok")
    assert "privileged ones are enabled for this bot" in found["intents"][1]
    assert "enabled but not requested: GUILD_PRESENCES" in found["intents"][1]


@pytest.mark.parametrize(
    ("status", "application", "words"),
    [
        (404, "{}", "answered GET /applications/@me with HTTP 404"),
        (200, "{}", "without the flags of an application"),
        (200, '{"flags": true}', "without the flags of an application"),
        (200, "[" * 100_000, "without the flags of an application"),
        (200, "hello", "without the flags of an application"),
    ],
)
def test_an_api_that_does_not_say_what_is_enabled(doctor: Doctor, status: int, application: str, words: str) -> None:
    with LocalGateway() as gateway:
        starts = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        answers = {
            "/gateway": (200, "{}"),
            "/gateway/bot": (200, json.dumps({"url": gateway.url, "shards": 1, "session_start_limit": starts})),
            "/applications/@me": (status, application),
        }

        def serve(connection: socket.socket) -> None:
            if head := connection.recv(4096):  # nothing, where only the connection is tried
                code, body = answers[head.decode().split()[1]]
                connection.sendall(f"HTTP/1.1 {code} x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

        with serving(serve) as port:
            ended, found, _ = doctor(
                gateway.url, "--intents", "MESSAGE_CONTENT", "--api-url", f"http://127.0.0.1:{port}"
            )
    assert (ended, found["intents"][0]) == (0, "warning")
    assert "MESSAGE_CONTENT: privileged" in found["intents"][1]
    assert words in found["intents"][1]


def test_nobody_there(doctor: Doctor) -> None:
    code, found, _ = doctor(f"ws://127.0.0.1:{refused_port()}")
    assert code == 1
    assert found["connection"][0] == found["API"][0] == "failed"
    assert found["clock"][0] == "skipped"
    assert found["GET /gateway/bot"] == ("skipped", "fix the connection to the API first")


def test_an_api_that_refuses(doctor: Doctor) -> None:
    with LocalGateway() as gateway:
        gateway.faults.refuse_request(503)
        code, found, _ = doctor(gateway.url)
    assert code == 1
    assert found["API"][0] == "failed"
    assert "HTTP 503" in found["API"][1]
    assert found["clock"][0] == "ok"


def test_a_name_that_is_none(doctor: Doctor) -> None:
    with LocalGateway() as gateway:
        code, found, _ = doctor(f"ws://{'a' * 64}.example", "--api-url", gateway.http_url)
    assert code == 1
    assert found["name lookup"][0] == "failed"
    assert found["connection"] == ("skipped", "fix the name lookup first")
    assert found["API"][0] == "ok"


def test_a_name_that_is_one(doctor: Doctor) -> None:
    with LocalGateway() as gateway:
        _, found, _ = doctor(f"ws://localhost:{gateway.port}")
    assert found["name lookup"][0] == "ok"
    assert "127.0.0.1" in found["name lookup"][1]


def test_it_is_bounded_in_time_though_nobody_answers(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*args: Any, **options: Any) -> Any:
        answered.wait(20)
        raise OSError("too late")

    with black_hole() as port:
        code, found, _ = doctor(f"ws://127.0.0.1:{port}", "--timeout", "0.2")
        assert code == 1
        assert "longer than --timeout=0.2 seconds" in found["connection"][1]
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    code, found, _ = doctor("wss://gateway.discord.gg", "--timeout", "0.1")
    answered.set()
    assert "name lookup took longer than --timeout=0.1 seconds" in found["name lookup"][1]
    assert found["TLS"][0] == "skipped"
    assert "name lookup took longer" in found["API"][1]


@pytest.mark.parametrize(
    ("scheme", "verdict", "words"),
    [("http", "ok", "from HTTP_PROXY"), ("socks5", "warning", "for SOCKS, pass Client"), ("", "warning", "ignored")],
)
def test_the_proxy_of_the_environment(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, scheme: str, verdict: str, words: str
) -> None:
    with LocalGateway() as gateway, proxy_server(http_connect()) as server:
        authority = f"ada:secret@127.0.0.1:{server.port}"
        monkeypatch.setenv("HTTP_PROXY", f"{scheme}://{authority}" if scheme else f"127.0.0.1:{server.port}")
        code, found, output = doctor(f"ws://localhost:{gateway.port}")
        assert server.asked == ([("localhost", gateway.port)] * 4 if scheme else [])
    assert code == 0
    assert found["proxy"][0] == verdict
    assert words in found["proxy"][1]
    assert found["name lookup"][0] == ("skipped" if scheme else "ok")
    assert "secret" not in output


def test_a_proxy_that_is_not_for_this_host_or_not_for_any(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalGateway() as gateway:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        code, found, _ = doctor(gateway.url)
        assert (code, found["proxy"]) == (0, ("ok", "none, since NO_PROXY names 127.0.0.1"))
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("http_proxy", "http://ada:sec/ret@127.0.0.1:9")
        code, found, output = doctor(gateway.url)
    assert code == 1
    assert found["proxy"][0] == "failed"
    assert {found[name][0] for name in ("name lookup", "connection", "API", "clock")} == {"skipped"}
    assert "'sec'" not in output
    assert "ret@" not in output


def test_tls_is_looked_at(doctor: Doctor, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with LocalGateway(ssl_context=context) as gateway:
        code, found, _ = doctor(gateway.url)
        assert code == 1
        assert found["TLS"][0] == "failed"
        assert "does not verify" in found["TLS"][1]
        # What the system trusts is read once in a process.
        environment = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "authority.pem"), "DISCORD_TOKEN": TOKEN}
        command = [sys.executable, "-m", "vox_gateway", "doctor", "--url", gateway.url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    found = findings(done.stdout)
    assert found["TLS"][0] == "ok"
    assert "the certificate for 127.0.0.1, issued by trustme" in found["TLS"][1]
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_ends_it() -> None:
    with LocalGateway() as gateway:
        gateway.faults.ignore_request(times=None)
        command = [sys.executable, "-m", "vox_gateway", "doctor", "--timeout", "60", "--url", gateway.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            gateway.http.wait_for_request("GET", "/gateway", 60)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[1] == "vox-gateway: interrupted\n"
            assert process.returncode == 130


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--url", "http://x"], "--url must begin with wss:// or ws://"),
        (["--api-url", "ws://x"], "--api-url must begin with https:// or http://"),
    ],
)
def test_a_url_that_is_none_ends_with_2(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *argv]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_timeout_that_is_none_ends_with_2(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", f"--timeout={text}"])
    assert ended.value.code == 2
    assert "expected a positive number of seconds" in capsys.readouterr().err


# -- the pure parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict", "words"),
    [
        (TOKEN, Verdict.OK, "1100000000000000001"),
        (f" {TOKEN}\n", Verdict.WARNING, "white space"),
        (f"Bot {TOKEN}", Verdict.WARNING, "begins with 'Bot '"),
        ("", Verdict.FAILED, "empty"),
        ("  ", Verdict.FAILED, "empty"),
        (f"Bearer {TOKEN}", Verdict.FAILED, "OAuth2 token of a user"),
        (f'"{TOKEN}"', Verdict.FAILED, "quotes"),
        (f"<{TOKEN}>", Verdict.FAILED, "brackets"),
        (TOKEN.replace(".", ". "), Verdict.FAILED, "spaces"),
        (TOKEN.replace(".", "…"), Verdict.FAILED, "non-ASCII"),
        ("1100000000000000001", Verdict.FAILED, "it is an id"),
        ("ab" * 32, Verdict.FAILED, "public key"),
        ("A_-0" * 8, Verdict.FAILED, "client secret"),
        ("https://discord.com/api/webhooks/1/x", Verdict.FAILED, "URL"),
        ("YOUR_TOKEN", Verdict.FAILED, "this has 1"),
        ("MTEw.Gabc", Verdict.FAILED, "this has 2"),
        ("MTEw..x", Verdict.FAILED, "this has 2"),
        ("AAAA.Gabc.x", Verdict.FAILED, "not a bot's id"),
        ("!!!!.Gabc.x", Verdict.FAILED, "not a bot's id"),
        ("M.Gabc.x", Verdict.FAILED, "not a bot's id"),
    ],
)
def test_the_shape_of_a_token(text: str, verdict: Verdict, words: str) -> None:
    finding = check_token(text)
    assert finding.verdict is verdict
    assert words in finding.text
    assert "Gabc" not in finding.text


@pytest.mark.parametrize(
    ("intents", "verdict", "words"),
    [
        (Intents.default(), Verdict.OK, "all unprivileged"),
        (Intents.none(), Verdict.OK, "none"),
        (Intents.GUILDS, Verdict.OK, "GUILDS: none is privileged"),
        (Intents.all(), Verdict.WARNING, "GUILD_MEMBERS, GUILD_PRESENCES, MESSAGE_CONTENT: privileged"),
        (Intents(1 << 40), Verdict.WARNING, "0x10000000000"),
    ],
)
def test_what_is_said_of_intents(intents: Intents, verdict: Verdict, words: str) -> None:
    finding = check_intents(intents)
    assert finding.verdict is verdict
    assert words in finding.text


def test_faster_packages_are_named_where_they_are_missing() -> None:
    slow = check_speedups({"json": "json", "zlib": "zlib", "zstd": ""})
    assert slow.text == ('json: json, zlib: zlib, zstd: none. For a busy bot: pip install "vox-gateway[speed]"')
    fast = check_speedups({"json": "msgspec 0.19", "zlib": "zlib-ng 0.5", "zstd": "compression.zstd"})
    assert "pip" not in fast.text


@pytest.mark.parametrize(("days", "verdict"), [(3, Verdict.WARNING), (30, Verdict.OK)])
def test_a_certificate_that_ends_soon_is_a_warning(days: int, verdict: Verdict) -> None:
    now = 1_800_000_000.0
    until = datetime.fromtimestamp(now + days * 86400 + 60, timezone.utc)
    certificate = {"notAfter": f"{until:%b %d %H:%M:%S %Y} GMT", "issuer": ((("organizationName", "Trust Us"),),)}
    finding = certificate_finding("host", certificate, now)
    assert finding.verdict is verdict
    assert f"issued by Trust Us, verifies; valid until {until:%Y-%m-%d} ({days} days)" in finding.text
    nameless = certificate_finding("host", {"notAfter": certificate["notAfter"]}, now)
    assert "issued by an authority without a name" in nameless.text


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0, Verdict.OK), (4, Verdict.OK), (8, Verdict.WARNING), (-8, Verdict.WARNING)]
)
def test_a_clock_is_compared_with_the_middle_of_the_question(ahead: float, verdict: Verdict) -> None:
    told = datetime(2026, 8, 1, 12, 0, 0, tzinfo=timezone.utc)
    here = (told + timedelta(seconds=ahead)).timestamp()
    assert clock_finding(format_datetime(told, usegmt=True), here, here + 1).verdict is verdict
    assert clock_finding(format_datetime(told, usegmt=True), here - 20, here + 20).verdict is Verdict.OK
    for date in (None, "", "yesterday"):
        assert clock_finding(date, here, here).verdict is Verdict.SKIPPED


def test_an_api_that_is_no_http_server_is_told(doctor: Doctor) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    with LocalGateway() as gateway, serving(serve) as port:
        code, found, _ = doctor(gateway.url, "--api-url", f"http://127.0.0.1:{port}")
    assert code == 1
    assert "did not answer GET /gateway as an HTTP server does" in found["API"][1]
