"""All encodings and compressions of the local gateway, with an independent client."""

from __future__ import annotations

import json
import math
import tracemalloc
import zlib
from typing import Any

import pytest
from foreign_client import Client, OpenClient
from foreign_formats import ETF, FORMATS, needs_zstd, query, zstd
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from vox_gateway.errors import DecodeError
from vox_gateway.testing import LocalGateway
from vox_gateway.testing.protocol import wire

AWKWARD: dict[str, Any] = {
    "none": None,
    "yes": True,
    "no": False,
    "integers": [0, -1, 255, 256, 2**31, -(2**31) - 1, 2**63 + 5, -(2**64), 10**700],
    "bytes": [104, 105],
    "floats": [0.0, -2.25, 1e300, 5e-324],
    "text": ["", "nil", "true", "é", "\u0000", "\u2028", "🦆", "\U0010ffff", "x" * 70_000],
    "": "an empty key",
    "nil": "a key that could be an atom",
    "ключ": {"🦆": [[], {}, [[]], [{}]]},
}
HEAD = b"\x83t\x00\x00\x00\x04"


def login(gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str | None) -> Client:
    client = open_client(gateway, query(encoding, compress))
    client.login(compress=compress == "payload")
    return client


def same(left: Any, right: Any) -> bool:
    """Return whether both are equal and of the same types at every level."""
    return repr(left) == repr(right)


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
def test_events_arrive_complete_before_and_after_a_resume(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str | None
) -> None:
    client = login(gateway, open_client, encoding, compress)
    gateway.dispatch("AWKWARD", AWKWARD)
    event = client.recv()
    assert (event["op"], event["t"], event["s"]) == (0, "AWKWARD", 4)
    assert same(event["d"], AWKWARD)
    gateway.drop("reset")
    for value in AWKWARD.values():
        gateway.dispatch("AWKWARD", value)
    again = open_client(gateway, query(encoding, compress))
    again.resume(client)
    assert all(same(again.recv()["d"], value) for value in AWKWARD.values())
    assert again.recv()["t"] == "RESUMED"
    again.send(1, again.seq)
    assert again.recv() == {"t": None, "s": None, "op": 11, "d": None}
    assert gateway.expect("HEARTBEAT").data == 5 + len(AWKWARD)
    assert {record.query.get("compress") for record in gateway.connections} == {
        compress if compress != "payload" else None
    }


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
@pytest.mark.parametrize("fault", ["fragment", "split_writes", "split_messages"])
def test_split_payloads_arrive_complete(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str | None, fault: str
) -> None:
    getattr(gateway.faults, fault)(3)
    client = login(gateway, open_client, encoding, compress)
    gateway.dispatch("USER_UPDATE", {"text": "🦆" * 50})
    assert client.recv()["d"] == {"text": "🦆" * 50}


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
def test_messages_are_fragmented_at_the_requested_size(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str | None
) -> None:
    client = login(gateway, open_client, encoding, compress)
    gateway.faults.fragment(7)
    gateway.dispatch("USER_UPDATE", {"numbers": list(range(1000))})
    assert isinstance(client.websocket, ClientConnection)
    pieces = list(client.websocket.recv_streaming())
    assert len(pieces) > 10
    assert {len(piece) for piece in pieces[:-1]} == {7}
    kind = str if (encoding, compress) == ("json", None) else bytes
    assert {type(piece) for piece in pieces} == {kind}


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
def test_only_a_zlib_stream_spreads_a_payload_over_messages(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str | None
) -> None:
    client = login(gateway, open_client, encoding, compress)
    gateway.faults.split_messages(5)
    gateway.dispatch("USER_UPDATE", {"numbers": list(range(1000))})
    assert (len(client.websocket.recv(5)) == 5) is (compress == "zlib-stream")


def test_an_etf_payload_is_a_map_with_atom_keys(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway, query("etf", None), hello=False)
    assert client.websocket.recv(5) == (
        HEAD + b"w\x01tw\x03nilw\x01sw\x03nilw\x02opa\x0a"
        b"w\x01dt\x00\x00\x00\x01m\x00\x00\x00\x12heartbeat_intervalb\x00\x00\xa1\x22"
    )
    client.login()
    gateway.dispatch("X", [1])
    assert client.websocket.recv(5) == HEAD + b"w\x01tm\x00\x00\x00\x01Xw\x01sa\x04w\x02opa\x00w\x01dk\x00\x01\x01"


