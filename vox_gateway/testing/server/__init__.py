"""The server behind the local gateway: one event loop thread, its connections, and the state they share."""

from __future__ import annotations

__all__: list[str] = []
