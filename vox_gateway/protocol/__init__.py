"""The gateway protocol as pure functions of payloads: no socket, no thread, no clock.

In: decoded payloads, and why a connection ended. Out: actions for the reader, and the reconnect loop's next step.
"""

from __future__ import annotations

__all__: list[str] = []
