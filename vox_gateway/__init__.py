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
    GatewayError,
    InflateError,
    InvalidIntents,
    InvalidShard,
    InvalidVersion,
    MissingExtra,
    NotConnected,
    PayloadTooLarge,
    ProtocolViolation,
    ShardingRequired,
    StreamEnded,
    UpgradeRefused,
)
from .event import Event
from .fast_packages import speedups
from .identify_gate import IdentifyGate
from .intents import Intents
from .logs import LOGGER
from .opcodes import OPCODES, CloseCode, Opcode
from .options import DEFAULT_PROPERTIES
from .session import Session
from .stats import Stats, Status
from .stream import EventStream
from .urls import DEFAULT_GATEWAY, GATEWAY_VERSION

__all__ = [
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
    "Event",
    "EventStream",
    "GatewayError",
    "IdentifyGate",
    "InflateError",
    "Intents",
    "InvalidIntents",
    "InvalidShard",
    "InvalidVersion",
    "MissingExtra",
    "NotConnected",
    "Opcode",
    "PayloadTooLarge",
    "ProtocolViolation",
    "Session",
    "ShardingRequired",
    "Stats",
    "Status",
    "StreamEnded",
    "UpgradeRefused",
    "__version__",
    "speedups",
]
