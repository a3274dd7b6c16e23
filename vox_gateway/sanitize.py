"""Makes text that others wrote safe to show: a server's close reason, a proxy's answer, an event's name. Pure.

Used on every way out to people: exception texts, log lines, `Client.explain`, `Client.health`, reprs and the command.
Data that goes to programs (attributes of errors, what handlers are given) stays as it came.
"""

from __future__ import annotations

__all__ = ["LINE_LIMIT", "sanitize_block", "sanitize_line"]

#: characters of a line
LINE_LIMIT = 240


def sanitize_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Return `text` as one printable line of at most `limit` characters.

    White space of any kind, line and paragraph separators included, becomes single spaces. Every other character that
    is not printable becomes ``?``: control characters (C0 and C1), bidirectional controls, zero-width characters, lone
    surrogates, and what Unicode has not assigned. A longer text ends in ``…``.
    """
    text = text.strip()
    head = text[: 8 * limit]  # enough for a line; a text may be a whole message of the server's
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
