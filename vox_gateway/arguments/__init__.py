"""The arguments of clients and of their methods: what is checked, and the defaults that several signatures show.

In: an argument as the program gave it. Out: a value that can be used, or an error that names the argument.
"""

from __future__ import annotations

__all__: list[str] = []
