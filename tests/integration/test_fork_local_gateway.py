"""Forks of a process that runs a local gateway. Uses real processes."""

from __future__ import annotations

import os

import pytest
from forked_program import program

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]


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
