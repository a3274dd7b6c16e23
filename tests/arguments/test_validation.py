"""Each check of an argument keeps what is usable, and refuses the rest with the argument's name."""

from __future__ import annotations

import math
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway import Intents, Opcode
from vox_gateway.arguments.validation import (
    check_choice,
    check_code,
    check_count,
    check_event,
    check_intents,
    check_large_threshold,
    check_op,
    check_overflow,
    check_port,
    check_predicate,
    check_properties,
    check_reason,
    check_seconds,
    check_session_file,
    check_shard,
    check_ssl_context,
    check_timeout,
    check_token,
)

PROPERTIES = {"os": "x", "browser": "y", "device": "z"}


async def accept_later(data: object) -> bool:
    return True


def check_limit(value: object) -> int:
    return check_count("limit", value, 2)


def check_delay(value: object) -> float:
    return check_seconds("delay", value)


def check_color(value: object) -> str:
    return check_choice("color", value, ("red", "blue"))


@pytest.mark.parametrize("given", [1e7, threading.TIMEOUT_MAX, 1e300, pytest.param(10**400, id="huge")])
def test_a_delay_is_no_longer_than_can_be_waited(given: Any) -> None:
    assert check_delay(given) * 1000 < 1 << 31  # the milliseconds that poll takes


@pytest.mark.parametrize(
    ("given", "kept"),
    [(None, None), (0, 0.0), (1.5, 1.5), (math.inf, threading.TIMEOUT_MAX), (10**400, threading.TIMEOUT_MAX)],
)
def test_a_timeout_is_no_longer_than_can_be_waited(given: Any, kept: float | None) -> None:
    assert check_timeout(given) == kept


