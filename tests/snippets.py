"""Find the code blocks of a documentation page, and run them against a local gateway."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vox_gateway import Client, IdentifyGate, ShardManager, get_gateway_bot
from vox_gateway.testing import LocalGateway

ROOT = Path(__file__).parent.parent

_BLOCK = re.compile(r"^```([\w{}-]+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\n+[^\n`]*\bprints:\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INCLUDED = re.compile(r"^```{literalinclude} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    """A code block.

    Attributes:
        page: the page that contains it.
        line: the line of its opening fence.
        language: the info string of the fence.
        code: its text.
        prints: the output that the page shows; None if it shows none.
    """

    page: Path
    line: int
    language: str
    code: str
    prints: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_session(self) -> bool:
        """Whether it is an interactive session, with prompts."""
        return self.code.startswith(">>> ")

    def run(self) -> dict[str, Any]:
        """Run it; return the namespace of a script. A session must print the output that it shows."""
        if self.is_session:
            session = doctest.DocTestParser().get_doctest(self.code, {}, str(self), str(self.page), self.line)
            results = doctest.DocTestRunner(verbose=False).run(session)
            assert results.attempted > 5
            assert results.failed == 0
            return {}
        namespace: dict[str, Any] = {"__name__": "snippet"}
        # Offset by the line on the page, so that tracebacks show the right one.
        exec(compile("\n" * self.line + self.code, str(self.page), "exec"), namespace)
        return namespace


def snippets(page: Path, language: str | None = None) -> list[Snippet]:
    """Return the code blocks of a page, in one language or in all."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        output = _OUTPUT.match(text, match.end())
        line = text.count("\n", 0, match.start()) + 1
        found.append(Snippet(page, line, match[1], match[2], output and output[1]))
    return [snippet for snippet in found if language in (None, snippet.language)]


def included_files(page: Path) -> list[Path]:
    """Return the files that a page includes."""
    return [(page.parent / name).resolve() for name in _INCLUDED.findall(page.read_text(encoding="utf-8"))]


@contextmanager
def gateway_for_discord(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[LocalGateway]:
    """Run a gateway in place of Discord: the defaults of `url` and `api_url` point to it."""
    with LocalGateway(**{"identify_interval": 0, **options}) as gateway:
        monkeypatch.setenv("DISCORD_TOKEN", "MTEw.Gabc.not-a-real-token")
        for kind in (Client, ShardManager):
            monkeypatch.setitem(kind.__init__.__kwdefaults__, "url", gateway.url)
            monkeypatch.setitem(kind.__init__.__kwdefaults__, "api_url", gateway.http_url)
            monkeypatch.setitem(kind.__init__.__kwdefaults__, "identify_gate", IdentifyGate(interval=0))
        monkeypatch.setitem(get_gateway_bot.__kwdefaults__, "api_url", gateway.http_url)
        yield gateway


def say(gateway: LocalGateway, content: str) -> None:
    """Dispatch a message of the user ada in the first guild."""
    guild = gateway.guilds[0]
    message = {
        "id": "1",
        "guild_id": guild["id"],
        "channel_id": guild["channels"][0]["id"],
        "author": {"id": "3", "username": "ada"},
        "content": content,
    }
    gateway.dispatch("MESSAGE_CREATE", message)
