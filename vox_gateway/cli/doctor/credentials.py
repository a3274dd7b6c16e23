"""What can be told of a token by looking at it, and of intents. Pure; no word shows any of the token but the bot's id.

Rests on "Authentication" of the official API reference: a bot's token is three parts with dots between them, of which
the first is the bot's id in base64.
"""

from __future__ import annotations

import base64
import binascii
import re

from ...intents import Intents
from ..arguments import intent_names
from .finding import Finding, failed, ok, warning

__all__ = ["check_intents", "check_token"]

_COPY_AGAIN = "copy the token from the Bot page of the developer portal (Reset Token shows a new one)"

#: what else the developer portal has to copy, and what is mistaken for a token
_MISTAKEN = (
    (r"\d{15,20}", "it is an id, such as the application's, and no token"),
    (r"[0-9a-fA-F]{64}", "it looks like the application's public key"),
    (r"[\w-]{32}", "it looks like the application's client secret, which is for OAuth2"),
    (r"https?://.*", "it is a URL, such as a webhook's or an invite's"),
)


def check_token(text: str) -> Finding:
    """Whether `text` has the shape of a bot's token."""
    token, doubts = text.strip(), []
    if token != text:
        doubts.append("there is white space around it, which this library ignores and others may not")
    if token.startswith("Bot "):
        token = token[4:].strip()
        doubts.append("it begins with 'Bot ', which belongs into an HTTP header only, and which this library ignores")
    if problem := _problem(token):
        return failed("token", f"{problem}: {_COPY_AGAIN}")
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


def check_intents(intents: Intents) -> Finding:
    """Whether `intents` need more than to be asked for."""
    if unknown := int(intents) & ~int(Intents.all()):
        words = f"bits that this library does not know: {unknown:#x}. Discord may close with 4013"
        return warning("intents", words)
    if privileged := intents & Intents.privileged():
        return warning(
            "intents",
            f"{intent_names(privileged)}: privileged. Enable what is not on the Bot page of the developer portal "
            "(Privileged Gateway Intents), or Discord closes with 4014",
        )
    return ok("intents", f"{intent_names(intents)}: none of them is privileged" if intents else "none")
