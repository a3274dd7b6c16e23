"""Every argument of the client is checked at once, by name."""

from __future__ import annotations

import math
import ssl
from typing import Any, Literal

import pytest

from vox_gateway import Capabilities, Client, IdentifyGate, Intents, MissingExtra
from vox_gateway.arguments.defaults import DEFAULT_PROPERTIES


def careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def reckless() -> ssl.SSLContext:
    context = careless()
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("url", "https://x", ValueError),
        ("url", 5, TypeError),
        ("port", "80", TypeError),
        ("port", 0, ValueError),
        ("encoding", "xml", ValueError),
        ("encoding", None, TypeError),
        ("compress", "gzip", ValueError),
        ("compress", 1, TypeError),
        ("shard", (1, 1), ValueError),
        ("shard", 5, TypeError),
        ("properties", {}, ValueError),
        ("large_threshold", 10, ValueError),
        ("presence", {"status": "away"}, ValueError),
        ("presence", "online", TypeError),
        ("presence", {"activities": [{"name": "x" * 5000, "type": 0}]}, ValueError),
        ("presence", {"activities": [{"name": "\ud800", "type": 0}]}, ValueError),
        ("presence", {"activities": [{"name": "x", "type": 0, "state": {1}}]}, TypeError),
        ("properties", {"os": "\ud800", "browser": "", "device": ""}, ValueError),
        ("intents", "all", TypeError),
        ("capabilities", None, TypeError),
        ("capabilities", -1, ValueError),
        ("capabilities", 1 << 53, ValueError),
        ("proxy", 5, TypeError),
        ("proxy", "ftp://x", ValueError),
        ("proxy", "http://", ValueError),
        ("proxy", "http://x:99999", ValueError),
        ("ssl_context", True, TypeError),
        ("ssl_context", careless(), ValueError),
        ("ssl_context", reckless(), ValueError),
        ("connect_timeout", 0, ValueError),
        ("connect_timeout", math.inf, ValueError),
        ("connect_timeout", "5", TypeError),
        ("slow_handler_warning", -1, ValueError),
        ("slow_handler_warning", None, TypeError),
        ("backlog", 0, ValueError),
        ("backlog", 1.5, TypeError),
        ("backlog_bytes", 0, ValueError),
        ("backlog_bytes", "64 MiB", TypeError),
        ("max_message_size", 100, ValueError),
        ("identify_gate", object(), TypeError),
        ("url", "wss://host/?v=ten", ValueError),
    ],
)
def test_what_cannot_be_used_is_refused(argument: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=argument):
        Client(token="secret", **{argument: value})


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(TypeError, match="intent"):
        Client(token="t", intent=5)  # type: ignore[call-arg]


def test_the_token_is_nowhere_to_be_seen() -> None:
    client = Client(token="se-cr-et")
    assert "se-cr-et" not in repr(client) + str(client) + repr(client._options)
    with pytest.raises(ValueError, match="token"):
        Client(token="se cr et")


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_no_error_behind_the_error_holds_the_token(encoding: Literal["json", "etf"]) -> None:
    with pytest.raises(ValueError, match="lone surrogate") as raised:
        Client(token="se-cr-et", encoding=encoding, presence={"activities": [{"name": "\ud800", "type": 0}]})
    error: BaseException | None = raised.value
    while error is not None:
        assert "se-cr-et" not in repr(error)
        error = error.__cause__ or error.__context__


def test_the_defaults_are_what_the_table_says() -> None:
    options = Client(token="t")._options
    assert options.intents == Intents.default()
    assert options.shard == (0, 1)
    assert options.compress == "zlib-stream"
    assert options.properties == dict(DEFAULT_PROPERTIES)
    assert options.network.ssl_context.check_hostname
    assert options.network.ssl_context is Client(token="u")._options.network.ssl_context
    assert options.identify_gate is Client(token="t", shard=(1, 2))._options.identify_gate
    gate = IdentifyGate()
    assert Client(token="t", identify_gate=gate)._options.identify_gate is gate
    assert Client(token="t", compress=False)._options.compress is None


def test_payload_compression_is_asked_for_in_identify_and_needs_json() -> None:
    options = Client(token="t", compress="payload")._options
    assert options.transport_compression is None
    assert options.identify(None)["compress"] is True
    assert "compress" not in Client(token="t")._options.identify(None)
    with pytest.raises(ValueError, match=r"compress='payload' needs encoding='json', not 'etf'"):
        Client(token="t", compress="payload", encoding="etf")


def test_capabilities_are_kept_also_if_they_are_not_known_yet() -> None:
    assert "capabilities" not in Client(token="t")._options.identify(None)
    wanted = Capabilities.CHANNEL_OBFUSCATION | 1 << 40
    assert Client(token="t", capabilities=wanted)._options.identify(None)["capabilities"] == 1 << 15 | 1 << 40


def test_the_originals_constants_are_there() -> None:
    assert Client.OPCODES["HEARTBEAT"] == 1
    assert Client.OPCODES[1] == "HEARTBEAT"
    assert Client.GATEWAY_VERSION == 10
    assert Client.LOGGER.name == "vox_gateway"
    assert set(Client.DEFAULT_PROPERTIES) == {"os", "browser", "device"}
    assert Client.Session(id="x", seq=1).resumable


def test_a_proxy_of_the_socks_kind_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "python_socks", None)
    with pytest.raises(MissingExtra, match=r"vox-gateway\[socks\]") as raised:
        Client(token="t", proxy="socks5://localhost")
    assert isinstance(raised.value, ImportError)
