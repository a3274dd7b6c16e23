"""Building blocks for threads: waits that a signal, a fork or a shutdown can end. Knows nothing of gateways.

In: a callable or a deadline from any thread. Out: a wake-up on the thread that waits.
"""

from __future__ import annotations

__all__: list[str] = []
