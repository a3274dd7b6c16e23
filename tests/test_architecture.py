"""The house rules that can be read off the source."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from pathlib import Path

import pytest

import vox_gateway

PACKAGE = Path(vox_gateway.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
# The local gateway's face is its package; what is behind it is nobody's interface.
TESTING = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] == "testing"]
CORE = [path for path in SOURCES if path not in TESTING]

#: from the bottom to the top; a module or folder imports from its own layer and from those before it
LAYERS = (
    ("payloads",),
    ("_lazy", "_version", "extension", "accelerators", "sanitize"),
    ("errors", "event", "events", "capabilities", "intents", "opcodes", "log"),
    ("arguments",),
    ("concurrency",),
    ("network",),
    ("encoding", "compression"),
    ("session",),
    ("protocol",),
    ("discovery",),
    ("coordination",),
    ("dispatch",),
    ("diagnostics",),
    ("config",),
    ("shard",),
    ("requests",),
    ("runs",),
    ("client",),
    ("sharding",),
    ("prometheus",),
    ("cli",),
    ("__main__",),
)
#: knows no socket, no thread and no clock
PURE = (
    "_version",
    "capabilities",
    "coordination.assignment",
    "coordination.capacity",
    "coordination.events",
    "coordination.interface",
    "coordination.leases",
    "coordination.reports",
    "coordination.share",
    "coordination.state",
    "coordination.stored",
    "coordination.turns",
    "errors",
    "events",
    "extension",
    "intents",
    "opcodes",
    "payloads",
    *(f"payloads.{path.stem}" for path in SOURCES if path.parent.name == "payloads" and path.stem != "__init__"),
    "sanitize",
    "network.frames",
    "network.urls",
    "protocol.machine",
    "protocol.payloads",
    "protocol.reconnect_policy",
    "protocol.state",
    "diagnostics.history",
    "discovery.session_start_limit",
    "requests.base",
    "encoding.fields",
    "requests.guild_details",
    "requests.members",
    "requests.voice",
    "session.state",
)
#: written and read by many threads, and so with a lock; but times are arguments
NO_CLOCK = ("diagnostics.snapshot", "discovery.identify_limiter", "protocol.rate_limit")
IMPURE = {"socket", "threading", "queue", "time", "select", "selectors", "ssl", "asyncio", "random"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name(path): path for path in SOURCES}


def foreign_imports(path: Path) -> set[str]:
    """The top-level packages that a module imports."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def own_imports(path: Path) -> set[str]:
    """The modules of ours that a module imports, without the package's name."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = path.relative_to(PACKAGE.parent).parts[: -node.level]
            module = ".".join((*package, node.module) if node.module else package)
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                found.add((whole if whole in MODULES else module).partition(".")[2])
    return found


def layer(module: str) -> int:
    """The number of the layer that a module, written without the package's name, belongs to."""
    return next(number for number, members in enumerate(LAYERS) if module.split(".")[0] in members)


def ids(paths: list[Path]) -> list[str]:
    return [name(path) for path in paths]


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_know_no_socket_no_thread_and_no_clock(module: str) -> None:
    path = MODULES[f"vox_gateway.{module}"]
    assert not foreign_imports(path) & IMPURE
    assert own_imports(path) <= set(PURE)


@pytest.mark.parametrize("module", NO_CLOCK)
def test_modules_that_take_times_as_arguments_know_no_clock_and_no_socket(module: str) -> None:
    assert not foreign_imports(MODULES[f"vox_gateway.{module}"]) & (IMPURE - {"threading"})


def test_one_module_needs_the_official_client_of_prometheus() -> None:
    assert [path.stem for path in CORE if "prometheus_client" in foreign_imports(path)] == ["prometheus"]


@pytest.mark.parametrize("path", TESTING, ids=name)
def test_the_local_gateway_shares_nothing_with_the_client(path: Path) -> None:
    if path.stem != "pytest_plugin":  # its task is to bring them together
        assert all(module.split(".")[0] == "testing" for module in own_imports(path))
        assert "vox_gateway" not in foreign_imports(path)


@pytest.mark.parametrize("path", [path for path in CORE if path != PACKAGE / "__init__.py"], ids=name)
def test_imports_between_layers_run_one_way(path: Path) -> None:
    mine = name(path).partition(".")[2]
    for module in own_imports(path) - {"testing"}:
        if module.split(".")[0] != mine.split(".")[0]:
            assert layer(module) <= layer(mine), f"{mine} imports {module}"
    if "testing" in own_imports(path):
        assert mine.split(".")[0] == "cli"


def picture_of_the_folders() -> tuple[dict[str, tuple[str, ...]], set[tuple[str, str]]]:
    """Read docs/pictures/folders.dot: the modules and folders that each node stands for, and the edges."""
    text = (PACKAGE.parent / "docs" / "pictures" / "folders.dot").read_text(encoding="utf-8")
    nodes: dict[str, tuple[str, ...]] = {}
    edges = set()
    for line in re.sub(r"//.*", "", text).partition("{")[2].splitlines():
        if " -> " in line:
            tails, heads = (re.findall(r"\w+", side) for side in line.split(" -> "))
            edges |= {(tail, head) for tail in tails for head in heads}
            nodes.update((node, (node,)) for node in (*tails, *heads) if node not in nodes)
        elif found := re.match(r'    (\w+) \[label="(.*)"\]$', line):
            nodes[found[1]] = tuple(re.findall(r"\w+", found[2].replace("\\n", " ")))
    return nodes, edges


