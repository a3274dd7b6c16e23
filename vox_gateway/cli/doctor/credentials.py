"""What can be told of a token by looking at it, and of intents. Pure; no word shows any of the token but the bot's id.

Rests on "Authentication" of the official API reference, where a bot's token is three parts with dots between them, of
which the first is the bot's id in base64, and on "Application Flags" of its Application resource.
"""

from __future__ import annotations

import base64
import binascii
import re

from ...intents import Intents
from ...validation import check_token as check_usable
from ..shared.arguments import intent_names
from .finding import Finding, failed, ok, warning

__all__ = ["check_intents", "check_token", "enabled_intents"]

_COPY_AGAIN = "copy the token from the Bot page of the developer portal (Reset Token shows a new one)"

#: what else the developer portal has to copy, and what is mistaken for a token
_MISTAKEN = (
    (r"\d{15,20}", "it is an id, such as the application's, and no token"),
    (r"[0-9a-fA-F]{64}", "it looks like the application's public key"),
    (r"[\w-]{32}", "it looks like the application's client secret, which is for OAuth2"),
    (r"https?://.*", "it is a URL, such as a webhook's or an invite's"),
)

#: bits of an application's flags, of which either means that the intent is enabled; the lower is of bots in 100 guilds
#: or more. See: https://docs.discord.com/developers/resources/application#application-object-application-flags
_FLAGS = {
    Intents.GUILD_PRESENCES: 1 << 12 | 1 << 13,
    Intents.GUILD_MEMBERS: 1 << 14 | 1 << 15,
    Intents.MESSAGE_CONTENT: 1 << 18 | 1 << 19,
}


def check_token(text: str, is_discords: bool = True) -> Finding:
    """Return whether `text` has the shape of a bot's token.

    Args:
        is_discords: whether it is for Discord; any other gateway may let in what it likes.
    """
    token, doubts = text.strip(), []
    if token != text:
        doubts.append("there is white space around it, which this library ignores and others may not")
    if token.startswith("Bot "):
        token = token[4:].strip()
        doubts.append("it begins with 'Bot ', which belongs into an HTTP header only, and which this library ignores")
    if problem := _problem(token):
        if is_discords:
            return failed("token", f"{problem}: {_COPY_AGAIN}")
        try:
            check_usable(token)
        except ValueError:
            return failed("token", problem)
        words = f"it does not have the shape of Discord's tokens ({problem}), which only Discord asks for"
        return warning("token", "; ".join([words, *doubts])) if doubts else ok("token", words)
    words = f"it has the shape of one, of the bot with the id {_bot_id(token)}"
    return warning("token", "; ".join([words, *doubts])) if doubts else ok("token", words)


def _problem(token: str) -> str | None:
    if not token:
        return "it is empty"
    if token.lower().startswith("bearer "):
        return "it begins with 'Bearer ', as the OAuth2 token of a user does"
    if set("'\"`<>") & set(token):
        return "there are quotes or brackets in it, which some .env files and shells leave there; take them off"
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "there are spaces, line breaks or other than ASCII characters in it"
    for pattern, words in _MISTAKEN:
        if re.fullmatch(pattern, token):
            return words
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return f"a token is three parts with dots between them, and this is {len([part for part in parts if part])}"
    if _bot_id(token) is None:
        return "its first part is not the id of a bot; it was not copied whole, or is another service's"
    return None


def _bot_id(token: str) -> str | None:
    first = token.partition(".")[0]
    try:
        decoded = base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return decoded.decode() if decoded.isdigit() else None


def enabled_intents(flags: int) -> Intents:
    """Return the privileged intents that the flags of an application enable."""
    enabled = Intents.none()
    for intent, bits in _FLAGS.items():
        if flags & bits:
            enabled |= intent
    return enabled


def check_intents(intents: Intents, enabled: Intents | None = None, why_unknown: str = "") -> Finding:
    """Return whether the gateway lets a bot have `intents`.

    Args:
        enabled: the privileged intents that are enabled for the bot, or None if that is not known.
        why_unknown: why it is not known, if that is worth a word.
    """
    privileged = intents & Intents.privileged()
    if enabled is not None and (missing := privileged & ~enabled):
        return failed(
            "intents",
            f"{intent_names(missing)}: not enabled for this bot, so the gateway would close with 4014. Enable it on "
            "the Bot page of the developer portal (Privileged Gateway Intents), or leave it out",
        )
    if unknown := int(intents) & ~int(Intents.all()):
        words = f"bits that this library does not know: {unknown:#x}. Discord may close with 4013"
        return warning("intents", words)
    if enabled is None and privileged:
        reason = f" The API did not say what is enabled: {why_unknown}" if why_unknown else ""
        return warning(
            "intents",
            f"{intent_names(privileged)}: privileged: check on the Bot page of the developer portal (Privileged "
            f"Gateway Intents) that they are enabled, or Discord closes with 4014.{reason}",
        )
    words = "none"
    if intents:
        about = "the privileged ones are enabled for this bot" if privileged else "none of them is privileged"
        words = f"{intent_names(intents)}: {about}"
    if unused := (enabled or Intents.none()) & ~intents:
        words += f"; enabled and not asked for: {intent_names(unused)}"
    return ok("intents", words)
