"""Forks after connect(): the parent keeps the connection, and the child reports that. Uses real processes."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snippets import ROOT, snippets
from support import read_to_end, serving
from tls_contexts import AUTHORITY, server_context

from vox_gateway.testing import LocalGateway

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]

TIMEOUT = 30.0
WORDS = "forked after connect()"

PRELUDE = """
import atexit, faulthandler, json, os, signal, ssl, sys, threading, time, traceback
from vox_gateway import *

def say(**said):
    os.write(1, json.dumps(said, default=str).encode() + b"\\n")

def make(**options):
    if authority:
        options["ssl_context"] = ssl.create_default_context(cafile=authority)
    options = {"url": url, "identify_gate": IdentifyGate(interval=0), **options}
    return Client(token="MTEw.Gabc.not-a-real-token", intents=Intents.all(), **options)

def connected(**options):
    client = make(**options)
    client.connect(async_=True)
    assert client.wait_until_ready(15)
    return client

def run_in_child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except SystemExit:
            raise
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return pid

def wait(pid):
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"

def raised(function, *args, **options):
    try:
        return f"returned {function(*args, **options)!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def go_on():
    os.read(0, 1)

def ends(pid):
    until = time.monotonic() + 20
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGABRT)  # faulthandler says where it hangs
            return False
    return True

def command(name):
    return 4, {"guild_id": str(name), "channel_id": None, "self_mute": False, "self_deaf": False}

# Commands that identify their sender.
PARENT, CHILD = command(1), command(2)

faulthandler.enable()
url, authority, *rest = sys.argv[1:]
"""


class Program:
    """A running script and its output."""

    def __init__(self, body: str, url: str, authority: str = "", *rest: str) -> None:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + body, url, authority, *rest]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors += [line.decode() for line in self.process.stderr]

    def next(self) -> dict[str, Any]:
        """Return the next line of its output, parsed."""
        said = self._said.get(timeout=TIMEOUT)
        assert said is not None, "".join(self.end()[1])
        return said

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def wait(self) -> str:
        """Wait until it exits with 0; return stderr."""
        status = self.process.wait(TIMEOUT)
        _, errors = self.end()
        assert status == 0, errors
        return errors

    def end(self) -> tuple[int, str]:
        """Kill it and its children unless they have exited; return the exit status and stderr."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait(TIMEOUT)
        for reader in self._readers:
            reader.join(TIMEOUT)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status, "".join(self._errors)


@contextlib.contextmanager
def program(body: str, url: str, authority: str = "", *rest: str) -> Iterator[Program]:
    running = Program(body, url, authority, *rest)
    try:
        yield running
    finally:
        running.end()


@pytest.fixture(params=["ws", "wss"])
def any_gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LocalGateway, str]]:
    """A gateway, without and with TLS, and the file of the certificate authority that clients must trust."""
    if request.param == "ws":
        with LocalGateway(identify_interval=0) as gateway:
            yield gateway, ""
        return
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with LocalGateway(identify_interval=0, ssl_context=server_context()) as gateway:
        yield gateway, str(tmp_path / "authority.pem")


#: the commands of the programs, as they arrive
PARENT, CHILD = "1", "2"


def commands(gateway: LocalGateway) -> list[str]:
    """Return the guild ids of the commands received."""
    return [one.data["guild_id"] for one in gateway.received if one.name not in ("HEARTBEAT", "IDENTIFY", "RESUME")]


# -- calls in the child ----------------------------------------------------------------------------------------------

TOLD = """
client = connected()
before = client.stream("MESSAGE_CREATE")

def child():
    say(
        status=client.status,
        repr=repr(client),
        explain=client.explain(),
        health=client.health(),
        events=client.stats.events,
        seq=client.session.seq,
    )
    gid = 1200000000004194304
    say(
        send_packet=raised(client.send_packet, *CHILD),
        presence_update=raised(client.presence_update, status="dnd"),
        voice_state_update=raised(client.voice_state_update, gid, None),
        request_guild_members=raised(client.request_guild_members, gid, user_ids=[1]),
        fetch_guild_members=raised(client.fetch_guild_members, gid, user_ids=[1], timeout=None),
        join_voice=raised(client.join_voice, gid, 1, timeout=None),
        leave_voice=raised(client.leave_voice, gid, timeout=None),
        fetch_soundboard_sounds=raised(client.fetch_soundboard_sounds, [gid], timeout=None),
        fetch_channel_info=raised(client.fetch_channel_info, gid, ["status"], timeout=None),
        wait_for=raised(client.wait_for, "MESSAGE_CREATE"),
        stream_before=raised(before.get),
        stream_after=raised(client.stream("MESSAGE_CREATE").get),
        iteration=raised(list, client.stream("MESSAGE_CREATE")),
    )
    say(
        wait_until_ready=raised(client.wait_until_ready),
        wait_closed=raised(client.wait_closed),
        close=raised(client.close),
        leave=raised(client.__exit__, None, None, None),
    )

pid = run_in_child(child)
wait(pid)
client.send_packet(*PARENT, timeout=10)
say(status=client.status, reconnects=client.stats.reconnects)
say(event=before.get(15).data["content"])
client.close()
"""


