"""The warning of a command that the gateway refuses to answer. No socket."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from vox_gateway.event import Event
from vox_gateway.log import ShardLog
from vox_gateway.requests.rate_limits import RateLimitWarning


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"opcode": 8, "retry_after": 29.96, "meta": {"guild_id": "41", "nonce": "n"}},
            "the gateway does not answer REQUEST_GUILD_MEMBERS for guild 41 for 30.0 seconds: it was sent too often",
        ),
        ({"opcode": 99, "retry_after": 1}, "the gateway does not answer op 99 for 1.0 seconds: it was sent too often"),
        ({"opcode": 1 << 70, "meta": {"guild_id": []}}, f"the gateway does not answer op {1 << 70}: it was"),
        (
            {"opcode": True, "meta": 5, "retry_after": "x"},
            "the gateway does not answer a command: it was sent too often",
        ),
        (None, "the gateway does not answer a command: it was sent too often"),
    ],
)
def test_a_refusal_is_logged_with_guild_and_seconds(data: Any, words: str, caplog: pytest.LogCaptureFixture) -> None:
    RateLimitWarning(ShardLog((0, 1))).receive(Event("RATE_LIMITED", data, 1, 0))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert words in record.getMessage()
