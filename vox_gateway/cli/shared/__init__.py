"""Code shared by the commands: arguments, exit codes, and output to a terminal or a pipe."""

from __future__ import annotations

__all__: list[str] = []
