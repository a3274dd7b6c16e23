"""Checks that the gateway and the API can be reached. Every check has a timeout."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import simplejson

from ...concurrency.bounded_call import call_with_deadline
from ...concurrency.wakeup import Deadline, Wakeup
from ...discovery.gateway_bot import GatewayBot, ask_gateway_bot
from ...errors import CertificateInvalid, ConnectFailed, GatewayError
from ...intents import Intents
from ...network.connector import Network
from ...network.http import http_get
from ...network.urls import APIURL, GatewayURL
from .credentials import enabled_intents
from .finding import Finding, failed, ok, skipped, warning

__all__ = [
    "ask_enabled_intents",
    "certificate_finding",
    "check_api",
    "check_connection",
    "check_lookup",
    "check_proxy",
    "check_session_starts",
    "clock_finding",
]

#: tolerated clock error in seconds; the server's Date header has a resolution of 1 s
CLOCK_TOLERANCE = 5.0
#: days before the expiry of a certificate at which to warn
CERTIFICATE_DAYS = 7
#: fraction of remaining session starts below which to warn
FEW_STARTS = 0.1


def check_proxy(host: str, secure: bool, network: Network, environment: Mapping[str, str] = os.environ) -> Finding:
    """Check the proxy between this machine and the gateway."""
    name = "https_proxy" if secure else "http_proxy"
    value = environment.get(name) or environment.get(name.upper()) or ""
    try:
        proxy = network.proxy_for(host, secure)
    except ConnectFailed as error:
        return failed("proxy", str(error))
    if proxy is None:
        if value and not urlsplit(value).hostname:
            return warning("proxy", f"{name.upper()} is set and ignored: write it as a URL, http://localhost:8080")
        return ok("proxy", f"none, since NO_PROXY names {host}" if value else "none in the environment")
    text = f"{proxy.host} port {proxy.port}, from {name.upper()}"
    if not value.lower().startswith("http://"):
        return warning(
            "proxy",
            f"{text}. It is used as an HTTP proxy whatever its URL scheme; for SOCKS, pass Client(proxy=...)",
        )
    return ok("proxy", text)


def check_lookup(host: str, port: int, behind_proxy: bool, seconds: float) -> Finding:
    """Check the DNS lookup of the gateway's host."""
    with contextlib.suppress(ValueError):
        return ok("name lookup", f"{ipaddress.ip_address(host)} is an address")
    if behind_proxy:
        return skipped("name lookup", f"the proxy looks up {host}")

    def look_up(_deadline: Deadline, _interrupt: Wakeup) -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[4][0]) for address in found))

    try:
        addresses = call_with_deadline(look_up, seconds, "--timeout")
    except ConnectFailed as error:
        return failed("name lookup", f"{host}: {error}. Check the network connection and its DNS server")
    except (OSError, UnicodeError) as error:
        return failed(
            "name lookup", f"{host} could not be looked up: {error}. Check the network connection and its DNS server"
        )
    return ok("name lookup", f"{host} is {', '.join(addresses)}")


def check_connection(url: GatewayURL, network: Network) -> Finding:
    """Check TCP and TLS to the gateway, through the proxy if any."""
    name = "TLS" if url.secure else "connection"

    def connect(deadline: Deadline, interrupt: Wakeup) -> dict[str, Any] | None:
        with contextlib.closing(network.connect(url.host, url.port, url.secure, deadline, interrupt)) as transport:
            return transport.certificate()

    try:
        certificate = call_with_deadline(connect, network.connect_timeout, network.timeout_name)
    except CertificateInvalid as error:
        return failed(name, f"{error}. A proxy or virus scanner may be intercepting TLS")
    except ConnectFailed as error:
        return failed(name, f"{error}. Check the firewall, the proxy, and whether the server is running")
    if certificate is None:
        return ok(name, f"{url.host} port {url.port} answers, without TLS")
    return certificate_finding(url.host, certificate, time.time())


