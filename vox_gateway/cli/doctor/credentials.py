"""Checks the format of a token, and the intents. Pure. Findings show no part of the token but the bot's id.

A bot's token has three parts separated by dots; the first is the bot's id in base64.
See: https://docs.discord.com/developers/reference#authentication
"""

from __future__ import annotations

import base64
import binascii
import re

from ...arguments.validation import check_token as check_usable
from ...intents import Intents
from ..shared.arguments import intent_names
from .finding import Finding, failed, ok, warning

__all__ = ["check_intents", "check_token", "enabled_intents"]

_COPY_AGAIN = "copy the token from the Bot page of the developer portal (Reset Token shows a new one)"

#: patterns of values mistaken for a token, and what they are
_MISTAKEN = (
    (r"\d{15,20}", "it is an id, such as the application's, not a token"),
    (r"[0-9a-fA-F]{64}", "it looks like the application's public key"),
    (r"[\w-]{32}", "it looks like the application's client secret, which is for OAuth2"),
    (r"https?://.*", "it is a URL, such as a webhook's or an invite's"),
)

#: bits of an application's flags, either of which enables the intent; the lower is for bots in 100 guilds or more.
#: See: https://docs.discord.com/developers/resources/application#application-object-application-flags
_FLAGS = {
    Intents.GUILD_PRESENCES: 1 << 12 | 1 << 13,
    Intents.GUILD_MEMBERS: 1 << 14 | 1 << 15,
    Intents.MESSAGE_CONTENT: 1 << 18 | 1 << 19,
}


def check_token(text: str, is_discord: bool = True) -> Finding:
    """Check that `text` has the format of a bot's token.

    Args:
        is_discord: whether the token is for Discord; other gateways may accept any token.
    """
    token, warnings = text.strip(), []
    if token != text:
        warnings.append("it has surrounding white space, which this library ignores and others may not")
    if token.startswith("Bot "):
        token = token[4:].strip()
        warnings.append("it begins with 'Bot ', which belongs in HTTP headers only and which this library ignores")
    if problem := _problem(token):
        if is_discord:
            return failed("token", f"{problem}: {_COPY_AGAIN}")
        try:
            check_usable(token)
        except ValueError:
            return failed("token", problem)
        text = f"it does not have the format of Discord's tokens ({problem}), which only Discord requires"
    else:
        text = f"the format is valid; bot id {_bot_id(token)}"
    return warning("token", "; ".join([text, *warnings])) if warnings else ok("token", text)


def _problem(token: str) -> str | None:
    if not token:
        return "it is empty"
    if token.lower().startswith("bearer "):
        return "it begins with 'Bearer ', as the OAuth2 token of a user does"
    if set("'\"`<>") & set(token):
        return "it contains quotes or brackets, which some .env files and shells leave in place; remove them"
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "it contains spaces, line breaks or non-ASCII characters"
    for pattern, description in _MISTAKEN:
        if re.fullmatch(pattern, token):
            return description
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return f"a token has three parts separated by dots, and this has {len([part for part in parts if part])}"
    if _bot_id(token) is None:
        return "its first part is not a bot's id; it is incomplete, or for another service"
    return None


def _bot_id(token: str) -> str | None:
    first = token.partition(".")[0]
    try:
        decoded = base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return decoded.decode() if decoded.isdigit() else None


def enabled_intents(flags: int) -> Intents:
    """Return the privileged intents that an application's flags enable."""
    enabled = Intents.none()
    for intent, bits in _FLAGS.items():
        if flags & bits:
            enabled |= intent
    return enabled


def check_intents(intents: Intents, enabled: Intents | None = None, why_unknown: str = "") -> Finding:
    """Check that the gateway accepts `intents` from the bot.

    Args:
        enabled: the privileged intents enabled for the bot; None if unknown.
        why_unknown: why `enabled` is unknown, or empty.
    """
    privileged = intents & Intents.privileged()
    if enabled is not None and (missing := privileged & ~enabled):
        return failed(
            "intents",
            f"{intent_names(missing)}: not enabled for this bot, so the gateway would close with 4014. Enable it on "
            "the Bot page of the developer portal (Privileged Gateway Intents), or omit it",
        )
    if unknown := int(intents) & ~int(Intents.all()):
        return warning("intents", f"bits unknown to this library: {unknown:#x}. Discord may close with 4013")
    if enabled is None and privileged:
        reason = f" The API did not report what is enabled: {why_unknown}" if why_unknown else ""
        return warning(
            "intents",
            f"{intent_names(privileged)}: privileged: check on the Bot page of the developer portal (Privileged "
            f"Gateway Intents) that they are enabled, or Discord closes with 4014.{reason}",
        )
    text = "none"
    if intents:
        note = "the privileged ones are enabled for this bot" if privileged else "none is privileged"
        text = f"{intent_names(intents)}: {note}"
    if unused := (enabled or Intents.none()) & ~intents:
        text += f"; enabled but not requested: {intent_names(unused)}"
    return ok("intents", text)
