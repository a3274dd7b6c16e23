"""Where to connect and when to IDENTIFY: Get Gateway Bot, and Discord's limits on session starts.

In: a token. Out: a gateway URL on the reader thread, and the turn to IDENTIFY in the reconnect loop's mailbox.
"""

from __future__ import annotations

__all__: list[str] = []
