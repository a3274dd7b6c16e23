"""What is installed is what is promised."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vox_gateway

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("vox-gateway")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("vox-gateway is not installed here, only on the path")


def test_the_version_is_told_once(distribution: importlib.metadata.Distribution) -> None:
    assert distribution.version == vox_gateway.__version__


def test_three_packages_are_required_and_no_more(distribution: importlib.metadata.Distribution) -> None:
    required = [line for line in distribution.requires or () if "extra ==" not in line]
    assert {re.match(r"[\w-]+", line)[0] for line in required} == {"websocket-client", "simplejson", "pyee"}  # type: ignore[index]


def test_the_extras_and_the_command_are_there(distribution: importlib.metadata.Distribution) -> None:
    assert set(distribution.metadata.get_all("Provides-Extra") or ()) >= {"testing", "dev", "socks"}
    (command,) = [point for point in distribution.entry_points if point.name == "vox-gateway"]
    assert command.value == "vox_gateway.cli:main"
    assert distribution.metadata["Requires-Python"] == ">=3.10"


def test_a_wheel_ships_the_types_and_not_the_tests(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    if subprocess.run([sys.executable, "-c", "import setuptools, wheel"], capture_output=True, check=False).returncode:
        pytest.skip("setuptools and wheel are not installed here")
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("vox_gateway-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "vox_gateway/py.typed" in names
    assert "vox_gateway/testing/gateway.py" in names
    assert "vox_gateway/cli/demo/__init__.py" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]


def test_the_changelog_keeps_its_format() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n## [Unreleased]\n" in text
    assert set(re.findall(r"^### (\w+)", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }
