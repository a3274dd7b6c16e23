"""Checks all arguments of a client at once, and keeps them in the form that the other modules use.

Called on the thread that makes the client; the frozen result is read by every thread.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .accelerators import JSON_READERS, Reader
from .arguments.validation import (
    check_capabilities,
    check_choice,
    check_count,
    check_intents,
    check_large_threshold,
    check_port,
    check_properties,
    check_seconds,
    check_session_file,
    check_shard,
    check_ssl_context,
    check_token,
)
from .capabilities import Capabilities
from .compression import INFLATERS
from .discovery.identify_limiter import IdentifyGate, gate_for
from .encoding import CODECS, Codec, JSONCodec
from .errors import PayloadTooLarge
from .intents import Intents
from .network.connector import Network, default_ssl_context
from .network.http import import_http_client
from .network.proxy import check_proxy
from .network.transport import READ_SIZE, SMALL_READ_SIZE
from .network.urls import APIURL, DEFAULT_GATEWAY, gateway_url, version_of
from .network.urls import api_url as check_api_url
from .opcodes import Opcode, opcode_name
from .protocol import payloads
from .session.file import SessionFile
from .session.owner import SessionOwner
from .session.store import OwnedStore, SessionStore

__all__ = ["CALLER", "MAX_PAYLOAD", "Options", "make_options"]

#: the compression that is requested in IDENTIFY, not in the URL
PAYLOAD_COMPRESSION = "payload"
#: where handlers run: on threads of the client, or on the thread that calls `Client.dispatch_pending`
THREAD, CALLER = HANDLERS = "thread", "caller"
#: bytes of the largest message that can be asked for: decompressors are given the number after it
LARGEST_MESSAGE = sys.maxsize - 1
#: bytes that the gateway accepts in an event.
#: See: https://docs.discord.com/developers/events/gateway#sending-events
MAX_PAYLOAD = 4096


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of a client, all checked."""

    url: str | None
    version: int
    api: APIURL
    token: str = field(repr=False)
    port: int | None
    codec: Codec
    compress: str | None
    shard: tuple[int, int]
    properties: dict[str, str]
    large_threshold: int | None
    presence: dict[str, Any] | None
    intents: Intents
    capabilities: Capabilities
    network: Network
    slow_handler_warning: float
    backlog: int
    backlog_bytes: int
    handlers: str
    workers: int
    session_store: OwnedStore | None
    identify_gate: IdentifyGate
    #: asked before each attempt to connect: whether this process runs the shard now
    may_connect: Callable[[], bool] = lambda: True

    @property
    def secure(self) -> bool:
        """Whether the token must not be sent without TLS."""
        return self.api.secure if self.url is None else self.url.lower().startswith("wss:")

    @property
    def transport_compression(self) -> str | None:
        """The URL's ``compress``; None also for payload compression, which is requested in IDENTIFY."""
        return None if self.compress == PAYLOAD_COMPRESSION else self.compress

    @property
    def name(self) -> str:
        """The prefix of the names of the client's threads."""
        return f"vox_gateway-{self.shard[0]}/{self.shard[1]}"

    def for_shard(self, shard: tuple[int, int], session_file: str | SessionStore | None) -> Options:
        """Return the same options for another shard.

        Raises:
            TypeError, ValueError: `session_file` cannot be used for this shard.
            OSError: `session_file` cannot be read.
        """
        owner = SessionOwner.of(
            token=self.token,
            shard=shard,
            intents=int(self.intents),
            encoding=self.codec.name,
            compress=self.compress,
            version=self.version,
            capabilities=int(self.capabilities),
        )
        return replace(self, shard=shard, session_store=_session_store(session_file, owner))

    def identify(self, presence: dict[str, Any] | None) -> dict[str, Any]:
        """Return the data of an IDENTIFY with `presence`."""
        return payloads.identify(
            token=self.token,
            intents=int(self.intents),
            properties=self.properties,
            shard=self.shard,
            large_threshold=self.large_threshold,
            presence=presence,
            compress=self.compress == PAYLOAD_COMPRESSION,
            capabilities=int(self.capabilities),
        )

    def encode(self, op: int, data: Any) -> bytes:
        """Encode a command.

        Args:
            op: the number of its opcode.
            data: the payload's ``d``.

        Raises:
            PayloadTooLarge: it is larger than the gateway accepts.
            TypeError, ValueError: `data` holds a value that cannot be encoded.
        """
        encoded = self.codec.encode({"op": int(op), "d": data})
        if len(encoded) > MAX_PAYLOAD:
            raise PayloadTooLarge(opcode_name(op), len(encoded), MAX_PAYLOAD)
        return encoded


