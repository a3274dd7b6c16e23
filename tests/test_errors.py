"""Each error has a printable message and its data on attributes, and survives a copy and a pickle."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vox_gateway import errors
from vox_gateway.coordination.interface import LeaseLost
from vox_gateway.errors import ConnectionClosed, GatewayError
from vox_gateway.opcodes import CloseCode, fatal_error

NASTY = "bye\r\n\x1b[31m\x9b2J\u202eevil\u2028\ud800"
CLEAN = "bye ?[31m?2J?evil ?"
TOKEN_ADVICE = "the token is not valid; copy the bot's token again from the developer portal"

#: for each class the arguments of an example and its message
EXAMPLES: dict[type[GatewayError], tuple[tuple[Any, ...], str]] = {
    errors.GatewayError: (("it went wrong",), "it went wrong"),
    errors.AlreadyConnected: (("call close() first",), "call close() first"),
    errors.NotConnected: (("call connect() first",), "call connect() first"),
    errors.ReshardFailed: (("2 session starts remain",), "2 session starts remain"),
    errors.CoordinationFailed: (("no answer",), "no answer"),
    LeaseLost: (("shard 3 belongs to node b",), "shard 3 belongs to node b"),
    errors.CommandTimeout: (("not sent",), "not sent"),
    errors.StreamEnded: (("the stream is over",), "the stream is over"),
    errors.ThreadFailed: (
        ("vox_gateway-0/1-reader", SystemExit(3)),
        "the thread vox_gateway-0/1-reader failed with SystemExit(3): see the log for where; connect() resumes",
    ),
    errors.RateLimited: (
        ("the members of guild 1", 2.5),
        "the gateway will not send the members of guild 1 for 2.5 seconds: requested too often",
    ),
    errors.PayloadTooLarge: (
        ("PRESENCE_UPDATE", 5000, 4096),
        "PRESENCE_UPDATE is 5000 bytes when encoded and the gateway takes at most 4096: send less in one command",
    ),
    errors.MissingExtra: (
        ("a SOCKS proxy", "socks"),
        'a SOCKS proxy needs an optional package: pip install "vox-gateway[socks]"',
    ),
    errors.ConnectFailed: (("no route", 3.0), "no route"),
    errors.UpgradeRefused: (("refused", 503, 4.0), "refused"),
    errors.DiscoveryFailed: (("too many", 429, 5.0), "too many"),
    errors.CertificateInvalid: (("it does not verify",), "it does not verify"),
    errors.ConnectionLost: (("reset",), "reset"),
    errors.ProtocolViolation: (("a rule was broken", 1007), "a rule was broken"),
    errors.DecodeError: (("not JSON", 4002), "not JSON"),
    errors.InflateError: (("not zlib",), "not zlib"),
    errors.ConnectionClosed: (
        (4999, "no"),
        "the gateway closed the connection with 4999 (no): fix what the reason names, then call connect() again",
    ),
    errors.AuthenticationFailed: (
        (4004, "Authentication failed."),
        f"the gateway closed the connection with 4004 (Authentication failed.): {TOKEN_ADVICE}",
    ),
    errors.TokenRefused: (
        ("discord.com",),
        f"discord.com refused the token with HTTP 401: {TOKEN_ADVICE}",
    ),
    **{
        type(error): ((error.code, "x"), f"the gateway closed the connection with {error.code} (x): {error.advice}")
        for error in (fatal_error(code, "x") for code in range(4010, 4015))
    },
}


def tree(root: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("vox_gateway"):
            yield from tree(child)


def attributes(error: BaseException) -> dict[str, Any]:
    """Return the public attributes of an error that are not methods."""
    names = [name for name in dir(error) if not name.startswith("_") and hasattr(error, name)]
    return {name: getattr(error, name) for name in names if not callable(getattr(error, name))}


CLASSES = sorted(set(tree()), key=lambda kind: kind.__name__)
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle{protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_message_says_what_happened_and_what_to_do(kind: type[GatewayError]) -> None:
    args, message = EXAMPLES[kind]  # a new class needs an example
    assert str(kind(*args)) == message


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_an_error_survives_a_copy(kind: type[GatewayError], copied: Callable[[Any], Any]) -> None:
    args, message = EXAMPLES[kind]
    error = kind(*args)
    error.request = 5  # type: ignore[attr-defined]
    twin = copied(copied(error))
    assert type(twin) is kind
    assert str(twin) == message
    assert repr(twin) == repr(error)
    assert repr(attributes(twin)) == repr(attributes(error)), "exceptions are never equal, their reprs are"


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_keeps_its_arguments(kind: type[GatewayError]) -> None:
    args, _ = EXAMPLES[kind]
    error = kind(*args)
    assert error.args[: len(args)] == args
    assert kind(*error.args).args == error.args


@pytest.mark.parametrize("kind", CLASSES)
def test_a_message_is_one_printable_line_and_the_arguments_are_unchanged(kind: type[GatewayError]) -> None:
    args, _ = EXAMPLES[kind]
    nasty = tuple(NASTY if isinstance(arg, str) else arg for arg in args)
    error = kind(*nasty)
    assert CLEAN in str(error)
    assert str(error).isprintable()
    assert repr(error).isprintable()
    assert error.args[: len(nasty)] == nasty


def test_data_is_on_attributes() -> None:
    closed = fatal_error(4014, NASTY)
    assert (closed.code, closed.reason) == (4014, NASTY)
    limited = errors.RateLimited("the members", 2.5)
    assert (limited.what, limited.retry_after) == ("the members", 2.5)
    large = errors.PayloadTooLarge("IDENTIFY", 5000, 4096)
    assert (large.command, large.size, large.limit) == ("IDENTIFY", 5000, 4096)
    missing = errors.MissingExtra("a thing", "speed")
    assert (missing.what, missing.extra, missing.msg) == ("a thing", "speed", str(missing))
    refused = errors.UpgradeRefused("no", 429, 4.0)
    assert (refused.status, refused.retry_after, refused.permanent) == (429, 4.0, False)
    undiscovered = errors.DiscoveryFailed("no", 404)
    assert (undiscovered.status, undiscovered.retry_after, undiscovered.permanent) == (404, None, True)
    token = errors.TokenRefused("discord.com")
    assert (token.code, token.reason, token.status, token.host) == (4004, "401: Unauthorized", 401, "discord.com")
    violations = errors.ProtocolViolation, errors.DecodeError, errors.InflateError
    assert [kind("x").close_code for kind in violations] == [1002, 4000, 4000]
    assert [kind("x", 1009).close_code for kind in violations] == [1009, 1009, 1009]
    assert errors.CommandTimeout("late").errno is None
    assert limited.errno is None, "not an error of the operating system"


def test_a_reason_is_optional() -> None:
    assert "with 4004: the token" in str(fatal_error(CloseCode.AUTHENTICATION_FAILED, ""))
    assert ConnectionClosed(4999).reason == ""


def test_an_error_without_arguments_has_an_empty_message() -> None:
    assert str(GatewayError()) == ""


def test_a_long_message_is_cut() -> None:
    error = errors.ConnectionLost("x" * 100_000)
    assert len(str(error)) == errors.MAX_MESSAGE
    assert len(error.args[0]) == 100_000


def test_the_errors_of_large_bots_name_their_limits() -> None:
    assert "10,000 users" in str(errors.DisallowedIntents(4014))
    assert "a multiple of the count that Discord assigned" in str(errors.InvalidShard(4010))
