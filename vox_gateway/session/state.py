"""What outlives a connection: the session that a RESUME continues."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Session"]


@dataclass(slots=True)
class Session:
    """A gateway session ("Resuming" in the official Gateway documentation).

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

    def clear(self) -> None:
        """Forget the session: the next connection begins a new one."""
        self.id = self.seq = self.resume_url = None
