"""Opcodes, close codes, and the errors of those that are final."""

from __future__ import annotations

import pytest

from vox_gateway import errors
from vox_gateway.opcodes import OPCODES, CloseCode, Opcode, Remedy, fatal_error, remedy_for

FATAL = {
    4004: errors.AuthenticationFailed,
    4010: errors.InvalidShard,
    4011: errors.ShardingRequired,
    4012: errors.InvalidVersion,
    4013: errors.InvalidIntents,
    4014: errors.DisallowedIntents,
}


def test_opcodes_can_be_looked_up_both_ways() -> None:
    assert OPCODES[10] == "HELLO"
    assert OPCODES["HELLO"] == 10
    assert len(OPCODES) == 2 * len(Opcode) == 26


@pytest.mark.parametrize("code", CloseCode)
def test_each_close_code_knows_its_remedy(code: CloseCode) -> None:
    if code in FATAL:
        assert code.remedy is Remedy.FATAL
    elif code in (4003, 4005, 4007, 4009):
        assert code.remedy is Remedy.NEW_SESSION
    else:
        assert code.remedy is Remedy.RESUME


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 3000, 4015, 4999])
def test_every_other_end_is_resumed(code: int | None) -> None:
    assert remedy_for(code) is Remedy.RESUME


@pytest.mark.parametrize(("code", "kind"), FATAL.items())
def test_a_final_code_has_an_error_that_says_what_to_do(code: int, kind: type[errors.ConnectionClosed]) -> None:
    error = fatal_error(code, "because")
    assert type(error) is kind
    assert (error.code, error.reason) == (code, "because")
    assert str(code) in str(error)
    assert "because" in str(error)
    assert kind.advice in str(error)
    assert f"{code}: " in str(fatal_error(code, ""))


def test_every_error_is_a_gateway_error() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(kind, errors.GatewayError) for kind in kinds)
    assert issubclass(errors.CommandTimeout, TimeoutError)
    assert issubclass(errors.PayloadTooLarge, ValueError)
    assert issubclass(errors.AlreadyConnected, RuntimeError)
