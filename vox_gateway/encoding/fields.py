"""Readers for the fields of events: a field that is not as documented counts as absent. Pure."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["id_of", "ids_of", "objects_of", "seconds_of"]

#: the longest delay that is taken from a server, in seconds: a year
MAX_SECONDS = 366 * 86_400.0


def id_of(value: object) -> str | None:
    """Return an id as text, or None. An integer counts as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return str(value)
    return None


def ids_of(value: object) -> list[str]:
    """Return the ids in a list."""
    found = map(id_of, value) if isinstance(value, list) else ()
    return [user_id for user_id in found if user_id is not None]


def objects_of(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def seconds_of(value: object) -> float | None:
    """Return a number of seconds, clamped to 0 … `MAX_SECONDS`, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return float(min(max(value, 0.0), MAX_SECONDS))
