"""What the client's methods ask of their arguments."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from vox_gateway import Opcode
from vox_gateway.validation import check_code, check_event, check_op, check_overflow, check_reason, check_timeout


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, None), (0, 0.0), (1.5, 1.5), (float("inf"), threading.TIMEOUT_MAX), (10**400, threading.TIMEOUT_MAX)],
)
def test_a_timeout_is_no_longer_than_can_be_waited(given: Any, kept: float | None) -> None:
    assert check_timeout(given) == kept


@pytest.mark.parametrize("timeout", [-1, float("nan"), -(10**400)])
def test_a_timeout_that_cannot_be_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be 0 or more seconds, not "):
        check_timeout(timeout)


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (check_timeout, True, "timeout must be a number of seconds or None, not True"),
        (check_op, 1.0, "op_code must be an opcode's number or name, not 1.0"),
        (check_op, True, "op_code must be an opcode's number or name, not True"),
        (check_event, 7, "names must be text"),
        (check_reason, b"x", "reason must be text or None"),
        (check_code, "1000", "code must be a close code"),
        (check_code, True, "code must be a close code"),
    ],
)
def test_what_is_of_another_type_is_refused(check: Any, value: Any, words: str) -> None:
    with pytest.raises(TypeError) as raised:
        check(value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (check_op, "JUMP", "'JUMP' is no opcode's name"),
        (check_op, Opcode.IDENTIFY, "op_code must not be IDENTIFY: the client sends it by itself"),
        (check_op, "HELLO", "op_code must not be HELLO: it is only received"),
        (check_event, "error", "no event brings it"),
        (check_overflow, "wait", "overflow must be one of 'drop', 'block', not 'wait'"),
        (check_reason, "\u00fc" * 62, "reason must be 123 bytes at the most, not 124"),
        (check_code, 1002, "code must be 1000, 1001, or from 3000 to 4999, not 1002"),
        (check_code, 5000, "not 5000"),
    ],
)
def test_what_cannot_be_is_refused(check: Any, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match="must") as raised:
        check(value)
    assert words in str(raised.value)


def test_what_can_be_is_kept() -> None:
    assert check_op("PRESENCE_UPDATE") == check_op(3) == 3
    assert check_op(99) == 99
    assert check_overflow("block") == "block"
    assert check_reason(None) == ""
    assert check_reason("\u00fc" * 61) == "\u00fc" * 61
    assert [check_code(code) for code in (1000, 1001, 3000, 4999)] == [1000, 1001, 3000, 4999]
