"""TLS contexts of a server and a client that trust one certificate authority."""

from __future__ import annotations

import ssl
from typing import Any

import trustme

AUTHORITY = trustme.CA()


def server_context(
    host: str = "127.0.0.1",
    *,
    authority: trustme.CA = AUTHORITY,
    version: ssl.TLSVersion | None = None,
    **certificate: Any,
) -> ssl.SSLContext:
    """Return a context with a certificate for `host`; `version` is the only TLS version that it accepts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    authority.issue_cert(host, **certificate).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts `AUTHORITY`."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context
