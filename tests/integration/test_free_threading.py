"""On a free-threaded Python nothing enables the GIL."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

import pytest

from vox_gateway.testing import LocalGateway

PROGRAM = """
import importlib, pkgutil, sys, threading
import vox_gateway

for module in pkgutil.walk_packages(vox_gateway.__path__, "vox_gateway."):
    try:
        importlib.import_module(module.name)
    except ImportError:  # an optional package
        pass
assert not sys._is_gil_enabled(), "importing the package enabled the GIL"
heard = threading.Event()
client = vox_gateway.Client(token="t", url=sys.argv[1], identify_gate=vox_gateway.IdentifyGate(interval=0))
client.on("READY", lambda data: heard.set())
with client:
    assert heard.wait(10), client.explain()
assert not sys._is_gil_enabled(), "a connection enabled the GIL"
"""


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_the_gil_stays_off(gateway: LocalGateway) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    subprocess.run([sys.executable, "-c", PROGRAM, gateway.url], env=environment, check=True, timeout=60)
