"""Who takes part, and what each needs from the server."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import environments

__all__ = ["CONTESTANTS", "GOALS", "Contestant", "Goal", "of_every_python"]


@dataclass(frozen=True)
class Contestant:
    """One line of the table.

    Attributes:
        name: as the table shows it, and as ``--only`` takes it.
        command: makes the command line before the URL and the number of events; may raise `Unavailable`.
        options: after them.
        server: the options of the server that it connects to; None when it needs none.
        share: of the events, for what is slow by design.
    """

    name: str
    command: Callable[[], list[str]]
    options: tuple[str, ...] = ()
    server: tuple[str, ...] | None = ()
    share: float = 1.0


def runner(environment: str, module: str) -> Callable[[], list[str]]:
    """A Python runner in an environment."""
    return lambda: [environments.python(environment), "-m", f"benchmarks.runners.{module}"]


def node(environment: str) -> Callable[[], list[str]]:
    """The Node.js runner in an environment; it looks for its packages beside itself."""

    def command() -> list[str]:
        interpreter, home = environments.node(environment)
        script = home / "discordjs.mjs"
        shutil.copy(Path(__file__).parent / "runners" / "discordjs.mjs", script)
        return [interpreter, str(script)]

    return command


ZLIB, ZSTD = ("--compress", "zlib-stream"), ("--compress", "zstd-stream")
#: replaced by the file that the server writes
CA = "{ca}"
TLS = ("--ca", CA)
ETF, ORJSON = ("--encoding", "etf"), ("--json", "orjson")


def limit(json: str, inflate: str) -> Contestant:
    """A loop without sockets, in the environment that has what it needs."""
    environment = "default" if json == "simplejson" else "speed"
    options = ("--json", json, "--inflate", inflate)
    return Contestant(f"limit: {json}, {inflate}", runner(environment, "limit"), options, None)


CONTESTANTS = [
    limit("simplejson", "zlib"),
    limit("orjson", "zlib"),
    limit("orjson", "zlib-ng"),
    limit("orjson", "zstd"),
    Contestant("vox_gateway", runner("default", "vox"), ZLIB, ZLIB),
    Contestant("vox_gateway, speed", runner("speed", "vox"), ZLIB, ZLIB),
    Contestant("vox_gateway, speed, zstd", runner("speed", "vox"), ZSTD, ZSTD),
    Contestant("vox_gateway, one event", runner("default", "vox"), (*ZLIB, "--only", "MESSAGE_CREATE"), ZLIB),
    Contestant("vox_gateway, speed, one event", runner("speed", "vox"), (*ZLIB, "--only", "MESSAGE_CREATE"), ZLIB),
    Contestant("vox_gateway, workers", runner("default", "vox"), (*ZLIB, "--workers", "4"), ZLIB),
    Contestant("vox_gateway, etf", runner("default", "vox"), (*ZLIB, *ETF), (*ZLIB, *ETF)),
    Contestant("vox_gateway, tls", runner("default", "vox"), (*ZLIB, *TLS), (*ZLIB, *TLS)),
    Contestant("vox_gateway, speed, tls", runner("speed", "vox"), (*ZLIB, *TLS), (*ZLIB, *TLS)),
    Contestant("vox_gateway, busy", runner("default", "vox"), (*ZLIB, "--busy"), ZLIB, 0.2),
    Contestant(
        "vox_gateway, busy, one by one", runner("default", "vox"), (*ZLIB, "--busy", "--one-by-one"), ZLIB, 0.02
    ),
    Contestant("plain loop", runner("default", "plain"), (), ZLIB),
    Contestant("plain loop, busy", runner("default", "plain"), ("--busy",), ZLIB, 0.02),
    Contestant("hikari raw", runner("hikari", "hikari_raw"), ZLIB, ZLIB),
    Contestant("hikari raw, orjson", runner("hikari-speed", "hikari_raw"), (*ZLIB, *ORJSON), ZLIB),
    Contestant("hikari raw, orjson, zstd", runner("hikari-speed", "hikari_raw"), (*ZSTD, *ORJSON), ZSTD),
    Contestant("hikari raw, tls", runner("hikari", "hikari_raw"), (*ZLIB, *TLS), (*ZLIB, *TLS)),
    Contestant("hikari raw, orjson, tls", runner("hikari-speed", "hikari_raw"), (*ZLIB, *ORJSON, *TLS), (*ZLIB, *TLS)),
    # It takes zstd wherever its package is, and cannot be told otherwise.
    Contestant("hikari, its own events", runner("hikari", "hikari_bot"), (), ZSTD, 0.5),
    Contestant("discord.py raw", runner("discord.py", "discord_py"), ("--raw",), ZLIB),
    Contestant("discord.py raw, orjson, zstd", runner("discord.py-speed", "discord_py"), ("--raw",), ZSTD),
    Contestant("discord.py on_message", runner("discord.py", "discord_py"), (), ZLIB, 0.5),
    Contestant("py-cord raw, msgspec", runner("py-cord", "discord_py"), ("--raw",), ZLIB),
    Contestant("@discordjs/ws, zlib-sync", node("node"), ("zlib-sync",), ZLIB),
    # Through a stream that answers each message later: far slower than inflating at once, so no goal rests on it.
    Contestant("@discordjs/ws 3-dev, zstd", node("node-zstd"), ("zstd",), ZSTD),
]


def of_every_python() -> list[Contestant]:
    """This library, on each Python that is found here."""
    return [
        Contestant(
            f"{name}, Python {version}",
            functools.partial(_on, environment, version, base),
            ZLIB,
            ZLIB,
        )
        for version, base in environments.pythons().items()
        for name, environment in (("vox_gateway", "default"), ("vox_gateway, speed", "speed"))
    ]


def _on(environment: str, version: str, base: str) -> list[str]:
    return [environments.python(environment, version, base), "-m", "benchmarks.runners.vox"]


@dataclass(frozen=True)
class Goal:
    """A ratio of two lines of the table that should be reached."""

    ours: str
    ratio: float
    theirs: str


GOALS = [
    Goal("vox_gateway", 1.25, "hikari raw"),
    Goal("vox_gateway", 1.6, "discord.py raw"),
    Goal("vox_gateway", 3.5, "discord.py on_message"),
    Goal("vox_gateway", 0.9, "limit: simplejson, zlib"),
    Goal("vox_gateway, speed", 1.2, "hikari raw, orjson"),
    Goal("vox_gateway, speed", 1.6, "@discordjs/ws, zlib-sync"),
    Goal("vox_gateway, speed", 0.85, "limit: orjson, zlib-ng"),
    Goal("vox_gateway, speed, zstd", 1.25, "hikari raw, orjson, zstd"),
    Goal("vox_gateway, tls", 1.25, "hikari raw, tls"),
    Goal("vox_gateway, speed, tls", 1.25, "hikari raw, orjson, tls"),
    Goal("vox_gateway, busy", 5.0, "vox_gateway, busy, one by one"),
    Goal("vox_gateway, busy", 2.0, "plain loop, busy"),
    Goal("vox_gateway, speed, one event", 1.3, "vox_gateway, speed"),
    Goal("vox_gateway, etf", 0.5, "vox_gateway"),
]
