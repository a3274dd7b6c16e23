"""Commands whose caller waits for the answer.

::

    Client ──▶ Requester ──▶ PendingRequests ──▶ PendingRequest ──▶ CommandSender
               arguments     equal requests      commands, turns    the websocket
               are checked   are joined               ▲
                                                      └── events, from the dispatcher

Enters: a call of a `Client` method, on the caller's thread, which does all the work; and events, posted by the
dispatcher's thread. Leaves: commands, and the answer to the caller. A kind of request (`Request`: its commands, and the
events that answer them) is pure.
"""

from .members import Members
from .requester import Requester, Requests
from .voice import VoiceConnection

__all__ = ["Members", "Requester", "Requests", "VoiceConnection"]
