"""Forks while other threads hold locks. Uses real processes."""

from __future__ import annotations

import contextlib
import json
import os
import sysconfig
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from forked_program import PARENT, TIMEOUT, commands, program

from vox_gateway.testing import LocalGateway

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()"),
    pytest.mark.usefixtures("unmeasured"),  # a lock of coverage.py may stay locked in a child
]


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

def add_and_remove(bot):
    bot.on("X", handle)
    bot.remove_listener("X", handle)

def listen(bot):
    bot.stream("X").close()

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
    for bot in (client, idle):
        bot.stats, bot.session, bot.status, bot.health(), bot.explain(), repr(bot)
        bot.close()
        add_and_remove(bot)
        listen(bot)
        bot.emit("MESSAGE_CREATE", {})
        raised(bot.send_packet, *CHILD)
        raised(bot.presence_update, status="dnd")
        raised(bot.fetch_guild_members, 1, user_ids=[1], timeout=0.001)
        raised(bot.join_voice, 1, 1, timeout=0.001)
        raised(bot.wait_for, "X", timeout=0.001)
        bot.wait_until_ready(0.001)
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


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="without the GIL, a dict has a lock that nobody can replace",
)
def test_no_lock_held_by_another_thread_blocks_a_child(gateway: LocalGateway) -> None:
    with pouring(gateway):
        with program(LOCKS, gateway.url, "", "3") as locks:
            assert locks.next().keys() == {"children"}
            locks.wait()
    assert len(gateway.connections) == 1
    sent = [payload.data["guild_id"] for payload in gateway.received if payload.name == "VOICE_STATE_UPDATE"]
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
