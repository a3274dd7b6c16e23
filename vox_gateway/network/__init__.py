"""The socket side: name lookup, TCP, proxies, TLS, HTTP and WebSocket frames.

In: a URL, and bytes from the kernel. Out: whole WebSocket messages, on the reader thread. Any thread may write.
"""

from __future__ import annotations

__all__: list[str] = []
