"""The common part of zlib-stream and zstd-stream: a context for a whole connection, and bounded memory.

Called on the reader thread; the messages go to `encoding`.

See: https://docs.discord.com/developers/events/gateway#transport-compression
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import InflateError

__all__ = ["StreamInflater", "check_size"]

#: bytes of a block after which another is begun: the steps that each block takes cost as much as a message
BLOCK_SIZE = 65_536


def check_size(message: bytes, max_size: int) -> bytes:
    """Return `message`; raise InflateError if it exceeds `max_size`. Callers stop inflating 1 byte beyond that."""
    if len(message) > max_size:
        raise InflateError(f"a message inflates beyond max_message_size={max_size} bytes")
    return message


class StreamInflater:
    """Inflates messages with a shared context.

    Attributes:
        name: of the compression, for errors.
        max_ratio: bytes that a compressed byte inflates to at most.
    """

    name: str
    max_ratio: int

    def __init__(self, max_size: int, context: Any, error: type[Exception]) -> None:
        self._max_size = max_size
        self._context = context
        self._error = error

    def _inflate(self, data: bytes | bytearray) -> bytes:
        """Inflate a run of whole messages."""
        try:
            message: bytes = self._context.decompress(data, self._max_size + 1)
        except self._error as error:
            raise InflateError(f"the {self.name} does not inflate: {error}") from None
        check_size(message, self._max_size)
        if self._context.eof:
            raise InflateError(f"the {self.name} ended, and a connection's stream has no end")
        return message

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield the gateway messages in `run`, each of which is whole, in few blocks.

        Raises:
            InflateError: a message is not valid or too large; all earlier messages were yielded.
        """
        if len(run) == 1:
            yield self._inflate(run[0]), 1
            return
        blocks: list[bytes] = []
        count = size = 0
        for group in self._groups(run):
            try:
                blocks.append(self._inflate(b"".join(group)))
            except InflateError:
                if blocks:
                    yield b"".join(blocks), count
                raise
            count += len(group)
            size += len(blocks[-1])
            if size >= BLOCK_SIZE:
                yield b"".join(blocks), count
                blocks = []
                count = size = 0
        if blocks:
            yield b"".join(blocks), count

    def _groups(self, run: list[bytes]) -> Iterator[list[bytes]]:
        """Yield the messages in groups that cannot inflate beyond the size limit together, or alone."""
        max_group = self._max_size // self.max_ratio
        group: list[bytes] = []
        size = 0
        for message in run:
            size += len(message)
            if size > max_group and group:
                yield group
                group, size = [], len(message)
            group.append(message)
        if group:
            yield group
