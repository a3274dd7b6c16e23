"""Which URL a connection goes to: the session's, the configured URL, or the URL that Discord's API returns.

Called by the reader of each connection, before it connects.
"""

from __future__ import annotations

from ..concurrency.wakeup import Deadline, Wakeup
from ..config import Options
from ..discovery.resolver import GatewayResolver
from ..log import ShardLog
from ..network.urls import GatewayURL, gateway_url
from ..protocol.reconnect_policy import ConnectPlan

__all__ = ["URLFinder"]


class URLFinder:
    """Finds the URL of the next connection."""

    def __init__(self, options: Options, resolver: GatewayResolver, log: ShardLog) -> None:
        self._options = options
        self._resolver = resolver
        self._log = log

    def find(self, plan: ConnectPlan, deadline: Deadline, wakeup: Wakeup) -> GatewayURL:
        """Return the URL for `plan`.

        Raises:
            TokenRefused: the API refused the token.
            ConnectFailed: the API did not answer with a URL, or no session starts remain.
            Interrupted: `wakeup` was set.
        """
        url = self._resume_url(plan) if plan.at_resume_url else None
        if url is None:
            base = self._options.url or self._resolver.url(plan.resume, deadline, wakeup)
            url = self._url(base, port=self._options.port)
        self._log.info("connecting to %s", url.host)
        return url

    def _resume_url(self, plan: ConnectPlan) -> GatewayURL | None:
        """The session's own URL, if it is usable."""
        if plan.session.resume_url is None:
            return None
        try:
            url = self._url(plan.session.resume_url, default_port=self._options.port)
        except ValueError as error:
            self._log.warning("resuming at the base URL, since the resume URL from the gateway is not valid: %s", error)
            return None
        if self._options.secure and not url.secure:
            self._log.warning("resuming at the base URL: the resume URL would send the token without TLS")
            return None
        return url

    def _url(self, base: str, *, port: int | None = None, default_port: int | None = None) -> GatewayURL:
        options = self._options
        return gateway_url(
            base,
            encoding=options.codec.name,
            compress=options.transport_compression,
            version=options.version,
            port=port,
            default_port=default_port,
        )
