"""The session that a RESUME continues."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """A gateway session; immutable, and replaced as a whole.

    See: https://docs.discord.com/developers/events/gateway#resuming

    Attributes:
        id: the session's id from READY, or None before it.
        seq: the sequence number of the last event received, or None before the first.
        resume_url: where the session resumes, or None before READY.
        user_id: the bot's user id from READY, or None before it.
    """

    id: str | None = None
    seq: int | None = None
    resume_url: str | None = None
    user_id: str | None = field(default=None, compare=False)  # the bot's, and so the same in all its sessions

    @property
    def resumable(self) -> bool:
        """Whether a RESUME is possible: it needs both an id and a sequence number."""
        return self.id is not None and self.seq is not None

    def at(self, seq: int | None) -> Session:
        """Return the session with another sequence number."""
        return self if seq == self.seq else Session(self.id, seq, self.resume_url, self.user_id)

    def without_id(self) -> Session:
        """Return what remains when the session is over: the next connection begins another."""
        return Session(user_id=self.user_id)
