"""Where to connect and when to IDENTIFY: the REST lookup, and the limits that Discord sets.

In: a token. Out: a gateway URL on the reader thread, and the turn to IDENTIFY in the reconnect loop's mailbox.
"""

from __future__ import annotations

__all__: list[str] = []