def test_calls_in_the_child_fail_and_the_parents_connection_stays_open(any_gateway: tuple[LocalGateway, str]) -> None:
    gateway, authority = any_gateway
    with program(TOLD, gateway.url, authority) as told:
        state = told.next()
        assert state["status"] == "closed"
        assert WORDS in state["repr"]
        assert WORDS in state["explain"].splitlines()[-1]
        assert "ready: session" in state["explain"]  # the parent's history is kept
        assert state["health"]["ok"] is False
        assert WORDS in state["health"]["last_error"]
        assert (state["events"], state["seq"]) == (0, None)
        for name, outcome in told.next().items():
            assert outcome.startswith("NotConnected: "), (name, outcome)
            assert WORDS in outcome
            assert "call connect()" in outcome
        ends = told.next()
        assert ends == {
            "wait_until_ready": "returned False",
            "wait_closed": "returned True",
            "close": "returned None",
            "leave": "returned None",
        }
        assert told.next() == {"status": "ready", "reconnects": 0}
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
        assert told.next() == {"event": "hello"}
        errors = told.wait()
    assert commands(gateway) == [PARENT]
    assert [one.closed and one.closed.code for one in gateway.connections] == [1000]
    # One warning of the child, and none of the parent.
    assert errors.count(WORDS) == 1, errors


def test_a_child_that_does_not_use_the_client_logs_nothing(gateway: LocalGateway) -> None:
    body = """
client = connected()
for _ in range(3):
    wait(run_in_child(lambda: (client.status, repr(client), client.explain(), client.health(), client.close())))
client.close()
"""
    with program(body, gateway.url) as quiet:
        assert quiet.wait() == ""


def test_dispatch_pending_in_the_child_logs_one_warning(gateway: LocalGateway) -> None:
    body = """
client = connected(handlers="caller")
client.on("MESSAGE_CREATE", lambda message: say(pid=os.getpid()))
go_on()

def child():
    say(dispatched=[client.dispatch_pending(timeout=timeout) for timeout in (0, 0.01)])

wait(run_in_child(child))
while not client.dispatch_pending(timeout=15):
    pass
client.close()
"""
    with program(body, gateway.url) as loop:
        gateway.wait_connected(1, TIMEOUT)
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
        loop.go_on()
        assert loop.next() == {"dispatched": [0, 0]}
        errors = loop.wait()
    assert errors.count(WORDS) == 1


# -- exit of the child ------------------------------------------------------------------------------------------------

ENDS = """
client = None
began = []
atexit.register(lambda: say(seconds=time.monotonic() - began[0]))  # runs last
client = connected(session_file=rest[0] if rest else None)
pid = run_in_child(lambda: (began.append(time.monotonic()), sys.exit(0)))
wait(pid)
say(child="gone")
go_on()
say(status=client.status)
began.append(time.monotonic())
"""


def test_a_child_exits_at_once_and_the_parent_still_sends_its_close_frame(gateway: LocalGateway) -> None:
    with program(ENDS, gateway.url) as ends:
        assert ends.next()["seconds"] < 1.5  # must not wait for the parent's threads
        assert ends.next() == {"child": "gone"}
        assert gateway.connections[0].closed is None
        ends.go_on()
        assert ends.next() == {"status": "ready"}
        ends.next()
        ends.wait()
    assert gateway.expect_close(TIMEOUT).code == 1000


def test_a_child_leaves_the_session_file_to_the_parent(gateway: LocalGateway, tmp_path: Path) -> None:
    path = tmp_path / "session"
    body = """
client = connected(session_file=rest[0])
import json
saved = None
while saved != client.session.seq:  # until all progress was saved
    client.wait_for("HEARTBEAT_ACK", timeout=10)
    saved = json.load(open(rest[0]))["seq"] if os.path.exists(rest[0]) else None
before = open(rest[0]).read()

def child():
    client.close()
    client.__exit__(None, None, None)
    say(unchanged=open(rest[0]).read() == before)
    sys.exit(0)

wait(run_in_child(child))
say(unchanged=open(rest[0]).read() == before)
"""
    with LocalGateway(identify_interval=0, heartbeat_interval=0.2) as beating:
        with program(body, beating.url, "", str(path)) as left:
            assert left.next() == {"unchanged": True}
            assert left.next() == {"unchanged": True}
            left.wait()
        assert beating.expect_close(TIMEOUT).code == 4000
    assert path.exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are listed in /proc")