def make_options(
    *,
    url: str | None,
    api_url: str,
    token: str,
    port: int | None,
    encoding: str,
    compress: bool | str,
    json: str | Reader | None,
    shard: tuple[int, int],
    properties: Mapping[str, str],
    large_threshold: int | None,
    presence: Mapping[str, Any] | None,
    intents: int | None,
    capabilities: int,
    proxy: str | None,
    ssl_context: ssl.SSLContext | None,
    connect_timeout: float,
    max_message_size: int,
    slow_handler_warning: float,
    backlog: int,
    backlog_bytes: int,
    handlers: str,
    workers: int,
    session_file: str | os.PathLike[str] | SessionStore | None,
    identify_gate: IdentifyGate | None,
) -> Options:
    """Check all arguments of `Client`, where they are described.

    Raises:
        TypeError, ValueError: an argument cannot be used; the message has its name, its value (never the token) and
            what it must be.
        MissingExtra: `compress` or `proxy` needs a package that is not installed.
        OSError: `session_file` cannot be read.
    """
    token = check_token(token)
    max_message_size = min(check_count("max_message_size", max_message_size, 4096), LARGEST_MESSAGE)
    codec = _codec(encoding, max_message_size, json)
    compression = _compression(compress, codec, max_message_size)
    api = check_api_url(api_url)
    gateway_url(DEFAULT_GATEWAY if url is None else url, encoding=codec.name, compress=None, port=check_port(port))
    version = version_of(url)
    if url is None:
        import_http_client()
    if identify_gate is not None and not isinstance(identify_gate, IdentifyGate):
        raise TypeError(f"identify_gate must be an IdentifyGate or None, not {identify_gate!r}")
    options = Options(
        url=url,
        version=version,
        api=api,
        token=token,
        port=port,
        codec=codec,
        compress=compression,
        shard=check_shard(shard),
        properties=check_properties(properties),
        large_threshold=check_large_threshold(large_threshold),
        presence=None if presence is None else payloads.check_presence(presence),
        intents=check_intents(intents),
        capabilities=check_capabilities(capabilities),
        network=Network(
            proxy=check_proxy(proxy),
            ssl_context=check_ssl_context(ssl_context) or default_ssl_context(),
            connect_timeout=check_seconds("connect_timeout", connect_timeout),
            max_message_size=max_message_size,
            read_size=READ_SIZE if codec.decodes_late else SMALL_READ_SIZE,
        ),
        slow_handler_warning=check_seconds("slow_handler_warning", slow_handler_warning),
        backlog=check_count("backlog", backlog, 1),
        backlog_bytes=check_count("backlog_bytes", backlog_bytes, 1),
        handlers=_handlers(handlers, workers),
        workers=check_count("workers", workers, 0),
        session_store=_session_store(
            session_file,
            SessionOwner.of(
                token=token,
                shard=check_shard(shard),
                intents=int(check_intents(intents)),
                encoding=codec.name,
                compress=compression,
                version=version,
                capabilities=int(check_capabilities(capabilities)),
            ),
        ),
        identify_gate=identify_gate or gate_for(token, str(api) if url is None else url),
    )
    try:
        options.encode(Opcode.IDENTIFY, options.identify(options.presence))
    except PayloadTooLarge as error:
        raise ValueError(f"presence and properties are too large: {error}") from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"presence and properties: {error}") from None
    return options


def _codec(encoding: object, max_message_size: int, json: object) -> Codec:
    if not isinstance(encoding, str):
        raise TypeError(f"encoding must be one of {', '.join(CODECS)}, not {encoding!r}")
    if encoding not in CODECS:
        raise ValueError(f"encoding must be one of {', '.join(CODECS)}, not {encoding!r}")
    if json is None:
        return CODECS[encoding](max_message_size)
    if encoding != "json":
        raise ValueError(f"json is for encoding='json' only, and encoding is {encoding!r}")
    if isinstance(json, str) and json not in JSON_READERS:
        hint = f": pip install {json}" if json in ("msgspec", "orjson") else ""
        raise ValueError(f"json must be one of {', '.join(JSON_READERS)}, or a function, not {json!r}{hint}")
    if callable(json):
        _check_reader(json)
    elif not isinstance(json, str):
        raise TypeError(f"json must be a name or a function from bytes to a value, not {json!r}")
    return JSONCodec(max_message_size, json)


def _check_reader(read: Callable[[bytes], object]) -> None:
    sample = b'{"t":null,"s":null,"op":11,"d":null}'
    try:
        value = read(sample)
    except Exception as error:
        raise ValueError(f"json must read JSON from bytes, but {read!r} raised {error!r} for {sample!r}") from error
    if type(value) is not dict:  # nor a subclass: payloads are plain dicts
        raise TypeError(f"json must return plain dicts, but {read!r} returned {value!r} for {sample!r}")


def _compression(compress: object, codec: Codec, max_message_size: int) -> str | None:
    if compress is True:
        return "zlib-stream"
    if compress is False or compress is None:
        return None
    if not isinstance(compress, str):
        raise TypeError(f"compress must be True, False or the name of a compression, not {compress!r}")
    if compress not in INFLATERS:
        known = ", ".join(repr(name) for name in INFLATERS if name)
        raise ValueError(f"compress must be True, False or one of {known}, not {compress!r}")
    if compress == PAYLOAD_COMPRESSION and not codec.text:
        raise ValueError(f"compress={compress!r} needs encoding='json', not {codec.name!r}; use True for a zlib-stream")
    INFLATERS[compress](max_message_size)  # raises MissingExtra now instead of in `connect`
    return compress


def _handlers(handlers: object, workers: object) -> str:
    if check_choice("handlers", handlers, HANDLERS) == CALLER and workers:
        raise ValueError(f"workers={workers!r} is for handlers={THREAD!r}, and handlers is {handlers!r}")
    return str(handlers)


def _session_store(given: object, owner: SessionOwner) -> OwnedStore | None:
    store: SessionStore
    if isinstance(given, SessionStore) and not isinstance(given, type):
        store = given
    elif (path := check_session_file(given)) is not None:
        store = SessionFile(path)
    else:
        return None
    owned = OwnedStore(store, owner)
    owned.check()  # says now, and not at connect, when a file is another bot's
    return owned