@pytest.mark.parametrize(
    ("check", "value", "kept"),
    [
        (check_limit, 2, 2),
        (check_delay, 1, 1.0),
        (check_delay, 0.5, 0.5),
        (check_color, "blue", "blue"),
        (check_op, "PRESENCE_UPDATE", 3),
        (check_op, 3, 3),
        (check_op, 99, 99),
        (check_event, "MESSAGE_CREATE", "MESSAGE_CREATE"),
        (check_predicate, None, None),
        (check_predicate, print, print),
        (check_overflow, "block", "block"),
        (check_reason, None, ""),
        (check_reason, "ü" * 61, "ü" * 61),
        (check_code, 1000, 1000),
        (check_code, 1001, 1001),
        (check_code, 3000, 3000),
        (check_code, 4999, 4999),
        (check_port, None, None),
        (check_port, 1, 1),
        (check_port, 65535, 65535),
        (check_shard, [1, 2], (1, 2)),
        (check_large_threshold, None, None),
        (check_large_threshold, 50, 50),
        (check_large_threshold, 250, 250),
        (check_properties, PROPERTIES, PROPERTIES),
        (check_intents, None, Intents.default()),
        (check_intents, 513, Intents.GUILDS | Intents.GUILD_MESSAGES),
        (check_ssl_context, None, None),
        (check_session_file, None, None),
    ],
)
def test_a_usable_argument_is_kept(check: Any, value: Any, kept: Any) -> None:
    assert check(value) == kept


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (check_limit, 2.0, "limit must be a whole number, not 2.0"),
        (check_limit, True, "limit must be a whole number, not True"),
        (check_delay, "1", "delay must be a number of seconds, not '1'"),
        (check_delay, True, "delay must be a number of seconds, not True"),
        (check_timeout, True, "timeout must be a number of seconds or None, not True"),
        (check_op, 1.0, "op_code must be an opcode's number or name, not 1.0"),
        (check_op, True, "op_code must be an opcode's number or name, not True"),
        (check_event, 7, "names must be text"),
        (check_predicate, 7, "check must be a function or None, not 7"),
        (check_predicate, accept_later, "check must be a plain function, not an async function or a generator: <"),
        (check_reason, b"x", "reason must be text or None"),
        (check_code, "1000", "code must be a close code"),
        (check_code, True, "code must be a close code"),
        (check_port, "80", "port must be a number from 1 to 65535, or None for the URL's own, not '80'"),
        (check_port, True, "port must be a number"),
        (check_shard, (0, 1, 2), "shard must be two whole numbers"),
        (check_shard, "01", "shard must be two whole numbers"),
        (check_shard, (0, True), "shard must be two whole numbers"),
        (check_large_threshold, "50", "large_threshold must be a whole number from 50 to 250 or None"),
        (check_properties, "x", "properties must be a mapping"),
        (check_properties, {**PROPERTIES, "os": 1}, "not 'os' to 1"),
        (check_intents, "1", "intents must be an Intents or its number, not '1'"),
        (check_intents, True, "intents must be"),
        (check_intents, 1.0, "intents must be"),
        (check_token, None, "token must be a string, not NoneType"),
        (check_ssl_context, True, "ssl_context must be an ssl.SSLContext or None"),
        (check_session_file, 5, "session_file must be a path, a SessionStore or None, not 5"),
        (check_session_file, b"session", "session_file must be a path"),
    ],
)
def test_an_argument_of_another_type_is_refused(check: Any, value: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        check(value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (check_limit, 1, "limit must be 2 or more, not 1"),
        (check_delay, 0, "delay must be more than 0 seconds and finite, not 0"),
        (check_delay, math.inf, "delay must be more than 0 seconds and finite, not inf"),
        (check_delay, math.nan, "not nan"),
        (check_timeout, -1, "timeout must be 0 or more seconds, not -1"),
        (check_timeout, math.nan, "timeout must be 0 or more seconds, not nan"),
        (check_timeout, -(10**400), "timeout must be 0 or more seconds"),
        (check_color, "green", "color must be one of 'red', 'blue', not 'green'"),
        (check_color, ["red"], "color must be one of 'red', 'blue', not ['red']"),
        (check_op, "JUMP", "op_code must be an opcode's number or name, not 'JUMP'"),
        (check_op, Opcode.IDENTIFY, "op_code must not be IDENTIFY: the client sends it by itself"),
        (check_op, "HELLO", "op_code must not be HELLO: it is only received"),
        (check_event, "error", "no event brings it"),
        (check_overflow, "wait", "overflow must be one of 'drop', 'block', not 'wait'"),
        (check_reason, "a\ud800", "reason must not hold the lone surrogate"),
        (check_reason, "ü" * 62, "reason must be at most 123 bytes, not 124"),
        (check_code, 1002, "code must be 1000, 1001, or from 3000 to 4999, not 1002"),
        (check_code, 5000, "not 5000"),
        (check_port, 0, "port must be from 1 to 65535, not 0"),
        (check_port, 65536, "port must be from 1 to 65535, not 65536"),
        (check_shard, (0, 0), "shard must be (id, count) with 0 <= id < count, not (0, 0)"),
        (check_shard, (2, 2), "shard must be"),
        (check_shard, (-1, 2), "shard must be"),
        (check_large_threshold, 49, "large_threshold must be from 50 to 250, not 49"),
        (check_large_threshold, 251, "large_threshold must be from 50 to 250, not 251"),
        (check_properties, {**PROPERTIES, "$os": "x"}, "properties must hold 'os' instead of '$os'"),
        (check_properties, {"os": "x"}, "properties must hold os, browser, device; browser, device is missing"),
        (check_intents, -1, "intents must be from 0 to 2**53 - 1, not -1"),
        (check_intents, 1 << 53, "intents must be from 0 to 2**53 - 1"),
        (check_token, " ", "token must not be empty"),
        (check_token, "Bot ", "token must not be empty"),
        (check_token, "x" * 5000, "token must have at most 1000 characters, not 5000: copy it again"),
        (check_ssl_context, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "ssl_context must verify certificates"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(check: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match="must") as raised:
        check(value)
    assert message in str(raised.value)


@given(st.integers(0, (1 << 53) - 1))
def test_bits_of_intents_that_are_not_known_yet_are_kept(bits: int) -> None:
    assert int(check_intents(bits)) == bits


@pytest.mark.parametrize("token", ["abc", " abc\n", "Bot abc", "  Bot  abc"])
def test_a_token_loses_its_prefix(token: str) -> None:
    assert check_token(token) == "abc"


@pytest.mark.parametrize("token", ["se cret", "se\ncret", "secrét", "se\x00cret"])
def test_a_bad_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token") as raised:
        check_token(token)
    assert "cr" not in str(raised.value)


def test_a_verifying_ssl_context_is_kept() -> None:
    context = ssl.create_default_context()
    assert check_ssl_context(context) is context


def test_the_path_of_a_session_file_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_session_file("session") == tmp_path / "session"
    with pytest.raises(ValueError, match="session_file must be the path of a file"):
        check_session_file(tmp_path)
    with pytest.raises(ValueError, match="is in a folder that does not exist: make it first"):
        check_session_file(tmp_path / "missing" / "session")
