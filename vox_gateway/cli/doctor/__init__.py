"""``vox-gateway doctor``: what keeps a bot from the gateway, one line for each thing that can."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...errors import GatewayError
from ...intents import Intents
from ...network.connector import Network, default_ssl_context
from ...network.urls import APIURL, DEFAULT_API, DEFAULT_GATEWAY, GatewayURL, api_url, gateway_url
from ..shared import arguments
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.log import SILENT
from ..shared.parsers import add_command
from ..shared.screen import Mark, Screen
from . import credentials, machine, reach
from .finding import Finding, Verdict, skipped

__all__ = ["add_to", "run"]

_HELP = "find out what keeps a bot from the gateway"

_DESCRIPTION = """\
Look for what keeps a bot from the gateway: one line for each check, with a
verdict and with what to do.

  ok        all is well
  warning   it works, and something should be looked at
  failed    a bot cannot work like this
  skipped   not looked at, with the reason

Looked at are the versions and faster packages installed here, the proxy in the
environment, the name lookup of the gateway and TLS with it, the API, the
clock, the shape of the token in DISCORD_TOKEN, what Discord says to it (the
recommended shards, and how many session starts remain), and the intents, with
whether the privileged ones are enabled for the bot.

No session start is used up, the bot does not go online, and no part of the
token is shown but the bot's id. Without DISCORD_TOKEN all but the checks that
need it are made."""

_EPILOG = f"""\
examples:
  vox-gateway doctor
  vox-gateway doctor --intents default,MESSAGE_CONTENT
  vox-gateway doctor --url ws://127.0.0.1:8080    a gateway of your own

{
    exit_codes(
        {
            Exit.OK: "nothing failed",
            Exit.FAILED: "something failed, or the output could not be written",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "doctor", _HELP, _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--intents",
        type=arguments.intents,
        default=Intents.default(),
        metavar="LIST",
        help="what the bot will ask for: a number, or names, as in default,MESSAGE_CONTENT (default: default)",
    )
    parser.add_argument("--url", default=DEFAULT_GATEWAY, help="the gateway (default: %(default)s)")
    parser.add_argument(
        "--api-url",
        metavar="URL",
        help=f"the API (default: {DEFAULT_API}; with another --url, the same host and port)",
    )
    parser.add_argument(
        "--timeout", type=arguments.seconds, default=10.0, metavar="SECONDS", help="for each check (default: 10)"
    )
    parser.set_defaults(run=run, usual_log=SILENT)


def run(args: argparse.Namespace) -> int:
    """Make every check, and print each finding as it comes.

    Returns:
        The exit code.

    Raises:
        CommandError: a URL cannot be.
    """
    try:
        url = gateway_url(args.url, encoding="json", compress=None)
        api = api_url(args.api_url or _api_beside(args.url, url))
    except ValueError as error:
        raise CommandError(f"--{str(error).replace('api_url', 'api-url', 1)}", Exit.UNUSABLE) from None
    screen, found = Screen.of(sys.stdout), Counter[Verdict]()
    for finding in _findings(url, api, os.environ.get("DISCORD_TOKEN"), args.intents, args.timeout):
        found[finding.verdict] += 1
        screen.check(finding.name, finding.verdict.value, finding.words, finding.verdict.mark)
    screen.verdict(*_summary(found))
    return Exit.FAILED if found[Verdict.FAILED] else Exit.OK


def _api_beside(given: str, url: GatewayURL) -> str:
    """The API of a gateway: Discord's own, or for any other the same host and port, as `LocalGateway` has it."""
    if given == DEFAULT_GATEWAY or url.host.endswith(".discord.gg"):
        return DEFAULT_API
    return str(APIURL(url.host, url.port, url.secure, ""))


def _findings(url: GatewayURL, api: APIURL, token: str | None, intents: Intents, timeout: float) -> Iterator[Finding]:
    network = Network(None, default_ssl_context(), timeout, 0, "--timeout")
    yield machine.check_versions()
    yield machine.check_speedups()
    proxy = reach.check_proxy(url.host, url.secure, network)
    yield proxy
    if proxy.verdict is Verdict.FAILED:
        for name in ("name lookup", "TLS" if url.secure else "connection", "API", "clock"):
            yield skipped(name, "mend the proxy first")
        api_answers = False
    else:
        behind_proxy = network.proxy_for(url.host, url.secure) is not None
        lookup = reach.check_lookup(url.host, url.port, behind_proxy, timeout)
        yield lookup
        if lookup.verdict is Verdict.FAILED:
            yield skipped("TLS" if url.secure else "connection", "mend the name lookup first")
        else:
            yield reach.check_connection(url, network)
        answered, clock = reach.check_api(api, network)
        yield answered
        yield clock
        api_answers = answered.verdict is Verdict.OK
    enabled, why_unknown = None, ""
    if token is None:
        yield skipped("token", "set DISCORD_TOKEN to the bot's token to have it looked at")
        yield skipped("GET /gateway/bot", "it needs DISCORD_TOKEN")
    else:
        shape = credentials.check_token(token, _is_discords(url.host) or _is_discords(api.host))
        yield shape
        if shape.verdict is Verdict.FAILED:
            yield skipped("GET /gateway/bot", "mend the token first: what is none is not sent")
        elif not api_answers:
            yield skipped("GET /gateway/bot", "mend the way to the API first")
        else:
            bare = token.split()[-1]
            starts = reach.check_session_starts(api, bare, network)
            yield starts
            if starts.verdict is not Verdict.FAILED:
                try:
                    enabled = reach.ask_enabled_intents(api, bare, network)
                except GatewayError as error:
                    why_unknown = str(error)
    yield credentials.check_intents(intents, enabled, why_unknown)


def _is_discords(host: str) -> bool:
    """Whether a gateway or an API is Discord's own, not one for tests or in between."""
    return f".{host}".endswith((".discord.gg", ".discord.com", ".discordapp.com"))


def _summary(found: Counter[Verdict]) -> tuple[Mark, str]:
    if count := found[Verdict.FAILED]:
        return Mark.BAD, f"{count} failed: begin with the first."
    if count := found[Verdict.WARNING]:
        return Mark.DOUBT, f"Nothing failed; {count} with a warning."
    if found[Verdict.SKIPPED]:
        return Mark.GOOD, "Nothing is wrong with what was looked at."
    return Mark.GOOD, "Nothing is wrong."
