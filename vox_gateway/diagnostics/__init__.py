"""What the client knows of itself: counters, the history of its connections, and their description in words.

In: facts from the threads of a run. Out: immutable values that any thread may read.
"""

from __future__ import annotations

__all__: list[str] = []
