"""The socket side: dialling, proxies, TLS, HTTP, and WebSocket frames.

In: a URL and bytes from the kernel. Out: whole WebSocket messages, on the reader thread; writes come from any thread.
"""

from __future__ import annotations

__all__: list[str] = []
