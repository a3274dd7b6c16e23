"""The gateway's side of the protocol, written for the local gateway. It shares no code with the client."""

from __future__ import annotations

__all__: list[str] = []
