"""``vox-gateway doctor``: checks everything that can keep a bot from connecting."""

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
from ...network.urls import APIURL, DEFAULT_API, DEFAULT_GATEWAY, GatewayURL, api_url, gateway_url, version_of
from ..shared import arguments
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.log import SILENT
from ..shared.parsers import add_command
from ..shared.screen import Mark, Screen
from . import credentials, machine, reach
from .finding import Finding, Verdict, skipped

__all__ = ["add_to", "run"]

_HELP = "find out why a bot cannot connect"

_DESCRIPTION = """\
Find out why a bot cannot connect. Prints a line for each check, with a verdict
and what to do.

  ok        no problem found
  warning   works, but needs attention
  failed    a bot cannot connect or log in
  skipped   not checked, with the reason

The checks: installed versions and optional accelerators, the proxy settings,
DNS and TLS to the gateway, the API, the clock, the format of DISCORD_TOKEN,
GET /gateway/bot (recommended shards, remaining session starts), and the
intents, including whether privileged intents are enabled for the bot.

Uses no session start and does not bring the bot online. Of the token, only the
bot's id is shown. Without DISCORD_TOKEN, checks that need it are skipped."""

_EPILOG = f"""\
examples:
  vox-gateway doctor
  vox-gateway doctor --intents default,MESSAGE_CONTENT
  vox-gateway doctor --url ws://127.0.0.1:8080    a local gateway

{
    exit_codes(
        {
            Exit.OK: "no check failed",
            Exit.FAILED: "a check failed, or the output could not be written",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "doctor", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument(
        "--intents",
        type=arguments.intents,
        default=Intents.default(),
        metavar="LIST",
        help="the intents of the bot: a number, or names, as in default,MESSAGE_CONTENT (default: default)",
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
    parser.set_defaults(run=run, default_log_level=SILENT)


def run(args: argparse.Namespace) -> int:
    """Run every check and print each finding.

    Returns:
        The exit code.

    Raises:
        CommandError: a URL is invalid.
    """
    try:
        url = gateway_url(args.url, encoding="json", compress=None, version=version_of(args.url))
        api = api_url(args.api_url or _default_api(args.url, url))
    except ValueError as error:
        raise CommandError(f"--{str(error).replace('api_url', 'api-url', 1)}", Exit.UNUSABLE) from None
    screen, verdicts = Screen.of(sys.stdout), Counter[Verdict]()
    for finding in _findings(url, api, os.environ.get("DISCORD_TOKEN"), args.intents, args.timeout):
        verdicts[finding.verdict] += 1
        screen.check(finding.name, finding.verdict.value, finding.text, finding.verdict.mark)
    screen.verdict(*_summary(verdicts))
    return Exit.FAILED if verdicts[Verdict.FAILED] else Exit.OK


def _default_api(given: str, url: GatewayURL) -> str:
    """Return the API of a gateway: Discord's, or for any other gateway its own host and port, as `LocalGateway`'s."""
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
            yield skipped(name, "fix the proxy first")
        api_answers = False
    else:
        behind_proxy = network.proxy_for(url.host, url.secure) is not None
        lookup = reach.check_lookup(url.host, url.port, behind_proxy, timeout)
        yield lookup
        if lookup.verdict is Verdict.FAILED:
            yield skipped("TLS" if url.secure else "connection", "fix the name lookup first")
        else:
            yield reach.check_connection(url, network)
        answered, clock = reach.check_api(api, network)
        yield answered
        yield clock
        api_answers = answered.verdict is Verdict.OK
    enabled, why_unknown = None, ""
    if token is None:
        yield skipped("token", "set DISCORD_TOKEN to the bot's token to check it")
        yield skipped("GET /gateway/bot", "needs DISCORD_TOKEN")
    else:
        shape = credentials.check_token(token, _is_discord(url.host) or _is_discord(api.host))
        yield shape
        if shape.verdict is Verdict.FAILED:
            yield skipped("GET /gateway/bot", "fix the token first: an invalid token is not sent")
        elif not api_answers:
            yield skipped("GET /gateway/bot", "fix the connection to the API first")
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


def _is_discord(host: str) -> bool:
    """Return whether `host` is Discord's own, not a test server or an intermediary."""
    return f".{host}".endswith((".discord.gg", ".discord.com", ".discordapp.com"))


def _summary(verdicts: Counter[Verdict]) -> tuple[Mark, str]:
    if count := verdicts[Verdict.FAILED]:
        return Mark.BAD, f"{count} failed. Start with the first."
    if count := verdicts[Verdict.WARNING]:
        return Mark.DOUBT, f"No check failed; {count} warning{'' if count == 1 else 's'}."
    if verdicts[Verdict.SKIPPED]:
        return Mark.GOOD, "No problems in what was checked."
    return Mark.GOOD, "No problems found."
