"""Which client a session belongs to: it marks what is saved, and judges what is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..network.urls import GATEWAY_VERSION
from .format import SavedSession
from .state import Session

__all__ = ["SessionOwner"]


@dataclass(frozen=True)
class SessionOwner:
    """The bot, shard and settings that may resume a session.

    Attributes:
        bot: fingerprint of the bot's id.
        shard: shard id and number of shards.
        identity: fingerprint of the token, intents and capabilities, which a RESUME cannot change.
        settings: encoding, compression and gateway version, which a RESUME must repeat.
    """

    bot: str
    shard: tuple[int, int]
    identity: str
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        *,
        token: str,
        shard: tuple[int, int],
        intents: int,
        encoding: str,
        compress: str | None,
        version: int = GATEWAY_VERSION,
        capabilities: int = 0,
    ) -> SessionOwner:
        """Return the client with these arguments."""
        # The first part of a token is the bot's id, which a token reset keeps.
        bot_id = token.partition(".")[0]
        settings = {"encoding": encoding, "compress": compress, "version": version}
        identity = f"{token} {intents} {capabilities}" if capabilities else f"{token} {intents}"
        return cls(_fingerprint(bot_id), shard, _fingerprint(identity), settings)

    def mark(self, session: Session) -> SavedSession:
        """Return what is saved of a session, which must be resumable."""
        assert session.id is not None
        assert session.seq is not None
        return SavedSession(
            session_id=session.id,
            seq=session.seq,
            resume_url=session.resume_url,
            user_id=session.user_id,
            shard=self.shard,
            settings=self.settings,
            bot=self.bot,
            identity=self.identity,
        )

    def check(self, saved: SavedSession, where: str) -> None:
        """Refuse what this client must not replace.

        Args:
            where: names the store.

        Raises:
            ValueError: it is another bot's or shard's.
        """
        if saved.bot != self.bot:
            raise ValueError(f"{where} belongs to another bot: use a separate session_file for each bot")
        if saved.shard != self.shard:
            shard = "/".join(map(str, saved.shard))
            raise ValueError(f"{where} belongs to shard {shard}: use a separate session_file for each shard")

    def difference(self, saved: SavedSession) -> str | None:
        """Return why this client cannot resume it; None if it can."""
        if saved.identity != self.identity:
            return "its session has another token, intents or capabilities"
        for name, ours in self.settings.items():
            # Format 1 holds no settings, and is resumed with any.
            if saved.settings is not None and (theirs := saved.settings.get(name)) != ours:
                return f"its session has {name}={theirs!r}, and this client {name}={ours!r}"
        return None


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(f"vox_gateway {secret}".encode()).hexdigest()[:32]
