"""Forks after connect(): the child connects by itself. Uses real processes."""

from __future__ import annotations

import os

import pytest
from forked_program import CHILD, PARENT, TIMEOUT, WORDS, commands, program

from vox_gateway.testing import LocalGateway

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]


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


def test_connect_in_the_child_starts_a_separate_session(gateway_with_authority: tuple[LocalGateway, str]) -> None:
    gateway, authority = gateway_with_authority
    with program(ANEW, gateway.url, authority) as anew:
        pids = anew.next()
        assert anew.next() == {"own": True, "stats": 1, "reconnects": 0}
        gateway.dispatch("MESSAGE_CREATE", {"id": "1", "content": "to both"})
        seen = [anew.next(), anew.next()]
        assert {output["pid"] for output in seen} == set(pids.values())
        anew.go_on()
        closed = anew.next()
        assert WORDS not in closed["repr"]
        assert WORDS not in closed["sent"]
        assert "closed by close()" in closed["explain"]
        assert gateway.expect_close(TIMEOUT).connection == 2
        assert anew.next() == {"status": "ready", "same": True, "identifies": 1}
        anew.wait()
    assert [payload.name for payload in gateway.received if payload.op in (2, 6)] == ["IDENTIFY", "IDENTIFY"]


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
