"""Wait for text that another process writes to a file."""

from __future__ import annotations

from pathlib import Path

from support import wait_until


def await_text(file: Path, text: bytes, count: int = 1) -> None:
    """Wait until the file contains `text` at least `count` times; it may be missing or rotated between two reads."""

    def contains_text() -> bool:
        try:
            return file.read_bytes().count(text) >= count
        except FileNotFoundError:
            return False

    wait_until(contains_text, timeout=60.0)
