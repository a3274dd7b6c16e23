"""Makes text of servers and proxies safe to show, such as a close reason or the name of an event. Pure.

Used wherever people read it: exception messages, log lines, `Client.explain`, `Client.health`, reprs and the command.
Data for programs (attributes of errors, arguments of handlers) is not changed.
"""

from __future__ import annotations

__all__ = ["LINE_LIMIT", "sanitize_block", "sanitize_line"]

#: characters of a line
LINE_LIMIT = 240


def sanitize_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Return `text` as a single printable line of at most `limit` characters.

    White space of any kind, including line and paragraph separators, becomes single spaces. Every other character that
    is not printable becomes ``?``: control characters (C0 and C1), bidirectional controls, zero-width characters, lone
    surrogates, and unassigned code points. A longer text is cut and ends in ``…``.
    """
    text = text.strip()
    head = text[: 8 * limit]  # enough for a line; the text may be a whole message of the server
    line = " ".join(head.split())
    if not line.isprintable():
        line = "".join(character if character.isprintable() else "?" for character in line)
    if len(line) <= limit and len(head) == len(text):
        return line
    return f"{line[: max(limit - 1, 0)]}…"


def sanitize_block(text: str) -> str:
    """Return `text` with its line feeds, tabs and spaces kept, and every other unprintable character as ``?``."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in text)
