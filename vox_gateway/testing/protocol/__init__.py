"""The gateway's side of the protocol, written anew for the local gateway: it shares no code with the client."""

from __future__ import annotations

__all__: list[str] = []