@pytest.mark.parametrize(
    "message",
    [
        HEAD[:-1] + b"\x02w\x02opa\x01w\x01dw\x03nil",  # atoms for keys
        b"\x83t\x00\x00\x00\x01m\x00\x00\x00\x02opa\x01a",
        b"\x83t\x00\x00\x00\x01m\x00\x00\x00\x02op",
        b"\x83j",
        b"\x83" + b"l\x00\x00\x00\x01" * 10_000,
        b'{"op":1,"d":null}',
        b"",
    ],
)
def test_an_invalid_etf_payload_is_closed_with_4002(
    gateway: LocalGateway, open_client: OpenClient, message: bytes
) -> None:
    client = open_client(gateway, query("etf", None))
    client.websocket.send(message)
    assert client.closed()[0] == 4002


@pytest.mark.parametrize("value", ["NaN", "1e999", '"\\ud800"', "9" * 5000, "[" * 100_000])
def test_json_that_cannot_be_encoded_again_is_closed_with_4002(
    gateway: LocalGateway, open_client: OpenClient, value: str
) -> None:
    client = open_client(gateway)
    client.websocket.send('{"op":1,"d":' + value + "}")
    assert client.closed()[0] == 4002


def test_a_session_may_resume_in_another_format(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = login(gateway, open_client, "json", "zlib-stream")
    gateway.drop()
    gateway.dispatch("AWKWARD", AWKWARD)
    again = open_client(gateway, query("etf", None))
    again.resume(client)
    assert same(again.recv()["d"], AWKWARD)
    assert again.recv()["t"] == "RESUMED"


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_transport_compression_turns_payload_compression_off(
    gateway: LocalGateway, open_client: OpenClient, encoding: str
) -> None:
    client = open_client(gateway, query(encoding, "zlib-stream"))
    client.login(compress=True)
    gateway.dispatch("USER_UPDATE", AWKWARD)
    assert same(client.recv()["d"], AWKWARD)


def test_etf_ignores_payload_compression(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway, query("etf", None))
    client.identify(compress=True)
    message = client.websocket.recv(5)
    assert isinstance(message, bytes)
    assert ETF.decode(message)["t"] == "READY"


def test_payload_compression_continues_after_a_resume(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = login(gateway, open_client, "json", "payload")
    gateway.drop()
    gateway.dispatch("LARGE", {"text": "x" * 1000})
    gateway.dispatch("SMALL", {})
    again = open_client(gateway)
    again.resume(client)
    large, small = again.websocket.recv(5), again.websocket.recv(5)
    assert isinstance(large, bytes)
    assert json.loads(zlib.decompress(large))["t"] == "LARGE"
    assert isinstance(small, str)
    assert json.loads(small)["t"] == "SMALL"


def test_zstd_without_its_package_is_refused_as_unknown_compression(
    gateway: LocalGateway, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {name: make for name, make in wire.COMPRESSIONS.items() if name != "zstd-stream"}
    monkeypatch.setattr(wire, "COMPRESSIONS", without)
    client = open_client(gateway, query("json", "zstd-stream"), hello=False)
    assert client.closed() == (4002, "invalid compress=zstd-stream: expected zlib-stream")


# -- events that cannot be dispatched --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["half \ud800", {"\ud800": 1}, math.nan, {1: 2}, object()])
def test_an_event_that_one_session_cannot_encode_is_sent_to_none(
    gateway: LocalGateway, open_client: OpenClient, value: Any
) -> None:
    clients = [login(gateway, open_client, encoding, None) for encoding in ("json", "etf")]
    with pytest.raises((TypeError, ValueError)):
        gateway.dispatch("BAD", {"value": value})
    with pytest.raises((TypeError, ValueError)):
        gateway.send("DISPATCH", {"value": value}, t="BAD")
    assert gateway.dispatch("GOOD", {}) == 2
    assert [(client.recv()["t"], client.seq) for client in clients] == [("GOOD", 4), ("GOOD", 4)]


def test_the_refusal_names_the_value(gateway: LocalGateway, open_client: OpenClient) -> None:
    login(gateway, open_client, "etf", None)
    with pytest.raises(ValueError, match=r"lone surrogate '\\ud800' at index 5"):
        gateway.dispatch("BAD", {"value": "half \ud800"})


# -- malformed data -------------------------------------------------------------------------------------------------

ZSTD_ERROR = zstd.ZstdError if zstd else Exception
GARBAGE = [
    ("json", None, "json", json.JSONDecodeError),
    ("json", None, "utf8", ConnectionClosed),
    ("json", None, "text", ConnectionClosed),
    ("json", "zlib-stream", "json", json.JSONDecodeError),
    ("json", "zlib-stream", "utf8", UnicodeDecodeError),
    ("json", "zlib-stream", "zlib", zlib.error),
    ("json", "zstd-stream", "json", json.JSONDecodeError),
    ("json", "zstd-stream", "utf8", UnicodeDecodeError),
    ("json", "zstd-stream", "zstd", ZSTD_ERROR),
    ("json", "payload", "json", json.JSONDecodeError),
    ("json", "payload", "zlib", zlib.error),
    ("etf", None, "etf", DecodeError),
    ("etf", None, "utf8", DecodeError),
    ("etf", None, "text", ConnectionClosed),
    ("etf", "zlib-stream", "etf", DecodeError),
    ("etf", "zlib-stream", "zlib", zlib.error),
    ("etf", "zstd-stream", "utf8", DecodeError),
    ("etf", "zstd-stream", "zstd", ZSTD_ERROR),
]


@pytest.mark.parametrize(
    ("encoding", "compress", "kind", "error"),
    [
        pytest.param(*row, id="-".join(map(str, row[:3])), marks=[needs_zstd] * (row[1] == "zstd-stream"))
        for row in GARBAGE
    ],
)
def test_malformed_data_is_broken_as_named_and_the_session_can_be_resumed(
    gateway: LocalGateway,
    open_client: OpenClient,
    encoding: str,
    compress: str | None,
    kind: str,
    error: type[Exception],
) -> None:
    client = login(gateway, open_client, encoding, compress)
    assert gateway.send_garbage(kind) == 1
    with pytest.raises(error):
        client.recv()
    client.close(4000)
    again = open_client(gateway, query(encoding, compress))
    again.resume(client)
    assert again.recv()["t"] == "RESUMED"


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
def test_malformed_data_can_be_valid_but_not_an_object(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str | None
) -> None:
    client = login(gateway, open_client, encoding, compress)
    gateway.send_garbage("not an object")
    with pytest.raises(TypeError):
        client.recv()


@pytest.mark.parametrize(("encoding", "compress"), [row for row in FORMATS if row.values[1] is not None])
@pytest.mark.parametrize("size", [64, 65_536, 1_000_003])
def test_a_bomb_inflates_to_a_valid_payload_of_its_size(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str, size: int
) -> None:
    client = login(gateway, open_client, encoding, compress)
    assert gateway.send_bomb(size) == 1
    bomb = client.recv()
    assert (bomb["op"], bomb["s"], set(bomb["d"])) == (11, None, {"0"})
    assert len(bomb["d"]) == size - (34 if encoding == "json" else 36)
    gateway.dispatch("AFTER", {})
    assert client.recv()["t"] == "AFTER"


@pytest.mark.parametrize(("encoding", "compress"), [row for row in FORMATS if row.values[1] is not None])
def test_a_bomb_is_small_on_the_wire_and_in_memory(
    gateway: LocalGateway, open_client: OpenClient, encoding: str, compress: str
) -> None:
    client = login(gateway, open_client, encoding, compress)
    size = 64 << 20
    tracemalloc.start()
    gateway.send_bomb(size)
    message = client.websocket.recv(10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(message) < size / 900
    assert peak < size / 16


def test_a_bomb_needs_compression(gateway: LocalGateway, open_client: OpenClient) -> None:
    compressing = login(gateway, open_client, "json", "zlib-stream")
    login(gateway, open_client, "json", None)
    with pytest.raises(ValueError, match="connection 2 has no compression"):
        gateway.send_bomb(1000)
    gateway.dispatch("AFTER", {})
    assert compressing.recv()["t"] == "AFTER"


@pytest.mark.parametrize("size", [-1, 63, 1 << 32])
def test_a_bomb_of_an_invalid_size_is_refused(gateway: LocalGateway, size: int) -> None:
    with pytest.raises(ValueError, match=f"invalid size={size}:"):
        gateway.send_bomb(size)
