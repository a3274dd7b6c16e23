"""The listening socket, which can be closed and opened again on the same port."""

from __future__ import annotations

import socket

from ..faults import IgnoredConnection
from .connection import Connection
from .event_loop import READ
from .peer import Peer
from .state import GatewayState


class Listener:
    """Accepts connections and attaches a `Peer` to each. Guarded by the gateway's lock."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._socket: socket.socket | None = None
        self.port: int = state.settings.port

    def open(self) -> None:
        """Listen; on the event loop's thread, or before it starts."""
        host = self._state.settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, self.port), family=family, backlog=128)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._state.event_loop.watch(self._socket, READ, self._on_ready)

    def close(self) -> None:
        """Stop listening; new connections are refused."""
        if self._socket is not None:
            self._state.event_loop.watch(self._socket, 0, self._on_ready)
            self._socket.close()
            self._socket = None

    def forget_descriptor(self) -> None:
        """Close only the descriptor, in a forked child."""
        if self._socket is not None:
            self._socket.close()

    def _on_ready(self, _mask: int) -> None:
        while self._socket is not None:
            try:
                accepted, _address = self._socket.accept()
            except BlockingIOError:
                return
            state = self._state
            if state.faults.take(IgnoredConnection):
                state.ignored.append(accepted)
                continue
            Peer(state, Connection(accepted, state.event_loop, state.settings.ssl_context, state.faults))
