"""TLS contexts of a server and a client that trust one certificate authority.

They need trustme, whose cryptography cannot be had for every Python: a test that asks for one is skipped there.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any

import pytest


def new_authority() -> Any:
    """Return a certificate authority that nothing trusts yet."""
    return pytest.importorskip("trustme").CA()


@functools.cache
def authority() -> Any:
    """Return the authority of the contexts."""
    return new_authority()


def server_context(
    host: str = "127.0.0.1",
    *,
    issuer: Any = None,
    version: ssl.TLSVersion | None = None,
    **certificate: Any,
) -> ssl.SSLContext:
    """Return a context with a certificate for `host`, which accepts only the TLS version `version`."""
    issuer = issuer or authority()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    issuer.issue_cert(host, **certificate).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts the authority."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context