def test_the_child_keeps_none_of_the_parents_sockets(gateway: LocalGateway) -> None:
    body = """
def sockets():
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}").partition(":")[0])
        except OSError:
            pass
    return found.count("socket")

client = make()

def count(data):
    say(parent=sockets())
    wait(run_in_child(lambda: say(child=sockets())))
    client.close()

client.on("READY", count)
client.connect()
"""
    with program(body, gateway.url) as counting:
        # The connection, and the wakeup pairs of its reader and of the main thread.
        assert counting.next()["parent"] == 5
        assert counting.next() == {"child": 0}
        counting.wait()


def test_the_connection_ends_with_the_parent_while_a_child_lives(any_gateway: tuple[LocalGateway, str]) -> None:
    gateway, authority = any_gateway
    body = "client = connected()\npid = run_in_child(go_on)\nsay(child=pid)\nwait(pid)"
    with program(body, gateway.url, authority) as outlived:
        child = outlived.next()["child"]
        outlived.process.kill()
        assert gateway.expect_close(TIMEOUT).by == "client"
        os.kill(child, 0)  # it is still running


def test_a_fork_while_connecting_leaves_the_connection_to_the_parent() -> None:
    """The server accepts the connection, but does not answer."""
    taken: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
    ended = threading.Event()

    def swallow(connection: socket.socket) -> None:
        taken.put(connection)
        connection.settimeout(TIMEOUT)
        read_to_end(connection)
        ended.set()

    body = """
client = make(connect_timeout=60)
client.connect(async_=True)
go_on()

def child():
    sent = raised(client.send_packet, *CHILD)
    say(status=client.status, explain=client.explain(), ready=client.wait_until_ready(), sent=sent)
    go_on()

pid = run_in_child(child)
wait(pid)
"""
    with serving(swallow) as port, program(body, f"ws://127.0.0.1:{port}") as connecting:
        taken.get(timeout=TIMEOUT)
        connecting.go_on()
        said = connecting.next()
        assert (said["status"], said["ready"]) == ("closed", False)
        assert WORDS in said["explain"]
        assert said["sent"].startswith("NotConnected")
        assert not ended.is_set()
        connecting.process.kill()
        assert ended.wait(TIMEOUT), "the child has kept the socket"


# -- connecting in the child -----------------------------------------------------------------------------------------

ANEW = """
def note(message):
    say(pid=os.getpid(), content=message["content"])

client = make()
client.on("MESSAGE_CREATE", note)
client.connect(async_=True)
assert client.wait_until_ready(15)
theirs = client.session.id
client.presence_update(status="dnd", timeout=10)

def child():
    client.connect(async_=True)
    assert client.wait_until_ready(15)
    say(own=client.session.id != theirs, stats=client.stats.identifies, reconnects=client.stats.reconnects)
    client.send_packet(*CHILD, timeout=10)
    go_on()
    client.close()
    assert client.wait_closed(10)
    say(explain=client.explain(), repr=repr(client), sent=raised(client.send_packet, *CHILD))

pid = run_in_child(child)
say(parent=os.getpid(), child=pid)
wait(pid)
say(status=client.status, same=client.session.id == theirs, identifies=client.stats.identifies)
client.close()
"""


def test_connect_in_the_child_starts_a_separate_session(any_gateway: tuple[LocalGateway, str]) -> None:
    gateway, authority = any_gateway
    with program(ANEW, gateway.url, authority) as anew:
        pids = anew.next()
        assert anew.next() == {"own": True, "stats": 1, "reconnects": 0}
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "to both"})
        seen = [anew.next(), anew.next()]
        assert {one["pid"] for one in seen} == set(pids.values())
        anew.go_on()
        closed = anew.next()
        assert WORDS not in closed["repr"]
        assert WORDS not in closed["sent"]
        assert "closed by close()" in closed["explain"]
        assert gateway.expect_close(TIMEOUT).connection == 2
        assert anew.next() == {"status": "ready", "same": True, "identifies": 1}
        anew.wait()
    assert [one.name for one in gateway.received if one.op in (2, 6)] == ["IDENTIFY", "IDENTIFY"]


