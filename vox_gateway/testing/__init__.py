"""A local Discord Gateway for tests and demonstrations.

`LocalGateway` is a server on loopback with real sockets and websockets, the documented behaviour, and
faults on demand. It shares no code with the client, so that they do not share a mistake::

    with LocalGateway() as gateway:
        ...  # connect a client to gateway.url
        gateway.expect("IDENTIFY")
        gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "hello"))
        gateway.drop("reset")
        gateway.expect("RESUME")
"""

try:
    import h11  # noqa: F401
    import websockets.server  # noqa: F401
except ImportError as _error:
    raise ImportError('the local gateway needs websockets and h11: pip install "vox-gateway[testing]"') from _error

from .events import message, slash_command
from .faults import Faults
from .gateway import LocalGateway
from .http_api import HttpApi
from .records import Closed, ConnectionRecord, HttpRequest, Received, SessionRefused, SessionView
from .world import channel, guild, member, soundboard_sound, user

__all__ = [
    "Closed",
    "ConnectionRecord",
    "Faults",
    "HttpApi",
    "HttpRequest",
    "LocalGateway",
    "Received",
    "SessionRefused",
    "SessionView",
    "channel",
    "guild",
    "member",
    "message",
    "slash_command",
    "soundboard_sound",
    "user",
]
