"""Recordings taken up again: their files in order, and their lines, broken ones too."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import BrokenLine, Recorded, parse
from .rotation import rotated

__all__ = ["Line", "beginning", "in_order", "merged", "read"]

#: lines that are looked at to tell what a file is
_FIRST = 100


class Line(NamedTuple):
    """One line of a recording.

    Attributes:
        path, number: where it stands; the first is 1.
        size: bytes.
        event: what it holds; None for a last line that was cut short, as by a kill; or why it is broken.
    """

    path: Path
    number: int
    size: int
    event: Recorded | BrokenLine | None


def in_order(paths: Iterable[Path]) -> list[list[Path]]:
    """The files of each recording, oldest first: those that are given, and beside ``FILE`` all of ``FILE.N``.

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
    """The lines of all recordings, by their times, as one shard's happen beside another's.

    Raises:
        OSError: a file cannot be read.
    """
    timed = (_timed(itertools.chain.from_iterable(map(read, files))) for files in recordings)
    return (line for _, line in heapq.merge(*timed, key=lambda pair: pair[0]))


def _timed(lines: Iterable[Line]) -> Iterator[tuple[float, Line]]:
    """With each line its time; one that has none comes right after the one before it."""
    time = 0.0
    for line in lines:
        if isinstance(line.event, Recorded):
            time = line.event.time
        yield time, line


def read(path: Path) -> Iterator[Line]:
    """The lines of a file.

    Raises:
        OSError: it cannot be read.
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
    """The events among the first lines of a file; what has none there is no recording.

    Raises:
        OSError: it cannot be read.
    """
    for line in itertools.islice(read(path), _FIRST):
        if isinstance(line.event, Recorded):
            yield line.event
