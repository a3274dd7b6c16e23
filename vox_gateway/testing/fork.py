"""What becomes of a gateway in a child process that was forked while it ran: it stays with the parent.

The child has copies of the gateway's descriptors, and none of its thread. Some are shared in earnest: what the child
took out of the selector, the parent would wait for no longer; so the child closes its copies, and does nothing else.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Thing = TypeVar("Thing")

# Any thread adds; it is read in a child only, which has no other thread.
_actions: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def in_child(thing: Thing, action: Callable[[Thing], None]) -> None:
    """Have a child call `action`, which takes no lock, with `thing`."""
    _actions[thing] = action


def _after_fork() -> None:
    for thing, action in list(_actions.items()):
        action(thing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
