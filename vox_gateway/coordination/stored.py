"""Reads what ``scripts/overview.lua`` found in Redis as a `SharedState`, which makes the overview of it. Pure."""

from __future__ import annotations

from typing import Any

from .interface import GateSettings, Overview
from .state import Report, SharedState

__all__ = ["overview"]


def overview(stored: dict[str, Any], settings: GateSettings) -> Overview:
    """Return the overview of what is stored. Empty lists may be empty objects: Lua knows no difference."""
    generations = [(int(total), found) for total, found in stored["by_total"].items()]
    reports = {(total, int(shard)): _report(text) for total, found in generations for shard, text in found["reports"]}
    state = {
        "nodes": [
            {
                "info": {"id": node, "name": name, "total": int(total), "capacity": int(capacity)},
                "expires_at": _seconds(expires_at),
                "slot": None,
                "is_to_drain": bool(is_to_drain),
            }
            for node, name, total, capacity, expires_at, is_to_drain in stored["nodes"]
        ],
        "leases": [
            [total, int(shard), owner, float(load)]
            for total, found in generations
            for shard, lease in found["leases"]
            for owner, load in [lease.split()]
        ],
        "pins": [
            [total, int(shard), node, _seconds(until)]
            for total, found in generations
            for shard, pin in found["pins"]
            for node, until in [pin.split()]
        ],
        "queue": _queue(stored, settings.max_concurrency),
    }
    return SharedState.from_json(state).overview(reports, settings, _seconds(stored["now"]))


def _queue(stored: dict[str, Any], max_concurrency: int) -> dict[str, Any]:
    gate, sent, last_turn = dict(stored["gate"]), list(stored["sent"]), list(stored["last_turn"])
    waiters = [(*field.split(), *value.split()) for field, value in stored["queue"]]
    budget = {
        "total": int(gate.get("total", 0)),
        "remaining": int(gate.get("remaining", 0)),
        "resets_at": _seconds(gate.get("resets_at", 0)),
    }
    return {
        "max_concurrency": int(gate.get("max_concurrency", max_concurrency)),
        "sent": [(_seconds(at), int(member.split()[0])) for member, at in zip(sent[::2], sent[1::2], strict=True)],
        "_waiters": [
            {"node": node, "shard": int(shard), "failures": int(failures), "since": _seconds(since)}
            for shard, node, failures, since in waiters
        ],
        "_turns": [
            {"node": node, "shard": int(shard), "until": _seconds(until)}
            for field, until in stored["turns"]
            for shard, node in [field.split()]
        ],
        "_last_turn": {int(shard): _seconds(at) for shard, at in zip(last_turn[::2], last_turn[1::2], strict=True)},
        "_budget": budget if "remaining" in gate else None,
    }


def _report(text: str) -> Report:
    node, at, state = text.split(" ", 2)
    return Report(node, _seconds(at), state)


def _seconds(milliseconds: Any) -> float:
    return float(milliseconds) / 1000
