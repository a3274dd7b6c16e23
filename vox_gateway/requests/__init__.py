"""Commands whose answer the caller waits for.

::

    caller ──▶ Questions ──▶ Inquiry ──▶ outbox        what is asked, and how far its answer has come, is a `Request`,
                                ▲                      which is pure; an `PendingRequest` is one under way, and may have
                                └── taps (dispatcher)  several callers
"""

from .members import Members
from .requester import Requester
from .voice import VoiceConnection

__all__ = ["Members", "Requester", "VoiceConnection"]
