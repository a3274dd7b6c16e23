"""Where contestants run: each in an environment of its own, made when it is first asked for.

Below ``benchmarks/.env``, which may be deleted at any time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "Unavailable", "node", "python"]

ROOT = Path(__file__).parent.parent
HOME = Path(__file__).parent / ".env"

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


def python(name: str) -> str:
    """The interpreter of an environment.

    Raises:
        Unavailable: its packages cannot be installed.
    """
    home = HOME / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    interpreter = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(home)])
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
