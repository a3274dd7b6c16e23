"""Forks in handlers and in signal handlers. Uses real processes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from forked_program import TIMEOUT, WORDS, commands, program

from vox_gateway.testing import LocalGateway

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]


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
        (child,) = {output["child"] for output in said if "child" in output}
        theirs = [output for output in said if output.get("pid") == child]
        assert theirs[0] == {"pid": child, "first": "fork"}
        if "handlers" in options:  # the child continues after connect()
            assert len(theirs) == 2
            assert WORDS in theirs[1]["connect"]
        else:
            assert len(theirs) == 1
        assert [output for output in said if output.get("pid") == parent] == [
            {"pid": parent, **output}
            for content in ("fork", "after", "later")
            for output in ({"first": content}, {"second": True}, {"third": content})
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
        assert {output["pid"] for output in seen if "pid" in output} == {connects.process.pid, said["child"]}
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
        (child,) = [output["child"] for output in said if "child" in output]
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
