"""Close a running gateway in a forked child process; it keeps running in the parent.

The child has copies of the gateway's descriptors but not its thread. An epoll descriptor is shared with the parent:
unregistering a socket in the child would unregister it in the parent too. So the child only closes its copies.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Target = TypeVar("Target")

# Any thread adds; only a child reads, which has a single thread.
_actions: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def in_child(target: Target, action: Callable[[Target], None]) -> None:
    """Call `action` with `target` in forked children. It must not take a lock."""
    _actions[target] = action


def _after_fork() -> None:
    for target, action in list(_actions.items()):
        action(target)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