def reachable(start: str, edges: set[tuple[str, str]]) -> set[str]:
    """The nodes at the ends of all paths from `start`."""
    found: set[str] = set()
    border = {start}
    while border := {head for tail, head in edges if tail in border} - found:
        found |= border
    return found


def test_the_picture_of_the_folders_has_the_layers() -> None:
    nodes, edges = picture_of_the_folders()
    drawn = [member for members in nodes.values() for member in members]
    assert sorted(drawn) == sorted([*(member for members in LAYERS for member in members), "testing"])
    for tail, head in edges - {("cli", "testing")}:
        assert layer(nodes[tail][0]) > layer(nodes[head][0]), f"{tail} -> {head} points up"


def test_the_picture_of_the_folders_has_the_imports() -> None:
    nodes, edges = picture_of_the_folders()
    node_of = {member: node for node, members in nodes.items() for member in members}
    imports = set()
    for path in CORE:
        if path != PACKAGE / "__init__.py":
            mine = node_of[name(path).split(".")[1]]
            imports |= {(mine, node_of[module.split(".")[0]]) for module in own_imports(path)}
    imports = {(tail, head) for tail, head in imports if tail != head}
    assert edges - imports == set(), "drawn, but not imported"
    assert {(tail, head) for tail, head in imports if head not in reachable(tail, edges)} == set(), "not drawn"
    assert {edge for edge in edges if edge[1] in reachable(edge[0], edges - {edge})} == set(), "follows a path"


def test_no_imports_run_in_a_circle() -> None:
    left = {name(path).partition(".")[2]: own_imports(path) for path in SOURCES}
    while free := {module for module, needs in left.items() if not (needs - {module}) & left.keys()}:
        left = {module: needs for module, needs in left.items() if module not in free}
    assert left == {}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_words_of_a_log_line_are_ours(path: Path) -> None:
    """What others say comes as an argument, which is made printable."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Call(func=ast.Attribute(value=logger, attr=level), args=[*args]) if ast.unparse(logger).endswith(
                ("log", "logger", "LOGGER")
            ):
                words = args[1 if level == "log" else 0] if level in LEVELS else None
                assert words is None or isinstance(words, ast.Constant), f"line {node.lineno}: {ast.unparse(node)}"


def test_every_connection_is_opened_in_one_place() -> None:
    """So that all go through the proxy, verify the server, and can be interrupted."""
    assert [path.stem for path in CORE if "network.dial" in own_imports(path)] == ["connector"]
    assert {path.stem for path in CORE if "network.connector" in own_imports(path)} >= {"websocket", "http"}
    assert not [path for path in CORE if {"urllib3", "requests"} & foreign_imports(path)]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert path.name == "_version.py" or ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", CORE, ids=name)
def test_every_module_says_what_it_offers(path: Path) -> None:
    module = tree(path)
    if path.name != "_version.py":
        assert any(
            isinstance(node, (ast.Assign, ast.AnnAssign)) and "__all__" in ast.unparse(node) for node in module.body
        )


def test_what_pytest_loads_imports_nothing_but_pytest() -> None:
    plugin = tree(PACKAGE.parent / "_vox_gateway_pytest_plugin.py")
    at_once = [ast.unparse(node) for node in plugin.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    allowed = ("from __future__", "from collections.abc", "from typing", "import pytest")
    assert [one for one in at_once if not one.startswith(allowed)] == []


def test_the_console_script_imports_nothing_of_the_package_at_once() -> None:
    script = tree(PACKAGE.parent / "_vox_gateway_command.py")
    at_once = [ast.unparse(node) for node in script.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert at_once == [
        "from __future__ import annotations",
        "import os",
        "import signal",
        "from types import FrameType",
    ]


def test_the_face_of_the_local_gateway_has_docstrings() -> None:
    testing = importlib.import_module("vox_gateway.testing")
    for offered in testing.__all__:
        thing = getattr(testing, offered)
        assert thing.__doc__
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if inspect.isfunction(value) and not member.startswith("_"):
                assert value.__doc__, f"{offered}.{member}"


@pytest.mark.parametrize("path", CORE, ids=name)
def test_everything_public_has_a_docstring(path: Path) -> None:
    missing = [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
        and not _is_inner(node, path)
    ]
    assert missing == []


def _is_inner(node: ast.AST, path: Path) -> bool:
    """Whether `node` is a function in a function, or a part of something private: nobody's interface."""
    for outer in ast.walk(tree(path)):
        if isinstance(outer, ast.FunctionDef) or (isinstance(outer, ast.ClassDef) and outer.name.startswith("_")):
            for inner in ast.walk(outer):
                if inner is not outer and getattr(inner, "lineno", 0) == node.lineno and type(inner) is type(node):  # type: ignore[attr-defined]
                    return True
    return getattr(node, "name", "") == "fileno"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_sleep_and_no_bare_except(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("time.sleep", "sleep")
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_thread_has_a_name(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("threading.Thread"):
            assert "name" in {keyword.arg for keyword in node.keywords}


def test_no_test_sleeps() -> None:
    ours = Path(__file__)
    for path in ours.parent.rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "time.sleep", path


def test_the_package_offers_what_a_user_needs_and_all_its_errors() -> None:
    errors = importlib.import_module("vox_gateway.errors")
    assert set(errors.__all__) <= set(vox_gateway.__all__)
    assert all(hasattr(vox_gateway, offered) for offered in vox_gateway.__all__)
    assert len(vox_gateway.__all__) == len(set(vox_gateway.__all__))
    public = {
        found for found, value in vars(vox_gateway).items() if not found.startswith("_") and not inspect.ismodule(value)
    }
    assert public <= {*vox_gateway.__all__, "TYPE_CHECKING"}
