"""Redacts events before they are recorded, as `RULE` describes. Pure.

A text is kept only if its field is known to be harmless; unknown fields are redacted.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["RULE", "Redactor"]

RULE: Final = """\
Secrets are never recorded: the value of every key that contains "token",
"session_id", "secret", "password" or "signature", resume_gateway_url, and
invite codes; and within texts, tokens, the URLs of webhooks, interactions and
invites, and the signatures of attachment URLs.

Ids, times and numbers are recorded. User content is not, unless
--keep-content is given: messages, embeds, names, emails, URLs, and any other
text except ids, times, flags, locales, types, command names and Unicode
emojis. It is replaced with filler of the same size."""

_SECRET_KEY = re.compile(r"token|session_?id|secret|password|signature|^resume_?gateway_?url$|^code$", re.IGNORECASE)

#: secrets within texts; the last group is redacted
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"()([\w-]{20,}\.[\w-]{5,}\.[\w-]{20,})",  # a bot's token, or a JSON web token
        r"()(mfa\.[\w-]{20,})",
        r"((?:webhooks|interactions)/\d+/)([\w-]+)",
        r"(discord(?:app)?\.(?:gg|com/invite)/)([\w-]+)",
        r"(://)([^/\s@]+)(?=@)",
        r"([?&](?:hm|key|sig|auth|code|[\w-]*(?:token|secret|password|signature))=)([^&#\s<>\"')]+)",
    )
)

#: values kept under any key not in _USER_CONTENT
_ID = re.compile(r"\d{17,20}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
#: keys of user content
_USER_CONTENT = re.compile(
    "content|name|nick|title|text|description|value|topic|state|details|email|label", re.IGNORECASE
)
#: keys of harmless values, and the values kept under them
_KNOWN_FIELDS = tuple(
    (re.compile(keys), re.compile(values))
    for keys, values in (
        (r"(.*_)?ids?|roles|mention_roles", r"\d{1,20}"),
        (r"(.*_)?permissions(_new)?|allow|deny", r"\d{1,30}"),
        (r"status|desktop|mobile|web|embedded", r"online|idle|dnd|offline|invisible"),
        (r"(.*_)?locale", r"[a-z]{2}(-[A-Z]{2}|-\d{3})?"),
        (r"features", r"[A-Z][A-Z0-9_]+"),
        (r"type|session_type", r"[a-z_]{1,32}"),
        (r"content_type", r"[a-z]+/[\w.+-]+(; ?charset=[\w-]+)?"),
    )
)
_COMMAND = re.compile(r"[-_\w]{1,32}")
#: types of command options whose values are ids: user, channel, role, mentionable
_ID_OPTION_TYPES = (6, 7, 8, 9)
#: excludes letters, digits and punctuation, as in names; keycap emojis are redacted too
_EMOJI = re.compile(r"[^\x00-\u00ff\w\s]{1,16}|[\u00a9\u00ae]\ufe0f?")

#: fillers by code point limit, with as many bytes of UTF-8 as the characters they replace
_FILLERS = ((0x80, "x"), (0x800, "\u00d7"), (0x10000, "\u2718"))
_WIDEST_FILLER = "\U0001f5d9"
#: a shorter token belongs to a test gateway and may be any word
_MIN_TOKEN_LENGTH = 8


class Redactor:
    """Redacts the data of events.

    Args:
        token: the bot's token, which is redacted in every text.
        keep_content: whether to keep user content; secrets within it are redacted.
    """

    def __init__(self, token: str = "", keep_content: bool = False) -> None:
        self._own = re.compile(f"()({re.escape(token)})") if len(token) >= _MIN_TOKEN_LENGTH else None
        self._keep = keep_content

    def redact(self, name: str, data: Any) -> Any:
        """Return a redacted copy of `data`, the data of the event `name`."""
        if name == "INTERACTION_CREATE" and isinstance(data, dict) and isinstance(data.get("data"), dict):
            return {**self._value("", data), "data": self._command(data["data"])}
        return self._value("", data)

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._key(name): self._member(key, str(name), inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._value(key, inner) for inner in value]
        if isinstance(value, str):
            return self._text(value) if self._keep else value if _is_known(key, value) else filler(value)
        return value

    def _member(self, outer: str, name: str, value: Any) -> Any:
        if _SECRET_KEY.search(name):
            return _secret(value)
        # The name of an emoji is not user content.
        return self._value("emoji_name" if (outer, name) == ("emoji", "name") else name, value)

    def _key(self, key: Any) -> Any:
        # Discord's keys are identifiers or ids; anything else is redacted.
        return key if not isinstance(key, str) or re.fullmatch(r"[\w-]{1,64}", key, re.ASCII) else filler(key)

    def _text(self, text: str) -> str:
        for pattern in (self._own, *_SECRETS) if self._own else _SECRETS:
            text = pattern.sub(lambda found: found[1] + filler(found[2]), text)
        return text

    def _command(self, data: dict[str, Any]) -> dict[str, Any]:
        """Redact a command: names of commands and options are the bot owner's and kept, values are user content."""
        redacted: dict[str, Any] = self._value("", data)
        name, value = data.get("name"), data.get("value")
        if isinstance(name, str) and _COMMAND.fullmatch(name):
            redacted["name"] = name
        if data.get("type") in _ID_OPTION_TYPES and isinstance(value, str) and _ID.fullmatch(value):
            redacted["value"] = value
        if isinstance(data.get("options"), list):
            redacted["options"] = [
                self._command(option) if isinstance(option, dict) else self._value("", option)
                for option in data["options"]
            ]
        return redacted


def filler(text: str) -> str:
    """Return filler with the same number of characters and of bytes in UTF-8."""
    return "".join(next((fill for end, fill in _FILLERS if ord(char) < end), _WIDEST_FILLER) for char in text)


def _secret(value: Any) -> Any:
    """Return a replacement of the same type as `value`, so that consumers can parse it."""
    if isinstance(value, dict):
        return {key: _secret(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_secret(inner) for inner in value]
    if isinstance(value, str):
        return filler(value)
    return value if value is None or isinstance(value, bool) else 0


def _is_known(key: str, text: str) -> bool:
    """Return whether `text` is known not to be user content."""
    if key == "emoji_name":
        return bool(_EMOJI.fullmatch(text))
    if any(keys.fullmatch(key) and values.fullmatch(text) for keys, values in _KNOWN_FIELDS):
        return True
    if _USER_CONTENT.search(key):
        return False
    return bool(_ID.fullmatch(text) or _TIME.fullmatch(text))