def test_an_unconnected_client_works_in_the_child(gateway: LocalGateway) -> None:
    body = """
client = make()
client.on("READY", lambda data: say(ready=True))
events = client.stream("MESSAGE_CREATE")

def child():
    say(explain=client.explain(), status=client.status)
    client.connect(async_=True)
    say(content=events.get(15).data["content"])
    client.close()

wait(run_in_child(child))
say(status=client.status)
"""
    with program(body, gateway.url) as unused:
        said = unused.next()
        assert said == {"explain": "now: not connected; connect() begins a new session", "status": "closed"}
        assert unused.next() == {"ready": True}
        gateway.wait_connected(1, TIMEOUT)
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
        assert unused.next() == {"content": "hello"}
        assert unused.next() == {"status": "closed"}
        assert unused.wait() == ""


def test_a_client_closed_before_the_fork_starts_a_new_session(gateway: LocalGateway) -> None:
    body = """
client, handled = make(), threading.Event()
client.once("READY", lambda data: handled.set())
client.connect(async_=True)
assert handled.wait(15)
client.close(resumable=True)

def child():
    say(repr=repr(client))
    client.connect(async_=True)
    assert client.wait_until_ready(15)
    say(identifies=client.stats.identifies, resumes=client.stats.resumes)
    client.close()

wait(run_in_child(child))
client.connect(async_=True)
assert client.wait_until_ready(15)
say(resumes=client.stats.resumes)
client.close()
"""
    with program(body, gateway.url) as closed:
        assert WORDS not in closed.next()["repr"]
        assert closed.next() == {"identifies": 1, "resumes": 0}
        assert closed.next() == {"resumes": 1}
        assert closed.wait() == ""


def test_a_fork_of_a_fork(gateway: LocalGateway) -> None:
    body = """
client = connected()

def idle_child():
    def grandchild():
        say(idle=raised(client.send_packet, *CHILD))
    wait(run_in_child(grandchild))

def child():
    client.connect(async_=True)
    assert client.wait_until_ready(15)
    def grandchild():
        say(grandchild=raised(client.send_packet, *CHILD), explain=client.explain())
    wait(run_in_child(grandchild))
    client.send_packet(*CHILD, timeout=10)
    client.close()

wait(run_in_child(idle_child))
wait(run_in_child(child))
client.send_packet(*PARENT, timeout=10)
client.close()
"""
    with program(body, gateway.url) as twice:
        assert WORDS in twice.next()["idle"]
        said = twice.next()
        assert WORDS in said["grandchild"]
        assert said["explain"].count(WORDS) == 3  # twice in the history, once in the current state
        twice.wait()
    assert commands(gateway) == [CHILD, PARENT]


def test_a_child_does_not_wait_for_the_parents_identify(gateway: LocalGateway) -> None:
    """The parent's client, which gets no HELLO, holds the IdentifyGate of the process."""
    gateway.faults.no_hello()
    body = """
client = make(identify_gate=None)
client.connect(async_=True)
go_on()

def child():
    client.connect(async_=True)
    say(ready=client.wait_until_ready(15))
    client.close()

wait(run_in_child(child))
"""
    with program(body, gateway.url) as held:
        gateway.wait_connection(1, TIMEOUT)
        held.go_on()
        assert held.next() == {"ready": True}


# -- forks in a handler ----------------------------------------------------------------------------------------------

RETURNS = """
options = json.loads(rest[0])
client = make(**options)
forked = []

def fork(message):
    if message["content"] == "fork":
        forked.append(os.fork())
        if forked[-1] == 0:
            say(child=os.getpid(), sent=raised(client.send_packet, *CHILD))
    say(pid=os.getpid(), first=message["content"])

client.on("DISPATCH", lambda payload: payload["t"] == "MESSAGE_CREATE" and fork(payload["d"]))
client.on("DISPATCH", lambda payload: payload["t"] == "MESSAGE_CREATE" and say(pid=os.getpid(), second=True))
client.on("MESSAGE_CREATE", lambda message: say(pid=os.getpid(), third=message["content"]))
client.once("READY", lambda data: say(parent=os.getpid()))

def reap(message):
    os.waitpid(forked[0], 0)
    say(reaped=True)
    client.close()

client.on("TYPING_START", reap)
try:
    client.connect()
except NotConnected as error:
    say(pid=os.getpid(), connect=str(error))
"""


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"handlers": "caller"}], ids=str)
def test_a_child_that_returns_from_a_handler_handles_no_more_events(
    gateway: LocalGateway, options: dict[str, Any]
) -> None:
    with program(RETURNS, gateway.url, "", json.dumps(options)) as returns:
        parent = returns.next()["parent"]
        for content in ("fork", "after", "later"):
            gateway.dispatch("MESSAGE_CREATE", {"id": "1", "guild_id": "1", "content": content})
        gateway.dispatch("TYPING_START", {"guild_id": "1"})
        said = []
        while {"reaped": True} not in said:
            said.append(returns.next())
        (child,) = {one["child"] for one in said if "child" in one}
        theirs = [one for one in said if one.get("pid") == child]
        assert theirs[0] == {"pid": child, "first": "fork"}
        if "handlers" in options:  # the child continues after connect()
            assert len(theirs) == 2
            assert WORDS in theirs[1]["connect"]
        else:
            assert len(theirs) == 1
        assert [one for one in said if one.get("pid") == parent] == [
            {"pid": parent, **one}
            for content in ("fork", "after", "later")
            for one in ({"first": content}, {"second": True}, {"third": content})
        ]
        returns.wait()
    assert commands(gateway) == []
    assert len(gateway.connections) == 1


