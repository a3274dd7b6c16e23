"""Many shards in one process, behind the face of one client.

Enters: calls of a `ShardManager`, and the ends of its shards. Leaves: one run for each shard (`shard`), which share the
handlers, the streams, the threads that run handlers, and the identify gate.
"""

from .manager import ShardManager
from .shards import ManagedShard

__all__ = ["ManagedShard", "ShardManager"]
