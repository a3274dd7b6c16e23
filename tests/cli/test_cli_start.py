"""The console script from its first moment to its last: Ctrl-C ends it without a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vox_gateway import __version__

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
#: as pip writes it
SCRIPT = "import re; import sys; from _vox_gateway_command import main; sys.exit(main())"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")


@contextlib.contextmanager
def script(*arguments: str, first: Path | None = None, **options: object) -> Iterator[subprocess.Popen[str]]:
    """The console script, under way.

    Args:
        first: a folder whose modules are found before all others.
    """
    path = os.pathsep.join(map(str, filter(None, [first, ROOT, os.environ.get("PYTHONPATH")])))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def slow_import(tmp_path: Path) -> Path:
    """A folder with a dependency whose import says so, waits for the end of stdin, and fails."""
    words = "import sys\nprint('importing', flush=True)\nsys.stdin.read()\nsys.exit(7)\n"
    (tmp_path / "simplejson.py").write_text(words)
    return tmp_path


def await_import(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_while_it_is_imported_ends_it_without_a_traceback(slow_import: Path) -> None:
    with script("doctor", first=slow_import) as process:
        await_import(process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "vox-gateway: interrupted\n")
        assert process.returncode == 130


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_that_is_ignored_stays_ignored(slow_import: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with script("doctor", first=slow_import, preexec_fn=ignore) as process:
        await_import(process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 7


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_while_python_m_imports_the_command_ends_it_without_a_traceback(tmp_path: Path) -> None:
    # The command alone needs argparse, which is not in the way of the package.
    (tmp_path / "argparse.py").write_text("import sys\nprint('importing', flush=True)\nsys.stdin.read()\n")
    command = [sys.executable, "-m", "vox_gateway"]
    path = os.pathsep.join(map(str, filter(None, [tmp_path, ROOT, os.environ.get("PYTHONPATH")])))
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        await_import(process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "vox-gateway: interrupted\n")
        assert process.returncode == 130


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_ends_a_command_in_order_once_it_runs() -> None:
    with script("serve", "--port", "0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on ")
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=PATIENCE)
        assert output.endswith("closed\n")
        assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["nothing"], 2), (["serve", "--port", "x"], 2)])
def test_its_exit_code_is_the_commands(arguments: list[str], code: int) -> None:
    with script(*arguments) as process:
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert output == (f"vox-gateway {__version__}\n" if code == 0 else "")
