"""The pytest plugin, in a nested pytest run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import vox_gateway.testing.pytest_plugin  # noqa: F401 - a nested run drops the modules that it imports first

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

BOT = """
from vox_gateway import Client

def obey(client, message):
    if message["content"] == "fail":
        raise ValueError("told to fail")
    client.presence_update(status=message["content"])

def add_handlers(client):
    client.on("MESSAGE_CREATE", lambda message: obey(client, message))

client = Client(token="its-own", url="ws://nowhere.invalid")

@client.on("MESSAGE_CREATE")
def mute(message):
    client.voice_state_update(message["guild_id"], None, self_mute=True)

@client.once("MESSAGE_CREATE")
def greet(message):
    client.presence_update(status="online")
"""

SAY = """
def say(gateway, content):
    return gateway.dispatch("MESSAGE_CREATE", {
        "id": "1", "guild_id": gateway.guilds[0]["id"], "author": {"id": "3"}, "content": content,
    })
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Run:
    """Runs a test module in a nested pytest, or in a subprocess; it may import `bot` and `say`."""
    assert pytestconfig.pluginmanager.has_plugin("vox_gateway"), "the plugin is unknown here: install again"
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.syspath_prepend(str(pytester.path))
    pytester.makepyfile(bot=BOT, say=SAY)

    def run_it(code: str, *arguments: str, apart: bool = False) -> pytest.RunResult:
        pytester.makepyfile(test_bot="import pytest, bot\nfrom say import say\n" + code)
        runpytest = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return runpytest("--strict-markers", "-p", "no:cacheprovider", *arguments)

    return run_it


def test_a_bot_is_tested(run: Run) -> None:
    result = run("""
from vox_gateway import Intents

@pytest.mark.gateway_client(intents=Intents.default() | Intents.MESSAGE_CONTENT)
def test_it_obeys(gateway_client, local_gateway):
    bot.add_handlers(gateway_client)
    assert gateway_client.status == "closed"
    with gateway_client:
        local_gateway.wait_connected()
        assert say(local_gateway, "idle") == 1
        assert local_gateway.expect("PRESENCE_UPDATE").data["status"] == "idle"
""")
    result.assert_outcomes(passed=1)


def test_a_client_is_what_it_would_be_at_discord(run: Run) -> None:
    """Without the intent, messages have no content, as at Discord."""
    result = run("""
def test_it_is_blind(gateway_client, local_gateway):
    heard = []
    gateway_client.on("MESSAGE_CREATE", heard.append)
    gateway_client.on("MESSAGE_CREATE", lambda message: gateway_client.close())
    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
    say(local_gateway, "idle")
    assert gateway_client.wait_closed(5)
    assert heard[0]["content"] == ""
""")
    result.assert_outcomes(passed=1)


def test_every_test_has_a_fresh_gateway_and_the_last_one_is_gone(run: Run) -> None:
    result = run("""
import socket

ports = []

@pytest.mark.parametrize("attempt", [1, 2])
def test_fresh(local_gateway, gateway_client, attempt):
    for port in ports:
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 5)
    assert local_gateway.received == ()
    gateway_client.connect(async_=True)
    local_gateway.expect("IDENTIFY")
    ports.append(local_gateway.port)
""")
    result.assert_outcomes(passed=2)


