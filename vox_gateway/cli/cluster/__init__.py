"""The commands for the processes that share a bot's shards: ``shards``, ``drain``, ``move`` and ``gate``.

They read what the processes have agreed on and leave orders there. They do not join: they run no shards.
"""

from __future__ import annotations

__all__: list[str] = []
