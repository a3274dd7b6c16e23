"""Text that others wrote, made safe to show."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.sanitize import LINE_LIMIT, sanitize_block, sanitize_line

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=600)  # lone surrogates too


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("going away", "going away"),
        ("größer 漢字 👍", "größer 漢字 👍"),
        ("  a \t b\r\nc  ", "a b c"),
        ("a\u2028b\u2029c\x85d\xa0e\x0bf", "a b c d e f"),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
        ("\x9b31mred", "?31mred"),
        ("\x00\x07\x08\x7f", "????"),
        ("abc\u202edcba\u2066x\u2069", "abc?dcba?x?"),
        ("a\u200bb\u200dc\ufeffd\xade", "a?b?c?d?e"),
        ("a\ud800b\udfff", "a?b?"),
        ("a\ue000b\U000e0041c\u0378d", "a?b?c?d"),
    ],
)
def test_a_line_is_printable(text: str, line: str) -> None:
    assert sanitize_line(text) == line


def test_a_line_is_cut_where_it_is_too_long() -> None:
    assert sanitize_line("x" * LINE_LIMIT) == "x" * LINE_LIMIT
    assert sanitize_line("x" * (LINE_LIMIT + 1)) == "x" * (LINE_LIMIT - 1) + "…"
    assert sanitize_line("abcdef", 4) == "abc…"
    assert sanitize_line("abcd", 4) == "abcd"
    assert sanitize_line("a\n\n\nb", 3) == "a b"
    assert sanitize_line("a" + " " * 1_000_000 + "b", 10).endswith("…")


def test_white_space_before_a_text_does_not_hide_it() -> None:
    assert sanitize_line(" " * 1_000_000 + "a", 10) == "a"


@given(ANY_TEXT, st.integers(1, 300))
def test_whatever_the_text_the_line_can_be_written_anywhere(text: str, limit: int) -> None:
    line = sanitize_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    line.encode()
    assert sanitize_line(line, limit) == line


def test_every_character_of_unicode_becomes_printable() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert sanitize_line(everything, len(everything)).isprintable()


@given(ANY_TEXT)
def test_a_block_keeps_its_lines(text: str) -> None:
    block = sanitize_block(text)
    assert len(block) == len(text)
    assert block.count("\n") == text.count("\n")
    assert block.replace("\n", "").replace("\t", "").isprintable()
    assert sanitize_block("a\n\t b\x1b[1m\u202e\r\n") == "a\n\t b?[1m??\n"
