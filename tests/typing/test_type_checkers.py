"""What mypy and pyright say about programs that use the client, good ones and bad ones.

A line of a program says what is expected of it: ``# reveals: TYPE``, or the rules that it breaks, first mypy's and then
pyright's, ``# error: RULES | RULES``. Of other lines nothing is said. The snippets of the page about typing are
programs too. Each checker runs once, over all programs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, snippets

PROGRAMS = Path(__file__).parent / "programs"
PAGE = ROOT / "docs" / "how-to" / "typing.md"
CHECKERS = ("mypy", "pyright")
#: what is said about the lines of a program: types that are revealed, and rules that are broken
Said = dict[tuple[str, int], set[str]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of all programs."""
    folder = tmp_path_factory.mktemp("snippets")
    for snippet in snippets(PAGE, "python"):
        (folder / f"typing_{snippet.line}.py").write_text(snippet.code, encoding="utf-8")
    return sorted([*PROGRAMS.glob("*.py"), *folder.glob("*.py")])


def expected(checker: str, programs: list[Path]) -> Said:
    """What the comments say, for one of the checkers."""
    found: Said = {}
    for program in programs:
        for number, line in enumerate(program.read_text(encoding="utf-8").splitlines(), start=1):
            said = set()
            if revealed := re.search(r"# reveals: (.*)$", line):
                said.add(f"reveals: {revealed[1]}")
            if rules := re.search(r"# error: (.*)\|(.*)$", line):
                said |= set(rules[CHECKERS.index(checker) + 1].split())
            if said:
                found[program.name, number] = said
    return found


def said_by_mypy(programs: list[Path]) -> Iterator[tuple[str, int, str]]:
    """Yield what mypy says, each with the name of the program and the line."""
    command = [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", ".mypy_cache", *programs]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    for line in output.stdout.splitlines():
        assert line.startswith("{"), output
        said = json.loads(line)
        if revealed := re.match(r'Revealed type is "(.*)"$', said["message"]):
            yield said["file"], said["line"], f"reveals: {plain(revealed[1])}"
        elif said["severity"] == "error":
            yield said["file"], said["line"], said["code"]


def said_by_pyright(programs: list[Path]) -> Iterator[tuple[str, int, str]]:
    """Yield what pyright says, each with the name of the program and the line."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *programs]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    for said in json.loads(output.stdout)["generalDiagnostics"]:
        line = said["range"]["start"]["line"] + 1
        if revealed := re.match(r'Type of ".*" is "(.*)"$', said["message"]):
            yield said["file"], line, f"reveals: {plain(revealed[1])}"
        elif said["severity"] == "error":
            yield said["file"], line, said.get("rule", said["message"])


def plain(revealed: str) -> str:
    """Write a type as both checkers could have: no modules, no fields of TypedDicts, no defaults of type parameters."""
    while found := re.search(r"TypedDict\('?([\w.]+)'?, ", revealed):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(revealed[end], 0)
            end += 1
        revealed = revealed[: found.start()] + found[1] + revealed[end:]
    revealed = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", revealed)
    if revealed.startswith("def "):  # mypy's functions
        revealed = revealed.removeprefix("def ") if " -> " in revealed else f"{revealed.removeprefix('def ')} -> None"
    return re.sub(r"^tuple\[.*, fallback=(.*)\]$", r"\1", revealed)  # mypy's named tuples


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_says_what_the_programs_expect(checker: str, programs: list[Path]) -> None:
    pytest.importorskip(checker)
    found: Said = {}
    for file, line, said in {"mypy": said_by_mypy, "pyright": said_by_pyright}[checker](programs):
        found.setdefault((Path(file).name, line), set()).add(said)
    wanted = expected(checker, programs)
    assert len(wanted) > 40
    assert found == wanted