def test_a_child_forked_in_a_handler_may_connect_there(gateway: LocalGateway) -> None:
    body = """
client = make()

def fork(message):
    if message["content"] != "fork":
        say(pid=os.getpid(), content=message["content"])
        return
    pid = os.fork()
    if pid == 0:
        client.connect(async_=True)
        events = client.stream("MESSAGE_CREATE")
        say(ready=client.wait_until_ready(15))
        say(taken=events.get(15).data["content"])  # must not wait for a handler of the parent
        client.close()
        os._exit(0)
    say(child=pid)

client.on("MESSAGE_CREATE", fork)
client.on("TYPING_START", lambda data: client.close())
client.connect()
"""
    with program(body, gateway.url) as connects:
        gateway.wait_connected(1, TIMEOUT)
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "fork"})
        said = connects.next() | connects.next()
        assert said.pop("ready")
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
        seen = [connects.next() for _ in range(3)]
        assert {"taken": "hello"} in seen
        assert {one["pid"] for one in seen if "pid" in one} == {connects.process.pid, said["child"]}
        gateway.expect_close(TIMEOUT)
        gateway.dispatch("TYPING_START", {})
        connects.wait()


def test_a_child_that_connected_in_a_handler_continues_after_it_returns(gateway: LocalGateway) -> None:
    body = """
client = make()

def live_on(handler, events):
    handler.join(15)
    say(handler="has returned")
    say(pid=os.getpid(), content=events.get(15).data["content"])
    client.close()
    os._exit(0)

def fork(message):
    pid = os.fork()
    if pid == 0:
        client.connect(async_=True)
        events = client.stream("MESSAGE_CREATE")
        threading.Thread(target=live_on, args=(threading.current_thread(), events)).start()
    else:
        wait(pid)
        client.close()

client.once("MESSAGE_CREATE", fork)
client.connect()
"""
    with program(body, gateway.url) as living:
        gateway.wait_connected(1, TIMEOUT)
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "fork"})
        assert living.next() == {"handler": "has returned"}
        gateway.wait_connected(2, TIMEOUT)
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
        said = living.next()
        assert said["content"] == "hello"
        assert said["pid"] != living.process.pid
        living.wait()


def test_signals_in_the_child_do_not_affect_the_parent(gateway: LocalGateway) -> None:
    """The child inherits the socket that wakes the parent's main thread on signals."""
    body = """
client = make()
signal.signal(signal.SIGUSR1, lambda *args: say(signal=os.getpid()))

def child():
    say(descriptor=signal.set_wakeup_fd(-1))
    os.kill(os.getpid(), signal.SIGUSR1)

def fork(message):
    pid = run_in_child(child)
    say(child=pid)
    wait(pid)
    client.close()

client.on("MESSAGE_CREATE", fork)
client.once("READY", lambda data: say(ready=True))
client.connect()
"""
    with program(body, gateway.url) as signalled:
        assert signalled.next() == {"ready": True}
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "fork"})
        said = [signalled.next() for _ in range(3)]
        (child,) = [one["child"] for one in said if "child" in one]
        assert {"descriptor": -1} in said
        assert {"signal": child} in said
        signalled.wait()


def test_a_child_forked_in_a_signal_handler_does_not_wait(gateway: LocalGateway) -> None:
    """The child returns to where the main thread was waiting."""
    body = """
client = make()
children = []

def fork(*args):
    children.append(os.fork())
    if children[-1] == 0:
        say(forked=True)
    else:
        wait(children[-1])

def interrupt(data):
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

signal.signal(signal.SIGUSR1, fork)
client.once("READY", interrupt)
outcome = raised(client.connect)
if children[-1] == 0:
    say(connect=outcome)
    os._exit(0)
"""
    with program(body, gateway.url) as interrupted:
        assert interrupted.next() == {"forked": True}
        assert interrupted.next()["connect"].startswith(f"NotConnected: {WORDS}")
        gateway.wait_connected(1, TIMEOUT)


# -- libraries that fork ---------------------------------------------------------------------------------------------

