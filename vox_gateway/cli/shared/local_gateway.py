"""The gateway of the extra ``testing``, for the commands that run one: made, or refused with words."""

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
    """Add the option that tells where to listen."""
    parser.add_argument(
        "--port",
        type=arguments.port,
        default=8080,
        help="where to listen; 0 for any port that is free (default: %(default)s)",
    )


def start_gateway(*, host: str, port: int, **settings: Any) -> LocalGateway:
    """A gateway that listens; whoever called closes it.

    Args:
        settings: any other argument of `LocalGateway`.

    Raises:
        MissingExtra: it is not installed.
        CommandError: it cannot listen there.
    """
    try:
        from ...testing import LocalGateway
    except ImportError as error:
        raise MissingExtra("the local gateway", "testing") from error
    try:
        return LocalGateway(host=host, port=port, **settings).start()
    except OSError as error:
        raise CommandError(
            f"the gateway cannot listen on {host} port {port}: {error.strerror or error}; "
            "--port 0 takes any port that is free",
            Exit.UNUSABLE,
        ) from None


def check_host(host: str, public: bool) -> None:
    """Refuse what would open the gateway to others without their being meant.

    Args:
        host: an address, or a name.
        public: whether others are meant.

    Raises:
        CommandError: `host` is none, or is not what was meant.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"--host: {host!r} is no address of this machine: {error}", Exit.UNUSABLE) from None
    addresses = [ipaddress.ip_address(str(address[4][0]).partition("%")[0]) for address in found]
    if not public and not all(address.is_loopback for address in addresses):
        raise CommandError(
            f"--host: {host} can be reached from outside of this machine, and whoever reaches it is let in without "
            "TLS: add --public if you mean that",
            Exit.UNUSABLE,
        )
    if any(address.is_unspecified for address in addresses):
        raise CommandError(
            f"--host: clients are told to resume there, and cannot at {host}: write the name or the address by which "
            "they reach this machine",
            Exit.UNUSABLE,
        )


def how_to_connect(gateway: LocalGateway, token: str | None) -> tuple[str, ...]:
    """The lines that tell where it is, whom it lets in, and what to write in a bot."""
    shown = "any" if token is None else token
    quoted = shlex.quote(shown)
    return (
        f"listening on {gateway.url} (and, for HTTP, on {gateway.http_url})",
        "every token is let in" if token is None else f"the token {token} is let in, and no other",
        f'connect with Client(token={json.dumps(shown)}, url="{gateway.url}")',
        f"or with      DISCORD_TOKEN={quoted} vox-gateway tail --url {gateway.url}",
    )
