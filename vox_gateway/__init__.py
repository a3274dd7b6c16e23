"""A blocking, thread-based client for the Discord Gateway."""

from ._version import __version__
from .client import Client
from .errors import (
    AlreadyConnected,
    AuthenticationFailed,
    CertificateInvalid,
    CommandTimeout,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
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
    ShardingRequired,
    StreamEnded,
    ThreadFailed,
    TokenRefused,
    UpgradeRefused,
)
from .event import Event
from .fast_packages import speedups
from .gateway_bot import GatewayBot, get_gateway_bot
from .identify_gate import IdentifyGate
from .intents import Intents
from .logs import LOGGER
from .opcodes import OPCODES, CloseCode, Opcode
from .options import DEFAULT_PROPERTIES
from .questions import Members, VoiceConnection
from .session import Session
from .session_starts import SessionStartLimit
from .stats import Stats, Status
from .stream import EventStream
from .urls import DEFAULT_API, DEFAULT_GATEWAY, GATEWAY_VERSION

__all__ = [
    "DEFAULT_API",
    "DEFAULT_GATEWAY",
    "DEFAULT_PROPERTIES",
    "GATEWAY_VERSION",
    "LOGGER",
    "OPCODES",
    "AlreadyConnected",
    "AuthenticationFailed",
    "CertificateInvalid",
    "Client",
    "CloseCode",
    "CommandTimeout",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "DecodeError",
    "DisallowedIntents",
    "DiscoveryFailed",
    "Event",
    "EventStream",
    "GatewayBot",
    "GatewayError",
    "IdentifyGate",
    "InflateError",
    "Intents",
    "InvalidIntents",
    "InvalidShard",
    "InvalidVersion",
    "Members",
    "MissingExtra",
    "NotConnected",
    "Opcode",
    "PayloadTooLarge",
    "ProtocolViolation",
    "RateLimited",
    "Session",
    "SessionStartLimit",
    "ShardingRequired",
    "Stats",
    "Status",
    "StreamEnded",
    "ThreadFailed",
    "TokenRefused",
    "UpgradeRefused",
    "VoiceConnection",
    "__version__",
    "get_gateway_bot",
    "speedups",
]
