"""A blocking, thread-based client for the Discord Gateway."""

from typing import TYPE_CHECKING

from . import events
from ._version import __version__
from .arguments.defaults import DEFAULT_PROPERTIES
from .capabilities import CHANNEL_OBFUSCATED, Capabilities
from .client import Client
from .diagnostics.stats import Stats, Status
from .errors import (
    AlreadyConnected,
    AuthenticationFailed,
    CertificateInvalid,
    CommandTimeout,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    CoordinationFailed,
    DecodeError,
    DisallowedIntents,
    DiscoveryFailed,
    GatewayError,
    InflateError,
    InvalidIntents,
    InvalidShard,
    InvalidVersion,
    MissingExtra,
    NotConnected,
    PayloadTooLarge,
    ProtocolViolation,
    RateLimited,
    ReshardFailed,
    ShardingRequired,
    StreamEnded,
    ThreadFailed,
    TokenRefused,
    UpgradeRefused,
)
from .event import Event
from .intents import Intents
from .log import LOGGER
from .network.urls import DEFAULT_API, DEFAULT_GATEWAY, GATEWAY_VERSION
from .opcodes import OPCODES, CloseCode, Opcode
from .session.state import Session

if TYPE_CHECKING:
    from .accelerators import speedups
    from .discovery.gateway_bot import GatewayBot, get_gateway_bot
    from .discovery.identify_limiter import IdentifyGate
    from .discovery.session_start_limit import SessionStartLimit
    from .dispatch.guilds import Arrival, Guilds, GuildState
    from .dispatch.stream import EventStream
    from .requests import Members, VoiceConnection
    from .session.format import SavedSession
    from .session.store import SessionStore
    from .sharding import ManagedShard, ShardManager
else:
    from . import _lazy

    # What a program names seldom, or gets from a client: imported when it is first used. The same as above.
    __getattr__, __dir__ = _lazy.lazy_names(
        __name__,
        {
            "accelerators": ("speedups",),
            "discovery.gateway_bot": ("GatewayBot", "get_gateway_bot"),
            "discovery.identify_limiter": ("IdentifyGate",),
            "discovery.session_start_limit": ("SessionStartLimit",),
            "dispatch.guilds": ("Arrival", "GuildState", "Guilds"),
            "dispatch.stream": ("EventStream",),
            "requests": ("Members", "VoiceConnection"),
            "session.format": ("SavedSession",),
            "session.store": ("SessionStore",),
            "sharding": ("ManagedShard", "ShardManager"),
        },
    )

__all__ = [
    "CHANNEL_OBFUSCATED",
    "DEFAULT_API",
    "DEFAULT_GATEWAY",
    "DEFAULT_PROPERTIES",
    "GATEWAY_VERSION",
    "LOGGER",
    "OPCODES",
    "AlreadyConnected",
    "Arrival",
    "AuthenticationFailed",
    "Capabilities",
    "CertificateInvalid",
    "Client",
    "CloseCode",
    "CommandTimeout",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "CoordinationFailed",
    "DecodeError",
    "DisallowedIntents",
    "DiscoveryFailed",
    "Event",
    "EventStream",
    "GatewayBot",
    "GatewayError",
    "GuildState",
    "Guilds",
    "IdentifyGate",
    "InflateError",
    "Intents",
    "InvalidIntents",
    "InvalidShard",
    "InvalidVersion",
    "ManagedShard",
    "Members",
    "MissingExtra",
    "NotConnected",
    "Opcode",
    "PayloadTooLarge",
    "ProtocolViolation",
    "RateLimited",
    "ReshardFailed",
    "SavedSession",
    "Session",
    "SessionStartLimit",
    "SessionStore",
    "ShardManager",
    "ShardingRequired",
    "Stats",
    "Status",
    "StreamEnded",
    "ThreadFailed",
    "TokenRefused",
    "UpgradeRefused",
    "VoiceConnection",
    "__version__",
    "events",
    "get_gateway_bot",
    "speedups",
]
