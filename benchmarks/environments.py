"""Where contestants run: each in an environment of its own, made when it is first asked for.

Below ``benchmarks/.env``, which may be deleted at any time.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["ROOT", "VERSION", "Unavailable", "build", "free_threaded", "node", "python", "pythons"]

ROOT = Path(__file__).parent.parent
HOME = Path(__file__).parent / ".env"
PYENV = Path.home() / ".pyenv" / "versions"
#: prints a Python's version, which ends in a t if it can run without the GIL
ASK = """import sys, sysconfig, ssl, venv
print("%d.%d%s" % (*sys.version_info[:2], "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))"""
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}{'t' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''}"
#: what aiohttp is made of, with C parts that have no wheel for every Python: built here, or the peers would be slower
BUILT = ["--no-binary", "aiohttp,frozenlist,multidict,propcache,yarl"]

#: what pip installs, by the name of the environment; ours are editable, so that they measure what is in the tree
PACKAGES: dict[str, list[str]] = {
    "default": ["-e", "."],
    "speed": ["-e", ".[speed]", "orjson"],
    "hikari": ["hikari[zstd]"],
    "hikari-speed": ["hikari[zstd]", "orjson"],
    "discord.py": ["discord.py"],
    "discord.py-orjson": ["discord.py", "orjson"],
    "discord.py-speed": ["discord.py", "orjson", "zstandard"],
    "py-cord": ["py-cord", "msgspec"],
    "peers-built": ["hikari", "discord.py", *BUILT],
}
#: what npm installs; the stable @discordjs/ws knows no zstd, and what will follow it needs a Node.js that has it
NODE_PACKAGES: dict[str, list[str]] = {
    "node": ["@discordjs/ws@2", "@discordjs/rest@2", "zlib-sync"],
    "node-zstd": ["@discordjs/ws@3.0.0-dev.1786752260-c9855614c", "@discordjs/rest@2", "node@24"],
}


class Unavailable(Exception):
    """A contestant cannot be had here; says why."""


def build() -> str:
    """This Python's version, and how it was built, which decides how fast it is."""
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    # Debian optimises its Python too, by a make target of which nothing is left to be read.
    optimised = "with" if "--enable-optimizations" in configured else "without"
    threads = ", free-threaded" if VERSION.endswith("t") else ""
    return f"Python {platform.python_version()}{threads}, configured {optimised} profile-guided optimization"


def pythons() -> dict[str, str]:
    """The supported Pythons on this machine, by version."""
    found = {}
    for minor in range(10, 20):
        candidates = [shutil.which(f"python3.{minor}"), *map(str, PYENV.glob(f"3.{minor}.*/bin/python"))]
        for interpreter in filter(None, candidates):
            # A shim may be there and refuse, so each is asked who it is.
            if version_of(interpreter) == f"3.{minor}":
                found[f"3.{minor}"] = interpreter
                break
    return found


def free_threaded() -> tuple[str, str] | None:
    """The version and the path of a Python that can run without the GIL: this one, or the newest on PATH."""
    candidates = [sys.executable, *(shutil.which(f"python3.{minor}t") for minor in range(20, 12, -1))]
    for interpreter in filter(None, candidates):
        if (version := version_of(interpreter)).endswith("t"):
            return version, interpreter
    return None


def version_of(interpreter: str) -> str:
    """What an interpreter says that it is; empty if it does not run."""
    return subprocess.run([interpreter, "-c", ASK], check=False, capture_output=True, text=True).stdout.strip()


def python(name: str, version: str = VERSION, base: str = sys.executable) -> str:
    """The interpreter of an environment.

    Args:
        base: the Python that it is made of; of `version`.

    Raises:
        Unavailable: its packages cannot be installed.
    """
    home = HOME / f"{name}-{version}"
    interpreter = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        run([base, "-m", "venv", str(home)])
        run([str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES[name]])
        (home / "complete").touch()
    return str(interpreter)


def node(name: str) -> tuple[str, Path]:
    """Node.js, and the folder with the packages of an environment; it may have brought a Node.js of its own.

    Raises:
        Unavailable: one of them cannot be had.
    """
    interpreter, npm = shutil.which("node"), shutil.which("npm")
    if not interpreter or not npm:
        raise Unavailable("Node.js is not installed")
    home = HOME / name
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), *NODE_PACKAGES[name]])
        (home / "complete").touch()
    own = home / "node_modules" / ".bin" / "node"
    return str(own) if own.exists() else interpreter, home


def run(command: list[str]) -> None:
    """Run a command; what it says is only shown when it fails."""
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(words[-1] if words else f"{command[0]} ended with {done.returncode}")