def certificate_finding(host: str, certificate: Mapping[str, Any], now: float) -> Finding:
    """Check the expiry of a verified certificate. Pure."""
    until = ssl.cert_time_to_seconds(certificate["notAfter"])
    days = int((until - now) // 86400)
    issuer = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    text = (
        f"the certificate for {host}, issued by {issuer.get('organizationName', 'an authority without a name')}, "
        f"verifies; valid until {datetime.fromtimestamp(until, timezone.utc):%Y-%m-%d} ({days} days)"
    )
    if days < CERTIFICATE_DAYS:
        return warning("TLS", f"{text}: the server's operator should renew it")
    return ok("TLS", text)


def check_api(api: APIURL, network: Network) -> tuple[Finding, Finding]:
    """Check the API with GET /gateway, which needs no token, and the clock against its ``Date`` header."""
    before = time.time()
    try:
        answer = call_with_deadline(
            lambda deadline, interrupt: http_get(api, "/gateway", {}, network, deadline=deadline, wakeup=interrupt),
            network.connect_timeout,
            network.timeout_name,
        )
    except ConnectFailed as error:
        return failed("API", str(error)), skipped("clock", "the API was not reached, so the time is unknown")
    after = time.time()
    finding = (
        ok("API", f"{api} answers")
        if answer.status == 200
        else failed(
            "API", f"{api} answers GET /gateway with HTTP {answer.status}, not 200: check for a proxy or firewall"
        )
    )
    return finding, clock_finding(answer.headers.get("date"), before, after)


def clock_finding(date: str | None, before: float, after: float) -> Finding:
    """Check this machine's clock against a ``Date`` header. Pure.

    Args:
        before, after: this machine's Unix time at the request and at the response.
    """
    try:
        # The header is truncated to whole seconds: add the average error.
        server_time = parsedate_to_datetime(date or "").timestamp() + 0.5
    except (TypeError, ValueError):
        return skipped("clock", "the API's response has no Date header")
    ahead = (before + after) / 2 - server_time
    if abs(ahead) <= CLOCK_TOLERANCE + (after - before) / 2:
        return ok("clock", f"within {CLOCK_TOLERANCE:g} seconds of the server's")
    side = "ahead of" if ahead > 0 else "behind"
    return warning(
        "clock",
        f"{abs(ahead):.0f} seconds {side} the server's: certificate checks and log timestamps will be wrong; "
        "enable NTP on this machine",
    )


def check_session_starts(api: APIURL, token: str, network: Network) -> Finding:
    """Check with GET /gateway/bot that the token is accepted and session starts remain."""
    try:
        bot = call_with_deadline(
            lambda deadline, interrupt: ask_gateway_bot(api, token, network, deadline, interrupt),
            network.connect_timeout,
            network.timeout_name,
        )
    except GatewayError as error:
        return failed("GET /gateway/bot", str(error))
    return _session_starts_finding(bot)


def _session_starts_finding(bot: GatewayBot) -> Finding:
    limit = bot.session_start_limit
    reset = f"reset at {limit.resets_at:%Y-%m-%d %H:%M:%S} UTC"
    hint = "Check whether the bot restarts repeatedly"
    text = (
        f"the token is accepted; {limit.remaining} of {limit.total} session starts remain, {reset}; "
        f"max_concurrency: {limit.max_concurrency}; recommended shards: {bot.shards}"
    )
    if limit.remaining <= 0:
        return failed("GET /gateway/bot", f"no session starts remain, of {limit.total}: {reset}. {hint}")
    if limit.remaining < limit.total * FEW_STARTS:
        return warning("GET /gateway/bot", f"{text}. {hint}")
    return ok("GET /gateway/bot", text)


def ask_enabled_intents(api: APIURL, token: str, network: Network) -> Intents:
    """Return the bot's enabled privileged intents, from GET /applications/@me.

    Raises:
        ConnectFailed: there was no response, or it has no application flags.
    """
    route = "/applications/@me"
    answer = call_with_deadline(
        lambda deadline, interrupt: http_get(
            api, route, {"Authorization": f"Bot {token}"}, network, deadline=deadline, wakeup=interrupt
        ),
        network.connect_timeout,
        network.timeout_name,
    )
    if answer.status != 200:
        raise ConnectFailed(f"{api.host} answered GET {route} with HTTP {answer.status}")
    try:
        application = simplejson.loads(answer.body)
    except (ValueError, RecursionError):
        application = None
    flags = application.get("flags") if isinstance(application, dict) else None
    if not isinstance(flags, int) or isinstance(flags, bool):
        raise ConnectFailed(f"{api.host} answered GET {route} without the flags of an application")
    return enabled_intents(flags)
