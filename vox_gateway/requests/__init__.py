"""Commands whose answer the caller waits for.

::

    caller ──▶ Questions ──▶ Inquiry ──▶ outbox        what is asked, and how far its answer has come, is a `Question`,
                                ▲                      which is pure; an `Inquiry` is one under way, and may have
                                └── taps (dispatcher)  several callers
"""

from .members import Members
from .requester import Questions
from .voice import VoiceConnection

__all__ = ["Members", "Questions", "VoiceConnection"]