PROCESSES = """
import multiprocessing, subprocess

context = multiprocessing.get_context("fork")
client = make()

def work(results):
    results.put([client.status, raised(client.send_packet, *CHILD)])

def start():
    results = context.SimpleQueue()
    process = context.Process(target=work, args=(results,))
    process.start()
    status, sent = results.get()
    process.join()
    say(status=status, sent=sent, exitcode=process.exitcode)

def initialize(both):
    global barrier
    barrier = both
    client.connect(async_=True)
    assert client.wait_until_ready(15)

def ask(number):
    barrier.wait(15)  # so that each process gets a task
    client.send_packet(*command(number), timeout=10)
    return client.stats.identifies

client.on("MESSAGE_CREATE", lambda message: start())
client.connect(async_=True)
assert client.wait_until_ready(15)
start()
go_on()
with context.Pool(2, initialize, [context.Barrier(2)]) as pool:
    say(identifies=pool.map(ask, range(10, 14), chunksize=1))
command = [sys.executable, "-c", "print('hello')"]
say(output=subprocess.run(command, capture_output=True, text=True).stdout)
say(output=subprocess.run(command, capture_output=True, text=True, preexec_fn=os.getpid).stdout)
say(output=subprocess.run(command, capture_output=True, text=True, close_fds=False).stdout)
client.send_packet(*PARENT, timeout=10)
say(reconnects=client.stats.reconnects)
client.close()
"""


def test_multiprocessing_and_subprocess(gateway: LocalGateway) -> None:
    with program(PROCESSES, gateway.url) as processes:
        for place in ("main", "handler"):
            if place == "handler":
                gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "start"})
            said = processes.next()
            assert said["status"] == "closed"
            assert WORDS in said["sent"]
            assert said["exitcode"] == 0
        processes.go_on()
        assert processes.next() == {"identifies": [1, 1, 1, 1]}
        for _ in range(3):
            assert processes.next() == {"output": "hello\n"}
        assert processes.next() == {"reconnects": 0}
        processes.wait()
    assert sorted(commands(gateway)[:-1]) == ["10", "11", "12", "13"]
    assert commands(gateway)[-1] == PARENT
    assert len(gateway.connections) == 3


def test_the_process_pool_of_the_how_to_page(gateway: LocalGateway, tmp_path: Path) -> None:
    (snippet,) = [one for one in snippets(ROOT / "docs" / "how-to" / "fork.md", "python") if "__main__" in one.code]
    (tmp_path / "snippet.py").write_text(snippet.code)
    body = """
import contextlib, io, runpy

Client.__init__.__kwdefaults__["url"] = url
os.environ["DISCORD_TOKEN"] = "MTEw.Gabc.not-a-real-token"
with contextlib.redirect_stdout(io.StringIO()) as printed:
    runpy.run_path(rest[0], run_name="__main__")
say(printed=printed.getvalue())
"""
    with program(body, gateway.url, "", str(tmp_path / "snippet.py")) as pool:
        assert pool.next() == {"printed": "ready\n"}
        pool.wait()
    assert gateway.expect("PRESENCE_UPDATE", TIMEOUT).data["status"] == "dnd"


APP = """
import os, sys
from flask import Flask
from vox_gateway import Client, IdentifyGate, NotConnected

client = Client(url=os.environ["VOX_GATEWAY_URL"], token="MTEw.Gabc.any", identify_gate=IdentifyGate(interval=0))
client.on("MESSAGE_CREATE", lambda message: print("handled by", os.getpid(), file=sys.stderr, flush=True))
client.connect(async_=True)
app = Flask(__name__)

@app.get("/health")
def health():
    found = client.health()
    return found, 200 if found["ok"] else 503

@app.post("/status/<status>")
def set_status(status):
    client.presence_update(status=status, timeout=5)
    return "done"

@app.errorhandler(NotConnected)
def not_connected(error):
    return str(error), 503
"""


