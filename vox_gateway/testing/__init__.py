"""A local Discord Gateway for tests and demonstrations.

`LocalGateway` is a server on loopback with real sockets and websockets, the documented behaviour, and
faults on demand. It shares no code with the client, so that they do not share a mistake::

    with LocalGateway() as gateway:
        ...  # connect a client to gateway.url
        gateway.expect("IDENTIFY")
        gateway.dispatch("MESSAGE_CREATE", {"content": "hello"})
        gateway.drop("reset")
        gateway.expect("RESUME")
"""

try:
    import websockets.server  # noqa: F401
except ImportError as error:
    raise ImportError('the local gateway needs the websockets package: pip install "vox-gateway[testing]"') from error

from .faults import Faults
from .gateway import LocalGateway
from .records import Closed, ConnectionRecord, HttpRequest, Received, SessionRefused, SessionView
from .world import channel, guild, member, soundboard_sound, user

__all__ = [
    "Closed",
    "ConnectionRecord",
    "Faults",
    "HttpRequest",
    "LocalGateway",
    "Received",
    "SessionRefused",
    "SessionView",
    "channel",
    "guild",
    "member",
    "soundboard_sound",
    "user",
]
