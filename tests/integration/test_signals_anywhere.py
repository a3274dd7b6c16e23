"""Signals at any line that the main thread runs; their handlers close the client or raise.

Each case runs in a process that traces the main thread and raises the signal at each line in turn, every time with a
new client. A deadlock ends the process, which then prints the stack of each thread.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from vox_gateway.testing import LocalGateway

SCRIPT = """
import faulthandler, linecache, os, signal, sys, threading
faulthandler.dump_traceback_later(120, exit=True)
import vox_gateway
from vox_gateway import Client, GatewayError, IdentifyGate, Intents, Status

ROOT = os.path.dirname(vox_gateway.__file__)
FILES = (os.path.join(ROOT, ""), threading.__file__)
URL, STEP = sys.argv[1], int(sys.argv[2])


class Lines:
    '''Raises the signal at the n-th line with a call that the main thread runs in the library or in `threading`.

    Python handles signals at calls. ``with`` is left out: its line is traced again at its end, without a call.
    '''

    def __init__(self, number, number_of_signal):
        self.left, self.signal = number, number_of_signal

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(FILES):
            return None
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and "(" in line and not line.startswith("with"):
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                signal.raise_signal(self.signal)
        return self if self.left > 0 else None


def make(**options):
    options = {"intents": Intents.none(), "identify_gate": IdentifyGate(interval=0), **options}
    return Client(url=URL, token="a.b.c", **options)


def ready(**options):
    client = make(**options)
    client.connect(async_=True)
    assert client.wait_until_ready(10)
    return client


def attempt(make, act, number, number_of_signal):
    '''Return whether `act` has at least `number` lines.'''
    def close(*args):
        client.close()
        if ENDS_IN_HANDLER:  # no lock that the end needs is held by the line that was interrupted
            assert client.status is Status.CLOSED, client.status

    client = make()
    signal.signal(signal.SIGTERM, close)
    lines = Lines(number, number_of_signal)
    sys.settrace(lines)
    try:
        act(client)
    except (KeyboardInterrupt, GatewayError):
        pass
    finally:
        sys.settrace(None)
    client.close()
    assert client.wait_closed(10)
    assert client.status is Status.CLOSED
    return lines.left <= 0


ENDS_IN_HANDLER = False
{case}

number, count = 1, 0
while attempt(made, act, number, number_of_signal):
    number += STEP
    count += 1
assert count > 3, count
left = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
assert not left, left
print("done", count)
"""

ON_CALLER = """
handled = []
def made():
    client = make(handlers="caller")
    handled.clear()
    client.on("READY", handled.append)
    client.connect(async_=True)
    assert client.wait_until_ready(10)
    return client
def act(client):
    while not handled and client.status is Status.READY:
        client.dispatch_pending(timeout=10)
"""

CASES = {
    "a handler that the caller runs": "number_of_signal = signal.SIGTERM" + ON_CALLER,
    "a stream": """
number_of_signal, ENDS_IN_HANDLER = signal.SIGTERM, True
def made():
    client = make()
    global events
    events = client.stream()
    client.connect(async_=True)
    assert client.wait_until_ready(10)
    return client
def act(client):
    client.wait_until_ready(10)
    with events:
        events.get(10)
""",
    "wait_for": """
number_of_signal, ENDS_IN_HANDLER = signal.SIGTERM, True
made = ready
def act(client):
    try:
        client.wait_for("NEVER", timeout=0.01)
    except TimeoutError:
        pass
""",
    "wait_until_guilds": """
number_of_signal, ENDS_IN_HANDLER = signal.SIGTERM, True
def made():
    return ready(intents=Intents.GUILDS)
def act(client):
    client.wait_until_guilds(10)
""",
    "a command": """
number_of_signal = signal.SIGTERM
made = ready
def act(client):
    client.presence_update(status="online")
    client.voice_state_update("1", None)
""",
    "connect": """
number_of_signal = signal.SIGTERM
made = make
def act(client):
    client.connect(async_=True)
    client.wait_until_ready(10)
""",
    "Ctrl-C in close": """
number_of_signal = signal.SIGINT
made = ready
def act(client):
    client.close()
""",
    "Ctrl-C in wait_closed": """
number_of_signal = signal.SIGINT
made = ready
def act(client):
    client.wait_closed(0.01)
""",
    "Ctrl-C in a stream": """
number_of_signal = signal.SIGINT
def made():
    client = make()
    global events
    events = client.stream()
    client.connect(async_=True)
    assert client.wait_until_ready(10)
    return client
def act(client):
    events.get(10)
    try:
        events.get(0.01)
    except TimeoutError:
        pass
""",
    "Ctrl-C in a handler that the caller runs": "number_of_signal = signal.SIGINT" + ON_CALLER,
}


#: the cases of which only every seventh line is tried
MANY_LINES = ("wait_for", "a command", "connect")


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in MANY_LINES else []) for case in CASES]
)
def test_a_signal_at_any_line(gateway: LocalGateway, case: str) -> None:
    step = "7" if case in MANY_LINES else "1"
    script = SCRIPT.replace("{case}", CASES[case])
    done = subprocess.run(
        [sys.executable, "-c", script, gateway.url, step], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout.startswith("done"), done.stderr[-6000:]
    assert done.returncode == 0
