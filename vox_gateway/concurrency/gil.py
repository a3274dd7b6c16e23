"""Whether threads take turns. Decides who reads a connection, and whether a thread's stack may be shown."""

from __future__ import annotations

import sys

__all__ = ["HAS_GIL"]

#: false on a free-threaded Python, unless something has enabled the GIL there before this package was imported
HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