class Gunicorn:
    """A running gunicorn with `APP`."""

    def __init__(self, folder: Path, gateway: LocalGateway, *options: str) -> None:
        (folder / "app.py").write_text(APP)
        command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--preload", *options, "app:app"]
        environment = {**os.environ, "VOX_GATEWAY_URL": gateway.url}
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def line(self, pattern: str) -> str:
        """Wait for a line that matches `pattern`; return its group."""
        seen = []
        while line := self._lines.get(timeout=TIMEOUT):
            seen.append(line)
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError("".join(seen))

    def ask(self, url: str, data: bytes | None = None) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, data, timeout=TIMEOUT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(TIMEOUT)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def gunicorn(gateway: LocalGateway, tmp_path: Path) -> Iterator[Any]:
    for package in ("gunicorn", "flask"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    with contextlib.ExitStack() as stack:

        def start(*options: str) -> Gunicorn:
            server = Gunicorn(tmp_path, gateway, *options)
            stack.callback(server.end)
            return server

        yield start


def test_gunicorn_that_loads_the_app_before_forking(gateway: LocalGateway, gunicorn: Any) -> None:
    server = gunicorn("--workers", "1")
    base = server.line(r"Listening at: (http://\S+)")
    worker = int(server.line(r"Booting worker with pid: (\d+)"))
    status, health = server.ask(f"{base}/health")
    assert status == 503
    assert WORDS in json.loads(health)["last_error"]
    status, words = server.ask(f"{base}/status/dnd", b"")
    assert status == 503
    assert WORDS in words
    assert WORDS in server.line(f"(.*{re.escape(WORDS)}.*)")  # also in the log
    gateway.wait_connected(1, TIMEOUT)
    os.kill(worker, signal.SIGTERM)
    server.line(r"Booting worker with pid: (\d+)")  # its replacement
    assert len(gateway.connections) == 1
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
    assert int(server.line(r"handled by (\d+)")) == server.process.pid
    assert commands(gateway) == []
    server.end()
    assert gateway.expect_close(TIMEOUT).connection == 1


def test_gunicorn_with_workers_that_connect_after_the_fork(
    gateway: LocalGateway, gunicorn: Any, tmp_path: Path
) -> None:
    (settings,) = [one for one in snippets(ROOT / "docs" / "how-to" / "fork.md", "python") if "post_fork" in one.code]
    (tmp_path / "gunicorn.conf.py").write_text(settings.code)
    server = gunicorn("--workers", "1")
    base = server.line(r"Listening at: (http://\S+)")
    gateway.wait_connected(2, TIMEOUT)
    assert server.ask(f"{base}/status/dnd", b"") == (200, "done")
    assert gateway.expect("PRESENCE_UPDATE", TIMEOUT).data["status"] == "dnd"
    assert server.ask(f"{base}/health")[0] == 200


# -- locks -----------------------------------------------------------------------------------------------------------

LOCKS = """
import itertools
import vox_gateway

over = threading.Event()
gate = IdentifyGate(interval=0)
client = connected(identify_gate=gate)
idle = make(identify_gate=gate)
idle_events = idle.stream("MESSAGE_CREATE")
events = client.stream(maxsize=10)

def repeat(*functions):
    def run():
        while not over.is_set():
            for function in functions:
                function()
    threading.Thread(target=run, daemon=True).start()

def handle(data):
    pass

def take():
    try:
        events.get(0.001)
    except TimeoutError:
        pass

def add_and_remove(one):
    one.on("X", handle)
    one.remove_listener("X", handle)

def listen(one):
    one.stream("X").close()

client.on("MESSAGE_CREATE", handle)
numbers = itertools.count()
repeat(lambda: raised(client.send_packet, *PARENT, timeout=0.001))
repeat(client.explain)
repeat(lambda: client.stats, lambda: repr(client), lambda: idle.stats)
repeat(lambda: add_and_remove(client), lambda: listen(client), lambda: add_and_remove(idle), lambda: listen(idle))
repeat(take)
repeat(lambda: raised(client.fetch_guild_members, next(numbers) << 22, user_ids=[1], timeout=0.001))
repeat(lambda: raised(client.presence_update, status="dnd", timeout=0.001))
repeat(lambda: client.wait_until_ready(0.001))
repeat(lambda: raised(idle.close), lambda: raised(idle.send_packet, *CHILD))
sys.setswitchinterval(1e-6)

def child():
    sys.setswitchinterval(0.005)
    for one in (client, idle):
        one.stats, one.session, one.status, one.health(), one.explain(), repr(one)
        one.close()
        add_and_remove(one)
        listen(one)
        one.emit("MESSAGE_CREATE", {})
        raised(one.send_packet, *CHILD)
        raised(one.presence_update, status="dnd")
        raised(one.fetch_guild_members, 1, user_ids=[1], timeout=0.001)
        raised(one.join_voice, 1, 1, timeout=0.001)
        raised(one.wait_for, "X", timeout=0.001)
        one.wait_until_ready(0.001)
    raised(events.get, 0.001), len(events), events.close()
    raised(idle_events.get, 0.001), idle_events.close()
    raised(make, identify_gate=None)

deadline = time.monotonic() + float(rest[0])
count = 0
while count < 20 or time.monotonic() < deadline:
    pid = run_in_child(child)
    if not ends(pid):
        say(hangs=count)
        os._exit(1)
    count += 1
over.set()
sys.setswitchinterval(0.005)
say(children=count)
client.close()
"""


@contextlib.contextmanager
def pouring(gateway: LocalGateway) -> Iterator[None]:
    """Dispatch events continuously."""
    stop = threading.Event()

    def pour() -> None:
        number = 0
        while not stop.wait(0.001):
            number += 1
            gateway.dispatch("MESSAGE_CREATE", {"id": "1", "guild_id": str(number % 2), "content": "hello"})

    pourer = threading.Thread(target=pour)
    pourer.start()
    try:
        yield
    finally:
        stop.set()
        pourer.join(TIMEOUT)


def test_no_lock_held_by_another_thread_blocks_a_child(gateway: LocalGateway) -> None:
    with pouring(gateway):
        with program(LOCKS, gateway.url, "", "3") as locks:
            assert locks.next().keys() == {"children"}
            locks.wait()
    assert len(gateway.connections) == 1
    sent = [one.data["guild_id"] for one in gateway.received if one.name == "VOICE_STATE_UPDATE"]
    assert set(sent) <= {PARENT}


HANDLER_LOCKS = """
options = json.loads(rest[0])
client = make(**options)
count = itertools.count(1)
deadline = []

def fork(message):
    pid = os.fork()
    if pid == 0:
        return
    if not ends(pid):
        say(hangs=next(count))
        os._exit(1)
    if next(count) >= 20 and time.monotonic() > deadline[0]:
        client.close()

client.on("MESSAGE_CREATE", fork)
client.once("READY", lambda data: deadline.append(time.monotonic() + 2))
sys.setswitchinterval(1e-6)
try:
    client.connect()
except NotConnected:
    os._exit(0)
say(children=True)
"""


@pytest.mark.parametrize("options", [{"backlog": 10}, {"workers": 2}, {"handlers": "caller"}], ids=str)
def test_no_lock_blocks_a_child_that_returns_from_a_handler(gateway: LocalGateway, options: dict[str, Any]) -> None:
    with pouring(gateway), program("import itertools" + HANDLER_LOCKS, gateway.url, "", json.dumps(options)) as locks:
        assert locks.next() == {"children": True}
        locks.wait()
    assert commands(gateway) == []


@pytest.mark.parametrize("asks", [False, True], ids=["given", "asked for"])
def test_no_thread_imports_a_module_late(gateway: LocalGateway, asks: bool) -> None:
    """A thread that imports a module holds its import lock."""
    body = """
client = make(**json.loads(rest[0]))
before = set(sys.modules)
client.connect(async_=True)
assert client.wait_until_ready(15)
client.fetch_channel_info(rest[1], ["status"])
client.close(reconnect=True)
client.wait_for("RESUMED", timeout=15)
client.close()
say(imported=sorted(set(sys.modules) - before))
"""
    options = {"url": None, "api_url": gateway.http_url} if asks else {}
    with program(body, gateway.url, "", json.dumps(options), gateway.guilds[0]["id"]) as importing:
        assert importing.next() == {"imported": []}


# -- the local gateway -----------------------------------------------------------------------------------------------

LOCAL = """
from vox_gateway.testing import LocalGateway

gateway = LocalGateway(identify_interval=0)
began = []
atexit.register(lambda: say(seconds=time.monotonic() - began[0]))

def child():
    began.append(time.monotonic())
    gateway.__exit__(None, None, None)
    gateway.close()
    say(repr=repr(gateway), sessions=len(gateway.sessions), sent=gateway.dispatch("X", {}))
    with Client(url=gateway.url, token="any", identify_gate=IdentifyGate(interval=0)) as client:
        say(ready=client.wait_until_ready(15))
    sys.exit(0)

with gateway:
    url = gateway.url
    client = connected()
    wait(run_in_child(child))
    say(closed=gateway.expect_close(15).code)
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "hello"})
    with make() as another:
        say(ready=another.wait_until_ready(15), sessions=len(gateway.sessions), reconnects=client.stats.reconnects)
    lives = run_in_child(go_on)
    client.on("close", lambda data: say(cut=data["code"]))
say(left=True)
go_on()
client.close()
began.append(time.monotonic())
"""


def test_a_local_gateway_belongs_to_the_process_that_started_it() -> None:
    with program(LOCAL, "") as local:
        said = local.next()
        assert "closed" in said["repr"]
        assert (said["sessions"], said["sent"]) == (0, 0)
        assert local.next() == {"ready": True}  # a client in the child, connected to the parent's gateway
        assert local.next()["seconds"] < 5
        assert local.next() == {"closed": 1000}
        assert local.next() == {"ready": True, "sessions": 2, "reconnects": 0}
        # The client notices that the gateway closed although a child is running.
        assert sorted([*local.next(), *local.next()]) == ["cut", "left"]
