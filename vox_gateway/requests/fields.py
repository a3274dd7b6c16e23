"""Reads fields of events as Discord documents them; whatever else a server sends there counts as absent. Pure."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["id_of", "ids_of", "objects_of", "seconds_of"]

#: seconds that a server may ask to wait, at most
MAX_SECONDS = 366 * 86_400.0


def id_of(value: object) -> str | None:
    """An id as text; ETF has integers where JSON has strings."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return str(value)
    return None


def ids_of(value: object) -> list[str]:
    """The ids in a list."""
    found = map(id_of, value) if isinstance(value, list) else ()
    return [one for one in found if one is not None]


def objects_of(value: object) -> list[dict[str, Any]]:
    """The objects in a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def seconds_of(value: object) -> float | None:
    """A number of seconds, from 0 to `MAX_SECONDS`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return float(min(max(value, 0.0), MAX_SECONDS))