def test_a_failed_test_closes_its_gateway(run: Run) -> None:
    """Otherwise its threads would fail this test, too."""
    result = run("""
def test_it_fails(gateway_client, local_gateway):
    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
    raise RuntimeError("the test's own")
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: the test's own"])


FAIL = """
@pytest.mark.gateway_client(intents=0xFFFF)
def test_it_fails(gateway_client, local_gateway):
    bot.add_handlers(gateway_client)
    with gateway_client:
        local_gateway.wait_connected()
        say(local_gateway, "fail")
        say(local_gateway, "dnd")
        local_gateway.expect("PRESENCE_UPDATE")
"""


def test_an_exception_in_a_handler_fails_the_test_with_its_traceback(run: Run) -> None:
    result = run(FAIL)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '*raise ValueError("told to fail")',
            "*AssertionError: the handler of MESSAGE_CREATE raised ValueError('told to fail')",
        ]
    )


def test_an_exception_in_a_handler_is_reported_beside_the_tests_own_failure(run: Run) -> None:
    result = run(FAIL + '        raise RuntimeError("the test\'s own")\n')
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines_random(["*ValueError('told to fail')", "*RuntimeError: the test's own"])


def test_all_exceptions_of_handlers_are_reported(run: Run) -> None:
    result = run(FAIL.replace('say(local_gateway, "fail")', 'say(local_gateway, "fail"), say(local_gateway, "rude")'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: *ValueError('told to fail'); *ValueError(*rude*"])


DISPATCHED = """
import threading

FAILS = {"id": "1", "guild_id": "1200000000004194304", "author": {"id": "3"}, "content": "", "fails": True}

@pytest.fixture(params=ENDS)
def end(request):
    return request.param

@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("turn", range(TURNS))
def test_it_fails(make_gateway_client, local_gateway, end, options, turn):
    client = make_gateway_client(**options)

    @client.on("MESSAGE_CREATE")
    def obey(message):
        threading.Event().wait(0.01)  # as a handler that does I/O
        if message.get("fails"):
            raise ValueError("told to fail")

    def act():
        local_gateway.wait_connected()
        for number in range(5):
            local_gateway.dispatch("MESSAGE_CREATE", {**FAILS, "fails": number == 4})

    if end == "with":
        with client:
            act()
        return
    client.connect(async_=True)
    act()
    if end == "close":
        client.close()
    elif end == "drop":
        local_gateway.drop("reset")
"""


@pytest.mark.parametrize("end", ["with", "close", "nothing", "drop"])
@pytest.mark.parametrize("options", [{}, {"workers": 3}, {"handlers": "caller"}], ids=str)
def test_queued_events_are_handled_before_the_test_ends(run: Run, end: str, options: dict[str, Any]) -> None:
    turns = 3
    code = DISPATCHED.replace("ENDS", repr([end])).replace("OPTIONS", repr([options])).replace("TURNS", str(turns))
    result = run(code)
    result.assert_outcomes(failed=turns)
    result.stdout.fnmatch_lines(["*AssertionError: the handler of MESSAGE_CREATE raised ValueError('told to fail')"])


def test_events_between_the_test_and_its_teardown_can_fail_it(run: Run) -> None:
    result = run("""
@pytest.fixture
def late(gateway_client, local_gateway):
    with gateway_client:
        local_gateway.wait_connected()
        yield
        say(local_gateway, "fail")

@pytest.mark.gateway_client(intents=0xFFFF)
def test_it_fails_late(gateway_client, late):
    bot.add_handlers(gateway_client)
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*AssertionError: the handler of MESSAGE_CREATE raised ValueError('told to fail')"])


STUCK = """
import threading

@pytest.mark.gateway_client(drain_timeout=0.5)
def test_it_never_returns(gateway_client, local_gateway):
    leave = threading.Event()
    gateway_client.on("GUILD_CREATE", lambda guild: leave.wait(20))
    with gateway_client:
        local_gateway.wait_connected()
    leave.set()
"""


def test_a_handler_that_does_not_return_fails_the_test_by_name(run: Run) -> None:
    result = run(STUCK)
    result.assert_outcomes(failed=1)
    late = "AssertionError: events were not handled within drain_timeout=0.5 seconds"
    result.stdout.fnmatch_lines([f"*{late}: the handler of GUILD_CREATE has been running for ?.? s, 1 event waits"])


@pytest.mark.parametrize("marked", ["drain_timeout=0", "fail_on_handler_error=False"])
def test_a_client_may_close_in_a_test(run: Run, marked: str) -> None:
    run(STUCK.replace("drain_timeout=0.5", marked)).assert_outcomes(passed=1)


def test_a_handler_that_closes_the_client_does_not_wait_for_itself(run: Run) -> None:
    """If it did, it would exceed its drain_timeout, which fails a test."""
    result = run("""
@pytest.mark.gateway_client(drain_timeout=3)
@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"handlers": "caller"}], ids=str)
def test_it_closes(make_gateway_client, local_gateway, options):
    client = make_gateway_client(**options)

    @client.on("READY")
    def leave(data):
        client.close()

    client.connect()
    assert client.status == "closed"
""")
    result.assert_outcomes(passed=3)


def test_events_that_did_not_arrive_do_not_fail_the_test(run: Run) -> None:
    result = run("""
pytestmark = pytest.mark.gateway_client(drain_timeout=0.3)

def test_a_zombie(gateway_client, local_gateway):
    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
    local_gateway.silence()
    say(local_gateway, "fail")

def test_a_gateway_that_says_nothing(gateway_client, local_gateway):
    local_gateway.faults.no_hello()
    gateway_client.connect(async_=True)
    local_gateway.wait_connection()

def test_a_client_that_never_connects(gateway_client):
    pass
""")
    result.assert_outcomes(passed=3)


def test_a_gateway_that_was_closed_is_not_waited_for(run: Run) -> None:
    result = run("""
import threading

pytestmark = pytest.mark.gateway_client(drain_timeout=60)

def test_an_event_that_cannot_come(gateway_client, local_gateway):
    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
    assert local_gateway.wait_handled(gateway_client)
    local_gateway.stop_accepting()
    local_gateway.drop()
    say(local_gateway, "fail")
    local_gateway.close()

def test_a_handler_that_is_running(gateway_client, local_gateway):
    began, leave = threading.Event(), threading.Event()

    @gateway_client.on("MESSAGE_CREATE")
    def fail(message):
        began.set()
        leave.wait(20)
        raise ValueError("late")

    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
    say(local_gateway, "hello")
    assert began.wait(20)
    local_gateway.close()
    threading.Timer(0.3, leave.set).start()
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: the handler of MESSAGE_CREATE raised ValueError('late')"])


def test_a_full_stream_that_blocks_is_named(run: Run) -> None:
    result = run("""
@pytest.mark.gateway_client(drain_timeout=0.5)
def test_it_is_full(gateway_client, local_gateway):
    events = gateway_client.stream("GUILD_CREATE", maxsize=1, overflow="block")
    with gateway_client:
        local_gateway.wait_connected()
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*and no handler runs: is a stream with overflow='block' full?"])


def test_events_during_close_are_handled(run: Run) -> None:
    result = run("""
def test_it_fails_late(gateway_client, local_gateway):
    @gateway_client.on("close")
    def late(how):
        raise ValueError("at the very end")

    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*AssertionError: the handler of close raised ValueError('at the very end')"])


def test_failing_handlers_can_be_allowed(run: Run) -> None:
    run(FAIL.replace("intents=", "fail_on_handler_error=False, intents=")).assert_outcomes(passed=1)


def test_an_error_that_ends_the_client_does_not_fail_the_test(run: Run) -> None:
    result = run("""
from vox_gateway import AuthenticationFailed, CertificateInvalid, UpgradeRefused

def test_the_gateway_may_refuse(gateway_client, local_gateway):
    gateway_client.connect(async_=True)
    local_gateway.wait_connected()
    local_gateway.drop("close", code=4004)
    with pytest.raises(AuthenticationFailed):
        gateway_client.wait_closed(5)

def test_the_server_may_refuse(gateway_client, local_gateway):
    local_gateway.faults.refuse_upgrade(401)
    with pytest.raises(UpgradeRefused):
        gateway_client.connect()
""")
    result.assert_outcomes(passed=2)


def test_markers_set_arguments_and_the_closest_marker_wins(run: Run) -> None:
    result = run("""
pytestmark = [
    pytest.mark.local_gateway(token="good", heartbeat_interval=7.0),
    pytest.mark.gateway_client(compress=False, large_threshold=50),
]

@pytest.mark.local_gateway(heartbeat_interval=0.05)
@pytest.mark.gateway_client(large_threshold=99)
def test_arguments(local_gateway, gateway_client):
    with gateway_client:
        assert local_gateway.expect("IDENTIFY").data["large_threshold"] == 99
        local_gateway.expect("HEARTBEAT")  # the interval of the closest marker, and an accepted token
    assert "compress" not in local_gateway.connections[0].query

@pytest.mark.gateway_client("dnd")
def test_no_keyword(gateway_client):
    pass

@pytest.mark.gateway_client(intent=1)
def test_no_such_keyword(gateway_client):
    pass
""")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*@pytest.mark.gateway_client takes keyword arguments only: got 'dnd'",
            "*unexpected keyword argument 'intent'*",
        ]
    )


def test_the_markers_are_registered(run: Run) -> None:
    run("", "--markers").stdout.fnmatch_lines_random(["@pytest.mark.local_gateway(*", "@pytest.mark.gateway_client(*"])


def test_a_bot_of_two_shards(run: Run) -> None:
    """Both IDENTIFY at once; Discord would make the second wait."""
    result = run("""
def test_shards(local_gateway, make_gateway_client):
    for number in (0, 1):
        make_gateway_client(shard=(number, 2)).connect(async_=True)
    local_gateway.wait_connected(2)
    assert sorted(local_gateway.expect("IDENTIFY").data["shard"] for count in (1, 2)) == [[0, 2], [1, 2]]
""")
    result.assert_outcomes(passed=1)


def test_a_bot_with_its_own_client(run: Run) -> None:
    result = run("""
def test_handlers_are_copied(local_gateway, make_gateway_client, monkeypatch):
    client = make_gateway_client(handlers_from=bot.client)
    monkeypatch.setattr(bot, "client", client)
    with client:
        local_gateway.wait_connected()
        say(local_gateway, "hello")
        say(local_gateway, "hello")
        for count in (1, 2):
            local_gateway.expect("VOICE_STATE_UPDATE")
    assert [payload.name for payload in local_gateway.received].count("PRESENCE_UPDATE") == 1
""")
    result.assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_until_it_is_used(run: Run, pytester: pytest.Pytester) -> None:
    """pytest loads it in every project; code imported that early is missing from coverage."""
    pytester.makeconftest("""
import sys

EARLY = {name.partition(".")[0] for name in sys.modules}

def pytest_collection_finish(session):
    assert session.config.pluginmanager.has_plugin("vox_gateway")
    assert not EARLY & {"vox_gateway", "websockets", "websocket", "pyee", "simplejson"}
""")
    pytester.makepyfile(bot="", say="say = None")
    run("def test_something_else(): pass", apart=True).assert_outcomes(passed=1)


def test_without_the_extra_the_fixture_names_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys; sys.modules['websockets'] = None")
    result = run(
        """
def test_of_something_else(): pass
def test_of_a_bot(gateway_client): pass
""",
        apart=True,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "* ERROR at setup of test_of_a_bot *",  # directly after
            'the fixture local_gateway cannot be had: the local gateway needs *pip install "vox-gateway?testing?"',
        ],
        consecutive=True,
    )


HTTP = """
import urllib.error, urllib.request

def send(gateway, path):
    try:
        urllib.request.urlopen(gateway.api_url + path, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()

def test_expected(local_gateway):
    local_gateway.http.expect("GET", "/channels/{channel.id}", json={})
    send(local_gateway, "/channels/1")

def test_missing(local_gateway):
    local_gateway.http.expect("GET", "/channels/{channel.id}")

def test_unexpected(gateway_client, local_gateway):
    @gateway_client.on("READY")
    def fetch(ready):
        send(local_gateway, "/channels/1")

    with gateway_client:
        local_gateway.wait_connected()

def test_that_fails_itself(local_gateway):
    send(local_gateway, "/channels/1")
    assert False, "its own reason"
"""


def test_http_requests_are_as_expected_or_the_test_fails(run: Run) -> None:
    result = run(HTTP)
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: expected, but not requested: GET /channels/{channel.id} (1 more)",
            "*AssertionError: <HttpRequest GET /api/v10/channels/1: 404>: nothing expects it",
            "*AssertionError: its own reason",
        ]
    )
    result.stdout.no_fnmatch_line("*http_api.py:*")
