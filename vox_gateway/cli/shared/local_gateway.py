"""Starts the local gateway of the extra ``testing`` for the commands replay and serve."""

from __future__ import annotations

import argparse
import ipaddress
import json
import shlex
import socket
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtra
from . import arguments
from .exits import CommandError, Exit

if TYPE_CHECKING:
    from ...testing import LocalGateway

__all__ = ["add_port", "check_host", "how_to_connect", "start_gateway"]


def add_port(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--port``."""
    parser.add_argument(
        "--port",
        type=arguments.port,
        default=8080,
        help="the port to listen on; 0 for any free port (default: %(default)s)",
    )


def start_gateway(*, host: str, port: int, **settings: Any) -> LocalGateway:
    """Return a listening gateway, which the caller closes.

    Args:
        settings: other arguments of `LocalGateway`.

    Raises:
        MissingExtra: the extra is not installed.
        CommandError: the address cannot be listened on.
    """
    try:
        from ...testing import LocalGateway
    except ImportError as error:
        raise MissingExtra("the local gateway", "testing") from error
    try:
        return LocalGateway(host=host, port=port, **settings).start()
    except OSError as error:
        raise CommandError(
            f"the gateway cannot listen on {host} port {port}: {error.strerror or error}; --port 0 takes any free port",
            Exit.UNUSABLE,
        ) from None


def check_host(host: str, public: bool) -> None:
    """Refuse to listen on an address that other machines can reach, unless that is intended.

    Args:
        host: an address or a name.
        public: whether other machines may connect.

    Raises:
        CommandError: `host` is invalid, public, or unspecified.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"--host: {host!r} is not an address of this machine: {error}", Exit.UNUSABLE) from None
    addresses = [ipaddress.ip_address(str(address[4][0]).partition("%")[0]) for address in found]
    if not public and not all(address.is_loopback for address in addresses):
        raise CommandError(
            f"--host: other machines can reach {host} and connect without TLS; add --public to allow that",
            Exit.UNUSABLE,
        )
    if any(address.is_unspecified for address in addresses):
        raise CommandError(
            f"--host: clients cannot resume at {host}; use the name or address by which they reach this machine",
            Exit.UNUSABLE,
        )


def how_to_connect(gateway: LocalGateway, token: str | None) -> tuple[str, ...]:
    """Return lines with the gateway's address, the accepted token, and how to connect a bot."""
    shown = "any" if token is None else token
    quoted = shlex.quote(shown)
    return (
        f"listening on {gateway.url} (HTTP: {gateway.api_url})",
        "every token is accepted" if token is None else f"only the token {token} is accepted",
        f'connect with Client(token={json.dumps(shown)}, url="{gateway.url}")',
        f"or with      DISCORD_TOKEN={quoted} vox-gateway tail --url {gateway.url}",
    )
