"""The session store of a shard that any node may run: a shard's next owner loads what the last owner saved.

The writer of a client saves on the thread ``session-file``. What was saved is loaded by the node, with the lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from .interface import Coordination, NodeInfo

__all__ = ["SavedText", "SharedSessionStore"]


class _Saved(Protocol):
    def to_json(self) -> str: ...


SavedText = TypeVar("SavedText", bound=_Saved)


class SharedSessionStore(Generic[SavedText]):
    """Keeps the session of a shard where other nodes find it. Only the node that holds the shard's lease changes it.

    Args:
        coordination: where it is kept.
        node: the node that runs the shard.
        shard: the shard's id.
        decode: makes of a text what ``to_json`` made a text of.
        saved: what was saved when the node got the lease.

    Attributes:
        is_shared: the node says when the coordination cannot be reached, so the shards need not.
    """

    is_shared = True

    def __init__(
        self,
        coordination: Coordination,
        node: NodeInfo,
        shard: int,
        decode: Callable[[str], SavedText],
        saved: str | None,
    ) -> None:
        self._coordination = coordination
        self._node = node
        self._shard = shard
        self._decode = decode
        self._saved = saved

    def load(self) -> SavedText | None:
        """Return what was saved when the node got the lease; None if there was nothing. Does no I/O.

        Raises:
            ValueError: raised by `decode`.
        """
        return None if self._saved is None else self._decode(self._saved)

    def save(self, session: SavedText) -> None:
        """Replace what was saved.

        Raises:
            LeaseLost: the shard belongs to another node now.
            CoordinationFailed: it cannot be reached.
        """
        self._coordination.save(self._node, self._shard, session.to_json())

    def clear(self) -> None:
        """Forget what was saved. Harmless if there is nothing.

        Raises:
            LeaseLost: the shard belongs to another node now.
            CoordinationFailed: it cannot be reached.
        """
        self._coordination.clear(self._node, self._shard)
