"""What `import vox_gateway` leaves for later, and that the names of the package are there all the same."""

from __future__ import annotations

import ast
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vox_gateway

#: modules that `import vox_gateway` must not import, and who needs them instead
LATER = {
    "ssl": "clients; 5 ms",
    "websocket": "clients, for the opening handshake; 5 ms, and 17 with python-socks, which it imports",
    "python_socks": "clients with a SOCKS proxy",
    "simplejson": "clients",
    "msgspec": "clients; 13 ms, with all that it imports",
    "orjson": "clients",
    "zlib_ng": "clients",
    "compression.zstd": "clients with compress='zstd-stream'",
    "backports.zstd": "clients with compress='zstd-stream'",
    "encodings.idna": "clients, for the name lookup",
    "hashlib": "clients, for the files and gates that belong to a token; 1 ms",
    "json": "session files",
    "sqlite3": "processes that share shards",
    "redis": "processes that share shards",
    "http": "the request for the gateway's URL; 2 MB with `email`",
    "email": "the request for the gateway's URL",
    "asyncio": "nobody: 30 ms",
    "concurrent.futures": "nobody",
    "typing_extensions": "the types of payloads, for type checkers; 3 ms",
    "importlib.metadata": "speedups(); 2 MB",
    "prometheus_client": "vox_gateway.prometheus",
    "vox_gateway.cli": "the command",
    "vox_gateway.coordination": "processes that share shards",
    "vox_gateway.payloads": "type checkers",
    "vox_gateway.prometheus": "programs that export metrics",
    "vox_gateway.sharding": "bots with many shards; 7 ms",
    "vox_gateway.shard": "clients: the threads of a run; 20 ms",
    "vox_gateway.testing": "tests",
}

INIT = ast.parse(Path(vox_gateway.__file__).read_text(encoding="utf-8"))


def in_new_process(program: str) -> Any:
    """What `program` prints, as JSON, where nothing is imported yet."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_what_few_need_is_imported_late() -> None:
    # What coverage or the environment imports at the start of an interpreter does not count.
    imported = in_new_process(
        "import sys; before = set(sys.modules)\n"
        "import vox_gateway; imported = sorted(set(sys.modules) - before)\n"
        "import json; print(json.dumps(imported))"
    )
    assert "vox_gateway.client" in imported
    assert [module for module in LATER if module in imported] == []


def lazy_table() -> dict[str, str]:
    """The lazy names of the package, with their modules, as `__init__` gives them to `lazy_names`."""
    (table,) = (node for node in ast.walk(INIT) if isinstance(node, ast.Dict))
    return {name: module for module, offered in ast.literal_eval(table).items() for name in offered}


def test_type_checkers_see_the_same_names() -> None:
    seen = {
        alias.name: node.module
        for block in INIT.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == lazy_table()


@pytest.mark.parametrize("name", sorted(lazy_table()))
def test_a_lazy_name_is_like_any_other(name: str) -> None:
    listed, gotten, same = in_new_process(
        "import json, vox_gateway\n"
        f"listed = {name!r} in dir(vox_gateway) and {name!r} not in vars(vox_gateway)\n"
        f"from vox_gateway import {name}\n"
        f"print(json.dumps([listed, {name}.__module__, {name} is vars(vox_gateway)[{name!r}]]))"
    )
    assert listed
    assert gotten.startswith("vox_gateway.")
    assert same


def test_a_name_that_does_not_exist_raises_the_usual_errors() -> None:
    with pytest.raises(AttributeError, match="module 'vox_gateway' has no attribute 'Clinet'") as raised:
        vox_gateway.Clinet  # type: ignore[attr-defined]  # noqa: B018
    assert (raised.value.name, raised.value.obj) == ("Clinet", vox_gateway)
    with pytest.raises(ImportError, match="cannot import name 'Clinet' from 'vox_gateway'"):
        from vox_gateway import Clinet  # type: ignore[attr-defined]  # noqa: F401


def test_a_lazy_module_that_cannot_be_imported_says_which() -> None:
    message = in_new_process(
        "import json, sys; sys.modules['simplejson'] = None\n"
        "import vox_gateway\n"
        "try:\n    vox_gateway.get_gateway_bot\n"
        "except ImportError as error:\n    print(json.dumps(str(error)))"
    )
    assert "simplejson" in message


def test_a_star_import_takes_every_public_name() -> None:
    missing = in_new_process(
        "import json\nfrom vox_gateway import *\nimport vox_gateway\n"
        "print(json.dumps([name for name in vox_gateway.__all__ if name not in globals()]))"
    )
    assert missing == []


def test_lazy_classes_are_pickled_by_name() -> None:
    for name in ("ShardManager", "IdentifyGate", "Members"):
        assert pickle.loads(pickle.dumps(getattr(vox_gateway, name))) is getattr(vox_gateway, name)
