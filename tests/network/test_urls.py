"""Gateway URLs, in and out."""

from __future__ import annotations

from typing import Any

import pytest

from vox_gateway.network.urls import APIURL, DEFAULT_API, DEFAULT_GATEWAY, GatewayURL, api_url, gateway_url, version_of


def made(url: str, compress: str | None = "zlib-stream", **ports: Any) -> str:
    return str(gateway_url(url, encoding="json", compress=compress, **ports))


@pytest.mark.parametrize(
    ("url", "options", "result"),
    [
        (DEFAULT_GATEWAY, {}, "wss://gateway.discord.gg:443/?v=10&encoding=json&compress=zlib-stream"),
        (DEFAULT_GATEWAY, {"compress": None}, "wss://gateway.discord.gg:443/?v=10&encoding=json"),
        ("ws://localhost", {"compress": None}, "ws://localhost:80/?v=10&encoding=json"),
        ("ws://localhost:81", {"compress": None}, "ws://localhost:81/?v=10&encoding=json"),
        ("ws://localhost:81", {"compress": None, "port": 82}, "ws://localhost:82/?v=10&encoding=json"),
        ("ws://localhost:81", {"compress": None, "default_port": 82}, "ws://localhost:81/?v=10&encoding=json"),
        ("ws://localhost", {"compress": None, "default_port": 82}, "ws://localhost:82/?v=10&encoding=json"),
        ("wss://[::1]:9/x", {"compress": None}, "wss://[::1]:9/x?v=10&encoding=json"),
        (
            "wss://host/path?region=eu&v=9&encoding=etf&compress=&empty=",
            {},
            "wss://host:443/path?region=eu&empty=&v=10&encoding=json&compress=zlib-stream",
        ),
    ],
)
def test_port_path_and_other_parameters_are_kept(url: str, options: dict[str, Any], result: str) -> None:
    assert made(url, **options) == result


def test_the_version_of_the_url_is_replaced_by_a_given_one() -> None:
    assert made("wss://host/?v=9", compress=None, version=1) == "wss://host:443/?v=1&encoding=json"


@pytest.mark.parametrize(
    ("url", "version"),
    [(None, 10), (DEFAULT_GATEWAY, 10), ("wss://host/?v=1", 1), ("ws://host/path?region=eu&v=9&encoding=etf", 9)],
)
def test_a_url_names_its_version(url: str | None, version: int) -> None:
    assert version_of(url) == version


@pytest.mark.parametrize("query", ["v=", "v=x", "v=-1", "v=1.0", "v=1&v=2", "v=10000", "v=\N{SUPERSCRIPT TWO}"])
def test_a_version_that_is_no_number_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="url must hold a whole number as v"):
        version_of(f"wss://host/?{query}")


def test_a_url_is_parsed() -> None:
    url = gateway_url("wss://Example.org/x", encoding="json", compress=None)
    assert url == GatewayURL("example.org", 443, True, "/x?v=10&encoding=json")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (None, TypeError),
        (b"wss://x", TypeError),
        ("", ValueError),
        ("gateway.discord.gg", ValueError),
        ("https://gateway.discord.gg", ValueError),
        ("wss://", ValueError),
        ("wss://:443", ValueError),
        ("wss://host:port", ValueError),
        ("wss://host:99999", ValueError),
        ("wss://ho st", ValueError),
        ("wss://host/\r\nX-Evil: 1", ValueError),
        ("wss://[::1", ValueError),
        ("wss://user:secret@host", ValueError),
    ],
)
def test_an_invalid_gateway_url_is_refused_by_name(url: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="url") as raised:
        made(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "parts", "shown"),
    [
        (DEFAULT_API, APIURL("discord.com", 443, True, "/api/v10"), DEFAULT_API),
        ("http://[::1]:81/", APIURL("::1", 81, False, ""), "http://[::1]:81"),
        ("https://host:443/x/", APIURL("host", 443, True, "/x"), "https://host/x"),
    ],
)
def test_an_api_url_is_parsed(url: str, parts: APIURL, shown: str) -> None:
    assert api_url(url) == parts
    assert str(parts) == shown
