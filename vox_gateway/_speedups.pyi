# The optional module in C. `dispatch_usual` is a part of `Dispatcher`'s loop. Each other function is called through
# `extension.accelerated`, and returns NotImplemented where the Python function of the same name has to do the work.

from collections.abc import Iterator
from types import NotImplementedType
from typing import Any

__version__: str

def cut(block: bytes, count: int, /) -> list[bytes] | NotImplementedType | None: ...
def decode_all(
    block: bytes, count: int, max_size: int, id_lists: frozenset[str], /
) -> list[Any] | NotImplementedType: ...
def dispatch_usual(parts: tuple[Any, ...], rest: Iterator[Any], /) -> Any: ...
def whole_messages(data: bytes, position: int, max_size: int, /) -> tuple[list[bytes], int] | NotImplementedType: ...
