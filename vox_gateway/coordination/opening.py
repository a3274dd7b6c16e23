"""Opens a coordination by its URL."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os

from .interface import Coordination, CoordinationFailed, GateSettings
from .leases import LeaseTimes
from .memory import MemoryCoordination

__all__ = ["bot_id", "bots_of", "check_coordination", "open_coordination"]

_REDIS = ("redis://", "rediss://", "unix://")
_SQLITE = "sqlite:///"
_WANTED = 'None, "sqlite:///path" or "redis://host:port/number"'


def open_coordination(
    url: str | None,
    *,
    bot: str,
    times: LeaseTimes | None = None,
    gate: GateSettings | None = None,
    create: bool = True,
) -> Coordination:
    """Open what the processes of a bot share.

    Args:
        url: None for this process alone; ``"sqlite:///bot.db"`` for a file in the current folder and
            ``"sqlite:////run/bot.db"`` for a file elsewhere, as in SQLAlchemy; ``"redis://host:6379/0"``,
            ``"rediss://..."`` or ``"unix:///path"`` for Redis.
        bot: identifies the bot; see `bot_id`.
        times: of leases; the same in all processes.
        gate: how often the bot may IDENTIFY; the same in all processes.
        create: make the SQLite file if it does not exist; otherwise only a file that a process has made is used.

    Raises:
        TypeError, ValueError: `url` cannot be used.
        CoordinationFailed: the SQLite file cannot be used.
        MissingExtra: Redis needs the extra ``cluster``.
    """
    if url is None:
        return MemoryCoordination(times, gate)
    if not isinstance(url, str):
        raise TypeError(f"coordination must be {_WANTED}, not {type(url).__name__}")
    if url.startswith(_REDIS):
        from .redis import RedisCoordination

        return RedisCoordination(url, bot, times, gate)
    path = _check_path(url)
    from .sqlite import SQLiteCoordination

    return SQLiteCoordination(path, bot, times, gate, create=create)


def check_coordination(given: object) -> None:
    """Refuse what is neither a URL for `open_coordination` nor a `Coordination`. Connects to nothing.

    Raises:
        TypeError, ValueError: it cannot be used.
        CoordinationFailed: the folder of the SQLite file does not exist.
        MissingExtra: Redis needs the extra ``cluster``.
    """
    if isinstance(given, str) and given.startswith(_REDIS):
        open_coordination(given, bot="").close()
    elif isinstance(given, str):
        _check_path(given)
    elif isinstance(given, type) or not (hasattr(given, "beat") and hasattr(given, "watch")):
        raise TypeError(f"coordination must be {_WANTED}, or a Coordination, not {type(given).__name__}")


def _check_path(url: str) -> str:
    """Return the path of an SQLite file."""
    if not url.startswith(_SQLITE):
        if url.startswith("sqlite:"):
            raise ValueError(f"coordination={url!r} needs three slashes before the path, as in sqlite:///bot.db")
        # It may hold a password.
        raise ValueError(f"coordination must be {_WANTED}, not a URL that begins with {url.partition(':')[0]!r}")
    path = url.removeprefix(_SQLITE)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.basename(path) or os.path.isdir(path) or path == ":memory:":
        raise ValueError(f"coordination={url!r} must end with the name of a file")
    if not os.path.isdir(folder):
        raise CoordinationFailed(f"coordination={url!r}: the folder {folder} does not exist, make it first")
    return path


def bots_of(url: str) -> list[str]:
    """Return the bots that processes have run through a coordination, as `open_coordination` takes them.

    Args:
        url: as `open_coordination` takes it.

    Raises:
        TypeError, ValueError: `url` cannot be used.
        CoordinationFailed: it cannot be reached.
        MissingExtra: Redis needs the extra ``cluster``.
    """
    with contextlib.closing(open_coordination(url, bot="", create=False)) as coordination:
        return coordination.bots()


def bot_id(token: str) -> str:
    """Return the id of the bot with a token, or a fingerprint if the token does not hold it. Never the token."""
    part = token.removeprefix("Bot ").partition(".")[0]
    with_padding = part + "=" * (-len(part) % 4)
    try:
        number = base64.urlsafe_b64decode(with_padding).decode("ascii")
    except (binascii.Error, ValueError):
        number = ""
    return number if number.isdigit() else hashlib.sha256(f"vox_gateway {part}".encode()).hexdigest()[:32]
