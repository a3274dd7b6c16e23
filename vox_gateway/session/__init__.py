"""The session that a RESUME continues: its value, and the file in which it outlives the process.

In: the position that the dispatcher has completed. Out: a file, written on the session writer's thread.
"""

from __future__ import annotations

__all__: list[str] = []
