"""What is installed is what is promised: in an sdist of this source, and in the wheel that is built from it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import vox_gateway

ROOT = Path(__file__).parent.parent
PYTEST_PLUGIN = "_vox_gateway_pytest_plugin.py"
COMMAND = "_vox_gateway_command.py"
SETUPTOOLS = 77  # the first that knows license_expression

#: what an installation, a build or a run of the tests leaves behind
LEFTOVERS = [
    "__pycache__",
    "build",
    "dist",
    "*.egg-info",
    ".git",
    ".venv",
    ".*_cache",
    ".hypothesis",
    ".coverage*",
    ".env",
    "*.so",
    "*.pyd",
]


def can_build() -> bool:
    try:
        return int(importlib.metadata.version("setuptools").split(".")[0]) >= SETUPTOOLS
    except importlib.metadata.PackageNotFoundError:
        return False


def has_c_compiler() -> bool:
    """Whether setuptools builds the optional module here."""
    return sys.implementation.name == "cpython" and not os.environ.get("VOX_GATEWAY_PURE") and bool(shutil.which("cc"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to build from: setuptools would take along what an earlier build left in build/."""
    source = tmp_path_factory.mktemp("source") / "copy"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*LEFTOVERS))
    return source


@pytest.fixture(scope="module")
def sdist(source: Path) -> Path:
    """The folder of an unpacked sdist."""
    if not can_build():
        pytest.skip("setuptools is missing or too old to build; the extra dev brings one that can")
    program = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    work = source.parent
    built = subprocess.run(
        [sys.executable, "-c", program, str(work)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (path,) = work.glob("vox_gateway-*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(work / "unpacked", filter="data")
    (folder,) = (work / "unpacked").iterdir()
    return folder


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> zipfile.Path:
    """The root of a wheel, built from the sdist."""
    work = sdist.parent.parent
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    built = subprocess.run([*pip, "-w", str(work), str(sdist)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = work.glob("vox_gateway-*.whl")
    return zipfile.Path(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.Path) -> importlib.metadata.Distribution:
    (info,) = [entry for entry in wheel.iterdir() if entry.name.endswith(".dist-info")]
    return importlib.metadata.PathDistribution(info)


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def test_name_and_version_are_the_packages_own(metadata: importlib.metadata.Distribution) -> None:
    assert metadata.name == "vox-gateway"
    assert metadata.version == vox_gateway.__version__
    assert metadata.metadata["Requires-Python"] == ">=3.10"


def test_the_license_is_an_spdx_expression_and_no_classifier(metadata: importlib.metadata.Distribution) -> None:
    assert metadata.metadata["License-Expression"] == "MIT"
    assert not [one for one in metadata.metadata.get_all("Classifier") or () if one.startswith("License ::")]


def test_the_project_page_has_an_author_a_text_and_links(metadata: importlib.metadata.Distribution) -> None:
    assert metadata.metadata["Author"]
    assert metadata.metadata["Keywords"]
    assert metadata.metadata["Description-Content-Type"] == "text/markdown"
    links = dict(line.split(", ") for line in metadata.metadata.get_all("Project-URL") or ())
    assert links.keys() >= {"Homepage", "Documentation", "Changelog", "Issues", "Security"}
    assert all(link.startswith("https://") for link in links.values())


def test_pyproject_says_how_to_build_and_nothing_else() -> None:
    tables = re.findall(r"^\[([^]]+)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert tables == ["build-system", "tool.cibuildwheel"]


def test_the_sdist_holds_every_file_of_the_source(source: Path, sdist: Path) -> None:
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and "egg-info" not in str(path)}
    shipped = {path.relative_to(sdist) for path in sdist.rglob("*")}
    assert sorted(map(str, files - shipped)) == []


def test_three_packages_are_required_and_what_one_of_them_brings(metadata: importlib.metadata.Distribution) -> None:
    required = [line for line in metadata.requires or () if "extra ==" not in line]
    assert names(required) == {"websocket-client", "simplejson", "pyee", "typing_extensions"}
    assert "typing-extensions" in names(importlib.metadata.requires("pyee") or [])


def test_each_extra_brings_what_it_is_for(metadata: importlib.metadata.Distribution) -> None:
    brought = {
        extra: names([line for line in metadata.requires or () if re.search(f"extra == ['\"]{extra}['\"]", line)])
        for extra in metadata.metadata.get_all("Provides-Extra") or ()
    }
    assert brought["testing"] == {"h11", "websockets"}
    assert brought["socks"] == {"python-socks"}
    assert brought["zstd"] <= {"backports.zstd", "backports-zstd"}  # Python has its own from 3.14 on
    assert brought["speed"] == {"msgspec", "zlib-ng", "vox-gateway"}
    assert brought["prometheus"] <= {"prometheus_client", "prometheus-client"}
    assert brought["cluster"] == {"redis"}
    assert brought["docs"] == {"sphinx", "myst-parser", "furo"}
    assert brought["dev"] >= {"vox-gateway", "pytest", "ruff", "mypy", "hypothesis", "coverage", "setuptools"}


def test_the_command_is_the_one_of_the_module(metadata: importlib.metadata.Distribution) -> None:
    (command,) = metadata.entry_points.select(group="console_scripts")
    assert (command.name, f"{command.module}.py", command.attr) == ("vox-gateway", COMMAND, "main")
    told = subprocess.run(
        [sys.executable, "-m", "vox_gateway", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert told.stdout == f"vox-gateway {vox_gateway.__version__}\n"


def test_pytest_finds_the_plugin(metadata: importlib.metadata.Distribution) -> None:
    (plugin,) = metadata.entry_points.select(group="pytest11")
    assert (plugin.name, f"{plugin.value}.py") == ("vox_gateway", PYTEST_PLUGIN)


def test_the_wheel_holds_the_whole_package_its_types_and_nothing_else(wheel: zipfile.Path) -> None:
    sources = [path for kind in ("py", "lua") for path in (ROOT / "vox_gateway").rglob(f"*.{kind}")]
    modules = {str(path.relative_to(ROOT)) for path in sources}
    shipped = {name for name in wheel.root.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    built = {name for name in shipped if name.startswith("vox_gateway/_speedups.") and name.endswith((".so", ".pyd"))}
    types = {"vox_gateway/py.typed", "vox_gateway/_speedups.pyi"}
    assert shipped - built == modules | types | {PYTEST_PLUGIN, COMMAND}
    assert len(built) == int(has_c_compiler())


def test_the_wheel_is_of_the_platform_if_it_holds_what_was_compiled(
    wheel: zipfile.Path, metadata: importlib.metadata.Distribution
) -> None:
    tags = re.findall(r"^Tag: (.+)$", metadata.read_text("WHEEL") or "", re.MULTILINE)
    assert ("py3-none-any" not in tags) is has_c_compiler()


def test_a_build_can_leave_out_the_compiled_module(sdist: Path) -> None:
    folder = sdist.parent.parent / "pure"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(sdist),
    ]
    built = subprocess.run(pip, env=os.environ | {"VOX_GATEWAY_PURE": "1"}, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert [path.name.partition("-py3")[2] for path in folder.iterdir()] == ["-none-any.whl"]


def test_the_license_is_shipped(wheel: zipfile.Path) -> None:
    assert [name for name in wheel.root.namelist() if name.endswith("/LICENSE")]


def test_the_changelog_keeps_its_format() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n## [Unreleased]\n" in text
    kinds = set(re.findall(r"^### (\w+)", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
