"""The module in C is used where it fits, and missed nowhere."""

from __future__ import annotations

import importlib.machinery
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from compared import ACCELERATED, needs_c

import vox_gateway
from vox_gateway import extension

PACKAGE = Path(vox_gateway.__file__).parent
#: an editable install would add the module of the folder that it is of
STATUS = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in repr(finder)]
import vox_gateway
print(vox_gateway.speedups()["core"])
"""


def run(program: str, path: Path, **environment: str) -> str:
    variables = {**os.environ, "PYTHONPATH": str(path), **environment}
    if "VOX_GATEWAY_PURE" not in environment:
        variables.pop("VOX_GATEWAY_PURE", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env=variables,
        cwd=path,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package without what was built, in a folder of its own."""
    left_out = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "testing", "payloads", "cli")
    shutil.copytree(PACKAGE, tmp_path / "vox_gateway", ignore=left_out)
    shutil.copytree(PACKAGE / "payloads", tmp_path / "vox_gateway" / "payloads")
    return tmp_path


def test_without_the_module_python_does_the_work(copy: Path) -> None:
    assert run(STATUS, copy) == "Python (the C extension is not built)"


def test_the_module_can_be_left_out(copy: Path) -> None:
    assert run(STATUS, copy, VOX_GATEWAY_PURE="1") == "Python (VOX_GATEWAY_PURE is set)"


def test_a_broken_file_is_passed_over(copy: Path) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (copy / "vox_gateway" / f"_speedups{suffix}").write_bytes(b"\x7fELF")
    assert run(STATUS, copy).startswith("Python (the C extension does not load: ")


def test_a_file_of_another_version_is_passed_over(copy: Path) -> None:
    (copy / "vox_gateway" / "_speedups.py").write_text("__version__ = '0.0.1'\n", encoding="utf-8")
    version = vox_gateway.__version__
    assert run(STATUS, copy) == f"Python (the C extension is of version 0.0.1, not {version})"


def test_a_function_that_the_module_lacks_is_pythons(copy: Path) -> None:
    (copy / "vox_gateway" / "_speedups.py").write_text(f"__version__ = {vox_gateway.__version__!r}\n", encoding="utf-8")
    assert run(STATUS + "from vox_gateway.encoding.raw_dispatch import cut; print(cut(b'', 0))", copy) == "C\nNone"
    assert run(STATUS + "print(vox_gateway.extension.compiled('dispatch_usual'))", copy) == "C\nNone"


@needs_c
def test_each_function_in_c_replaces_one_in_python_or_is_the_dispatchers() -> None:
    replaced = {name for name, module in ACCELERATED.items() if hasattr(getattr(module, name), "__wrapped__")}
    import vox_gateway._speedups as compiled

    assert replaced | {"dispatch_usual"} == {name for name in dir(compiled) if not name.startswith("_")}


def test_what_is_left_undone_is_done_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        @staticmethod
        def double(number: int) -> object:
            return number * 2 if number else NotImplemented

    monkeypatch.setattr(extension, "_speedups", Module)

    @extension.accelerated
    def double(number: int) -> str:
        return "by Python"

    assert double(4) == 8
    assert double(0) == "by Python"
