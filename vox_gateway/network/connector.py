"""Opens a connected stream: name lookup, TCP, proxy, TLS.

Called on the reader thread, or on the thread of a bounded call. The stream goes to the WebSocket (`websocket`) or to
a single HTTP request (`http`).
"""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass

from .._version import __version__
from ..concurrency.wakeup import Deadline, DeadlinePassed, Wakeup
from ..errors import ConnectFailed
from .dial import dial
from .proxy import Proxy, proxy_from_environment, tunnel
from .transport import READ_SIZE, Transport

__all__ = ["USER_AGENT", "Network", "default_ssl_context"]

#: the User-Agent of every request; see https://docs.discord.com/developers/reference#user-agent
USER_AGENT = f"DiscordBot (vox_gateway, {__version__})"


@dataclass(frozen=True, slots=True)
class Network:
    """How connections are opened.

    Attributes:
        proxy: the proxy to use; None reads the environment.
        ssl_context: verifies the server; shared by all connections.
        connect_timeout: seconds for all steps up to the first answer together.
        max_message_size: bytes of the largest message accepted.
        timeout_name: the user's name for `connect_timeout`.
        read_size: bytes of a read.
    """

    proxy: Proxy | None
    ssl_context: ssl.SSLContext
    connect_timeout: float
    max_message_size: int
    timeout_name: str = "connect_timeout"
    read_size: int = READ_SIZE

    def proxy_for(self, host: str, secure: bool) -> Proxy | None:
        """Return the proxy for connections to `host`, or None."""
        return self.proxy or proxy_from_environment(host, secure)

    def connect(self, host: str, port: int, secure: bool, deadline: Deadline, wakeup: Wakeup) -> Transport:
        """Connect to `host`. The caller closes the transport.

        Args:
            secure: use TLS.
            deadline: of this call, and of every later wait of the transport.
            wakeup: ends every wait.

        Raises:
            ConnectFailed: a step failed or took too long.
            Interrupted: `wakeup` was set.
        """
        step = f"connecting to {host} port {port}"
        try:
            proxy = self.proxy_for(host, secure)
            first_hop = (proxy.host, proxy.port) if proxy else (host, port)
            transport = Transport(dial(*first_hop, deadline, wakeup), wakeup, deadline, self.read_size)
            try:
                if proxy:
                    step = f"the proxy {proxy.host} port {proxy.port}"
                    tunnel(proxy, transport, host, port)
                if secure:
                    step = f"TLS with {host}"
                    transport.start_tls(self.ssl_context, host)
            except BaseException:
                transport.close()
                raise
        except DeadlinePassed:
            raise self.too_slow(step) from None
        return transport

    def too_slow(self, step: str) -> ConnectFailed:
        """Return the error for a `step` that took too long."""
        return ConnectFailed(f"{step} took longer than {self.timeout_name}={self.connect_timeout:g} seconds")


@functools.cache
def default_ssl_context() -> ssl.SSLContext:
    """Return the context that trusts the certificates that the system trusts.

    One for the process: it holds all of these certificates, some hundred kilobytes.
    """
    return ssl.create_default_context()
