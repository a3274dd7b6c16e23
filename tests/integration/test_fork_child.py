"""Forks after connect(): calls in the child fail, and the child exits at once. Uses real processes."""

from __future__ import annotations

import os
import queue
import socket
import threading
from pathlib import Path

import pytest
from forked_program import PARENT, TIMEOUT, WORDS, commands, program
from support import read_to_end, serving

from vox_gateway.concurrency.gil import HAS_GIL
from vox_gateway.testing import LocalGateway

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]


# -- calls in the child -----------------------------------------------------------------------------------------------

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


def test_calls_in_the_child_fail_and_the_parents_connection_stays_open(
    gateway_with_authority: tuple[LocalGateway, str],
) -> None:
    gateway, authority = gateway_with_authority
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
    assert [connection.closed and connection.closed.code for connection in gateway.connections] == [1000]
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


def test_clients_of_a_class_that_compares_by_value_are_all_closed_in_the_child(gateway: LocalGateway) -> None:
    body = """
class Equal(Client):
    def __eq__(self, other):
        return isinstance(other, Equal)

    def __hash__(self):
        return 1

def equal():
    client = Equal(token="MTEw.Gabc.not-a-real-token", url=url, identify_gate=IdentifyGate(interval=0))
    client.connect(async_=True)
    assert client.wait_until_ready(15)
    return client

first, second = equal(), equal()
wait(run_in_child(lambda: say(first=first.status, second=second.status)))
first.close()
second.close()
"""
    with program(body, gateway.url) as told:
        assert told.next() == {"first": "closed", "second": "closed"}
        assert told.wait() == ""


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
while saved != 3:  # READY and two guilds: until all progress was saved
    client.wait_closed(0.05)
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
    with program(body, gateway.url, "", str(path)) as left:
        assert left.next() == {"unchanged": True}
        assert left.next() == {"unchanged": True}
        left.wait()
    assert gateway.expect_close(TIMEOUT).code == 4000
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
    until = time.monotonic() + 10
    while sockets() < int(rest[0]) and time.monotonic() < until:  # the main thread may not wait yet
        threading.Event().wait(0.01)
    say(parent=sockets())
    wait(run_in_child(lambda: say(child=sockets())))
    client.close()

client.on("READY", count)
client.connect()
"""
    # The connection, and the wakeup pairs of its reader, of what may read for it, and of the main thread.
    expected = 7 if HAS_GIL else 5
    with program(body, gateway.url, "", str(expected)) as counting:
        assert counting.next()["parent"] == expected
        assert counting.next() == {"child": 0}
        counting.wait()


def test_the_connection_ends_with_the_parent_while_a_child_lives(
    gateway_with_authority: tuple[LocalGateway, str],
) -> None:
    gateway, authority = gateway_with_authority
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
