"""The server of the local gateway: its event loop thread, its connections and their shared state."""

from __future__ import annotations

__all__: list[str] = []
