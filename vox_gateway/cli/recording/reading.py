"""Reads recordings: their files in order, and their lines, including invalid ones."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import BrokenLine, Recorded, parse
from .rotation import rotated

__all__ = ["Line", "beginning", "in_order", "merged", "read"]

#: lines read to check that a file is a recording
_FIRST = 100


class Line(NamedTuple):
    """A line of a recording.

    Attributes:
        path, number: the file, and the line number from 1.
        size: bytes.
        event: the event; BrokenLine if invalid; None for a truncated last line.
    """

    path: Path
    number: int
    size: int
    event: Recorded | BrokenLine | None


def in_order(paths: Iterable[Path]) -> list[list[Path]]:
    """Return the files of each recording, oldest first: the given ones, and every ``FILE.N`` of a ``FILE``.

    Raises:
        OSError: a folder cannot be read.
    """
    recordings: dict[Path, set[Path]] = {}
    for path in paths:
        is_full = path.suffix[1:].isdecimal() and not rotated(path)
        files = recordings.setdefault(path.with_suffix("") if is_full else path, set())
        files.add(path)
        if not is_full:
            files.update(rotated(path))
    return [sorted(files, key=lambda file: _age(base, file)) for base, files in recordings.items()]


def _age(base: Path, file: Path) -> int:
    return 0 if file == base else -int(file.suffix[1:])


def merged(recordings: Iterable[Iterable[Path]]) -> Iterator[Line]:
    """Yield the lines of all recordings in order of time.

    Raises:
        OSError: a file cannot be read.
    """
    timed = (_timed(itertools.chain.from_iterable(map(read, files))) for files in recordings)
    return (line for _, line in heapq.merge(*timed, key=lambda pair: pair[0]))


def _timed(lines: Iterable[Line]) -> Iterator[tuple[float, Line]]:
    """Yield each line with its time; a line without a time takes that of its predecessor."""
    time = 0.0
    for line in lines:
        if isinstance(line.event, Recorded):
            time = line.event.time
        yield time, line


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of a file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for number, data in enumerate(file, start=1):
            event: Recorded | BrokenLine | None
            try:
                event = parse(data)
            except BrokenLine as error:
                event = error if data.endswith(b"\n") else None
            yield Line(path, number, len(data), event)


def beginning(path: Path) -> Iterator[Recorded]:
    """Yield the events among the first lines of a file; without any, it is not a recording.

    Raises:
        OSError: the file cannot be read.
    """
    for line in itertools.islice(read(path), _FIRST):
        if isinstance(line.event, Recorded):
            yield line.event
