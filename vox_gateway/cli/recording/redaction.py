"""What a recording never holds: the one place of the rule, which `RULE` tells to people. Pure.

Texts are kept only where what they are is known: an unknown field of Discord's is redacted, not shown.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["RULE", "Redactor"]

RULE: Final = """\
Never recorded is what would let anybody act as the bot or read what is
private: the value of every key that holds "token", "session_id", "secret",
"password" or "signature", resume_gateway_url, and the codes of invites; and
inside of all texts, tokens, the addresses of webhooks, interactions and
invites, and what signs the address of an attachment.

Of people, ids, times and numbers are recorded. Their texts are not, unless
--keep-content says so: messages, embeds, names, emails and addresses, and in
short every text but ids, times, flags, locales, kinds, the names of commands
and emojis of Unicode. In its place stands as much filler, so that sizes stay
what they were."""

_SECRET_KEY = re.compile(r"token|session_?id|secret|password|signature|^resume_?gateway_?url$|^code$", re.IGNORECASE)

#: secrets inside of texts; what is redacted of each is its last group
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

#: what a text may be to be kept, under any key but those of texts
_ID = re.compile(r"\d{17,20}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
#: keys below which people write what they like
_OF_PEOPLE = re.compile("content|name|nick|title|text|description|value|topic|state|details|email|label", re.IGNORECASE)
#: what a text may be to be kept, under keys that say what they hold
_KINDS = tuple(
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
#: types of a command's options whose values are ids: user, channel, role, mentionable
_OPTIONS_OF_IDS = (6, 7, 8, 9)
#: letters, digits and punctuation of people's names are no emoji; keycaps are no loss
_EMOJI = re.compile(r"[^\x00-\u00ff\w\s]{1,16}|[\u00a9\u00ae]\ufe0f?")

#: in the place of a character stands one that takes as many bytes of UTF-8
_FILLERS = ((0x80, "x"), (0x800, "\u00d7"), (0x10000, "\u2718"))
_WIDEST = "\U0001f5d9"
#: a shorter "token" is one of a gateway for tests, and may be any word
_LEAST_TOKEN = 8


class Redactor:
    """Makes of an event's data what may be recorded.

    Args:
        token: the bot's own, which is looked for in every text.
        keep_content: keep the texts of people, but for the secrets inside.
    """

    def __init__(self, token: str = "", keep_content: bool = False) -> None:
        self._own = re.compile(f"()({re.escape(token)})") if len(token) >= _LEAST_TOKEN else None
        self._keep = keep_content

    def redact(self, name: str, data: Any) -> Any:
        """A copy of `data`, the data of an event of this name."""
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
        # An emoji's name is an emoji's, and not a person's.
        return self._value("emoji_name" if (outer, name) == ("emoji", "name") else name, value)

    def _key(self, key: Any) -> Any:
        # Keys are Discord's own words, or ids. One that is neither was never seen.
        return key if not isinstance(key, str) or re.fullmatch(r"[\w-]{1,64}", key, re.ASCII) else filler(key)

    def _text(self, text: str) -> str:
        for pattern in (self._own, *_SECRETS) if self._own else _SECRETS:
            text = pattern.sub(lambda found: found[1] + filler(found[2]), text)
        return text

    def _command(self, data: dict[str, Any]) -> dict[str, Any]:
        """A command and its options: what they are called was chosen by the bot's owner, what they hold by people."""
        redacted: dict[str, Any] = self._value("", data)
        name, value = data.get("name"), data.get("value")
        if isinstance(name, str) and _COMMAND.fullmatch(name):
            redacted["name"] = name
        if data.get("type") in _OPTIONS_OF_IDS and isinstance(value, str) and _ID.fullmatch(value):
            redacted["value"] = value
        if isinstance(data.get("options"), list):
            redacted["options"] = [
                self._command(one) if isinstance(one, dict) else self._value("", one) for one in data["options"]
            ]
        return redacted


def filler(text: str) -> str:
    """As many characters that say nothing, and as many bytes."""
    return "".join(next((fill for end, fill in _FILLERS if ord(one) < end), _WIDEST) for one in text)


def _secret(value: Any) -> Any:
    """What stands in the place of a secret: of the same kind, so that who reads it finds what it expects."""
    if isinstance(value, dict):
        return {key: _secret(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_secret(inner) for inner in value]
    if isinstance(value, str):
        return filler(value)
    return value if value is None or isinstance(value, bool) else 0


def _is_known(key: str, text: str) -> bool:
    """Whether it is known what `text` is, and that it is not a person's."""
    if key == "emoji_name":
        return bool(_EMOJI.fullmatch(text))
    if any(keys.fullmatch(key) and values.fullmatch(text) for keys, values in _KINDS):
        return True
    if _OF_PEOPLE.search(key):
        return False
    return bool(_ID.fullmatch(text) or _TIME.fullmatch(text))
