"""Where contestants run: each in an environment of its own, made when it is first asked for.

Below ``benchmarks/.env``, which may be deleted at any time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "Unavailable", "node", "python", "pythons"]

ROOT = Path(__file__).parent.parent
HOME = Path(__file__).parent / ".env"
PYENV = Path.home() / ".pyenv" / "versions"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

#: what pip installs, by the name of the environment; ours are editable, so that they measure what is in the tree
PACKAGES: dict[str, list[str]] = {
    "default": ["-e", "."],
    "speed": ["-e", ".[speed]", "orjson"],
    "hikari": ["hikari[zstd]"],
    "hikari-speed": ["hikari[zstd]", "orjson"],
    "discord.py": ["discord.py"],
    "discord.py-speed": ["discord.py", "orjson", "zstandard"],
    "py-cord": ["py-cord", "msgspec"],
}
#: what npm installs; the stable @discordjs/ws knows no zstd, and what will follow it needs a Node.js that has it
NODE_PACKAGES: dict[str, list[str]] = {
    "node": ["@discordjs/ws@2", "@discordjs/rest@2", "zlib-sync"],
    "node-zstd": ["@discordjs/ws@3.0.0-dev.1786752260-c9855614c", "@discordjs/rest@2", "node@24"],
}


class Unavailable(Exception):
    """A contestant cannot be had here; says why."""


def pythons() -> dict[str, str]:
    """The supported Pythons on this machine, by version."""
    found = {}
    for minor in range(10, 20):
        candidates = [shutil.which(f"python3.{minor}"), *map(str, PYENV.glob(f"3.{minor}.*/bin/python"))]
        for interpreter in filter(None, candidates):
            # A shim may be there and refuse, so each is asked who it is.
            asked = [interpreter, "-c", "import sys, ssl, venv; print('%d.%d' % sys.version_info[:2])"]
            if subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip() == f"3.{minor}":
                found[f"3.{minor}"] = interpreter
                break
    return found


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
