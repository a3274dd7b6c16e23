"""Who takes part, and what each needs from the server."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        environment: variables that it gets besides.
        shards: connections, among which the events are divided; None for one, whose runner is not told.
    """

    name: str
    command: Callable[[], list[str]]
    options: tuple[str, ...] = ()
    server: tuple[str, ...] | None = ()
    share: float = 1.0
    environment: Mapping[str, str] = field(default_factory=dict)
    shards: int | None = None


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
    environment = "default" if json == "json" else "speed"
    options = ("--json", json, "--inflate", inflate)
    return Contestant(f"limit: {json}, {inflate}", runner(environment, "limit"), options, None)


def ours(name: str, environment: str, *options: str, server: tuple[str, ...] = ZLIB, share: float = 1.0) -> Contestant:
    """This library, told how its server compresses and encodes."""
    return Contestant(f"vox_gateway{name}", runner(environment, "vox"), (*server, *options), server, share)


def pure(one: Contestant) -> Contestant:
    """The same without our C module, whether it was built or not."""
    return dataclasses.replace(one, name=f"{one.name}, pure", environment={"VOX_GATEWAY_PURE": "1"})


def hikari(name: str, *options: str, server: tuple[str, ...] = ZLIB, share: float = 1.0) -> Contestant:
    """hikari's shard, whose event manager counts."""
    environment = "hikari-speed" if "orjson" in options else "hikari"
    return Contestant(f"hikari raw{name}", runner(environment, "hikari_raw"), (*server, *options), server, share)


def discord_py(
    name: str, environment: str, *options: str, server: tuple[str, ...] = ZLIB, share: float = 1.0
) -> Contestant:
    """discord.py, whose parsers count. It takes orjson and zstd where their packages are, so nothing tells it."""
    return Contestant(f"discord.py raw{name}", runner(environment, "discord_py"), ("--raw", *options), server, share)


ZLIB_TLS = (*ZLIB, *TLS)
ONE, BUSY = ("--only", "MESSAGE_CREATE"), ("--busy",)
OURS = [
    ours("", "default"),
    ours(", speed", "speed"),
    ours(", speed, zstd", "speed", server=ZSTD),
    ours(", tls", "default", server=ZLIB_TLS),
    ours(", speed, tls", "speed", server=ZLIB_TLS),
]

CONTESTANTS = [
    limit("json", "zlib"),
    limit("orjson", "zlib"),
    limit("orjson", "zlib-ng"),
    limit("orjson", "zstd"),
    *OURS,
    *map(pure, OURS),
    ours(", one event", "default", *ONE),
    ours(", speed, one event", "speed", *ONE),
    ours(", workers", "default", "--workers", "4"),
    ours(", etf", "default", server=(*ZLIB, *ETF)),
    ours(", busy", "default", *BUSY, share=0.2),
    ours(", busy, one by one", "default", *BUSY, "--one-by-one", share=0.02),
    Contestant("plain loop", runner("default", "plain"), (), ZLIB),
    Contestant("plain loop, busy", runner("default", "plain"), BUSY, ZLIB, 0.02),
    hikari(""),
    hikari(", orjson", *ORJSON),
    hikari(", orjson, zstd", *ORJSON, server=ZSTD),
    hikari(", tls", server=ZLIB_TLS),
    hikari(", orjson, tls", *ORJSON, server=ZLIB_TLS),
    hikari(", one event", *ONE),
    hikari(", orjson, one event", *ORJSON, *ONE),
    hikari(", busy", *BUSY, share=0.2),
    # It takes zstd wherever its package is, and cannot be told otherwise.
    Contestant("hikari, its own events", runner("hikari", "hikari_bot"), (), ZSTD, 0.5),
    discord_py("", "discord.py"),
    discord_py(", orjson", "discord.py-orjson"),
    discord_py(", orjson, zstd", "discord.py-speed", server=ZSTD),
    discord_py(", tls", "discord.py", *TLS, server=ZLIB_TLS),
    discord_py(", orjson, tls", "discord.py-orjson", *TLS, server=ZLIB_TLS),
    discord_py(", one event", "discord.py", *ONE),
    discord_py(", orjson, one event", "discord.py-orjson", *ONE),
    discord_py(", busy", "discord.py", *BUSY, share=0.2),
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
    Goal("vox_gateway", 1.75, "discord.py raw"),
    Goal("vox_gateway", 3.5, "discord.py on_message"),
    Goal("vox_gateway", 1.0, "limit: json, zlib"),
    Goal("vox_gateway, speed", 1.5, "hikari raw, orjson"),
    Goal("vox_gateway, speed", 2.0, "@discordjs/ws, zlib-sync"),
    Goal("vox_gateway, speed", 0.92, "limit: orjson, zlib-ng"),
    Goal("vox_gateway, speed, zstd", 1.5, "hikari raw, orjson, zstd"),
    Goal("vox_gateway, speed, zstd", 0.85, "limit: orjson, zstd"),
    Goal("vox_gateway, tls", 1.3, "hikari raw, tls"),
    Goal("vox_gateway, speed, tls", 1.45, "hikari raw, orjson, tls"),
    Goal("vox_gateway, pure", 1.0, "hikari raw"),
    Goal("vox_gateway, speed, pure", 1.0, "hikari raw, orjson"),
    Goal("vox_gateway, speed, zstd, pure", 1.0, "hikari raw, orjson, zstd"),
    Goal("vox_gateway, tls, pure", 1.0, "hikari raw, tls"),
    Goal("vox_gateway, speed, tls, pure", 1.0, "hikari raw, orjson, tls"),
    Goal("vox_gateway, etf", 1.2, "vox_gateway"),
    Goal("vox_gateway, speed, one event", 1.4, "vox_gateway, speed"),
    Goal("vox_gateway, one event", 1.0, "hikari raw, one event"),
    Goal("vox_gateway, busy", 1.8, "hikari raw, busy"),
    Goal("vox_gateway, busy", 2.0, "plain loop, busy"),
    Goal("vox_gateway, busy", 5.0, "vox_gateway, busy, one by one"),
]
