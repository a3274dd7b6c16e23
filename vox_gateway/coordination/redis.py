"""Coordination of processes on any machines, through Redis or Valkey. Needs the extra ``cluster``.

Every step is one Lua script, so it is atomic, and its times are those of the server. The keys begin with
``vox:{bot}``, which keeps them in one hash slot; the token is never stored.

See: https://redis.io/docs/latest/develop/programmability/eval-intro/
"""

from __future__ import annotations

import importlib.resources
import json
import re
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..concurrency.fork import in_child
from ..errors import MissingExtra
from .interface import (
    PIN_TIME,
    Change,
    CoordinationFailed,
    GateSettings,
    Lease,
    NodeInfo,
    Overview,
    TurnRequest,
    Turns,
    View,
    Watch,
)
from .leases import LeaseTimes
from .state import lost
from .stored import overview

try:
    import redis as redis_py
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as _error:
    raise MissingExtra("coordination through Redis", "cluster") from _error

__all__ = ["RedisCoordination"]

T = TypeVar("T")

#: seconds for an answer of the server, and for a connection
TIMEOUT = 1.0
#: milliseconds for which a session is kept: Discord forgets it within minutes
SESSION_KEPT = 86_400_000
_CHANGES = {"leases": Change.LEASES, "gate": Change.GATE}
_BOTH = Change.LEASES | Change.GATE


class RedisCoordination:
    """Coordinates processes through a Redis server. Does not connect before it is used.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, as redis-py takes it.
        bot: identifies the bot; bots may share a server.
        times: of leases.
        gate: how often the bot may IDENTIFY.

    Raises:
        ValueError: `url` cannot be used.

    See: https://redis.readthedocs.io/en/stable/connections.html#redis.Redis.from_url
    """

    def __init__(self, url: str, bot: str, times: LeaseTimes | None = None, gate: GateSettings | None = None) -> None:
        self.times: LeaseTimes = times or LeaseTimes()
        self.gate: GateSettings = gate or GateSettings()
        self._prefix = f"vox:{{{bot}}}"
        try:
            url.encode()  # refuses what is left of bytes that are not UTF-8
            if not url.startswith("unix:"):
                int(urlsplit(url).path.strip("/") or 0)  # redis-py would use number 0 instead of what is not a number
            self._client = redis_py.Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=TIMEOUT,
                socket_connect_timeout=TIMEOUT,
                retry=Retry(NoBackoff(), 0),  # the node tries again, while its leases allow
            )
            _check(self._client.connection_pool)
        except (TypeError, ValueError, redis_py.RedisError):  # whose text may hold a part of a password
            raise ValueError(
                f"coordination is a URL that begins with {url.partition(':')[0]!r}, but not one of Redis: expected "
                '"redis://host:port/number", optionally with "?" and options that redis-py takes; special characters '
                "of a password must be percent-encoded"
            ) from None
        self._is_closed = False
        common = _script("common")
        self._beat, self._leave, self._turns, self._session, self._order, self._overview = (
            self._client.register_script(common + _script(name))
            for name in ("beat", "leave", "turns", "session", "order", "overview")
        )

    def beat(self, node: NodeInfo, hold: Mapping[int, float], states: Mapping[int, str] | None = None) -> View:
        """See `Coordination`."""
        said = states or {}
        parts = [part for shard, load in hold.items() for part in (shard, repr(float(load)), said.get(shard, ""))]
        answer = json.loads(
            self._call(self._beat, node.id, node.name, node.total, node.capacity, _ms(self.times.ttl), *parts)
        )
        return View(
            nodes={name: NodeInfo(name, text, node.total, capacity) for name, text, capacity in answer["nodes"]},
            leases={shard: Lease(owner, load) for shard, owner, load in answer["leases"]},
            expires_in=None if answer["expires_in"] < 0 else answer["expires_in"] / 1000,
            is_new=answer["is_new"],
            pins=dict(answer["pins"]),
            is_to_drain=answer["is_to_drain"],
        )

    def leave(self, node: NodeInfo) -> None:
        """See `Coordination`."""
        self._call(self._leave, node.id, node.total)

    def turns(self, node: NodeInfo, request: TurnRequest) -> Turns:
        """See `Coordination`."""
        settings, learned = self.gate, request.learned
        said: dict[str, Any] = {
            "waiting": request.waiting,
            "sent": {shard: _ms(ago) for shard, ago in request.sent.items()},
        }
        if learned is not None:
            said["learned"] = {
                "total": learned.limit.total,
                "remaining": learned.limit.remaining,
                "reset_after": _ms(learned.limit.reset_after),
                "max_concurrency": learned.limit.max_concurrency,
                "ago": _ms(learned.ago),
            }
        times = (_ms(settings.interval), settings.max_concurrency, settings.daily_limit)
        more = (_ms(settings.turn), _ms(settings.gather), json.dumps(said))
        answer = json.loads(self._call(self._turns, node.id, node.total, *times, *more))
        return Turns(
            frozenset(answer["granted"]),
            None if answer["ask_in"] < 0 else answer["ask_in"] / 1000,
            answer["starts_in"] / 1000,
            answer["remaining"],
            answer["max_concurrency"],
        )

    def load(self, total: int, shards: Collection[int]) -> dict[int, str]:
        """See `Coordination`."""
        keys = [f"{self._prefix}:session:{total}:{shard}" for shard in shards]
        texts = self._try(lambda: self._client.mget(keys)) if keys else []
        return {shard: str(text) for shard, text in zip(shards, texts, strict=True) if text is not None}

    def save(self, node: NodeInfo, shard: int, session: str) -> None:
        """See `Coordination`."""
        if not self._call(self._session, node.id, node.total, shard, SESSION_KEPT, session):
            raise lost(node, shard)

    def clear(self, node: NodeInfo, shard: int) -> None:
        """See `Coordination`."""
        if not self._call(self._session, node.id, node.total, shard, SESSION_KEPT):
            raise lost(node, shard)

    def overview(self) -> Overview:
        """See `Coordination`."""
        return overview(json.loads(self._call(self._overview)), self.gate)

    def order_drain(self, node_id: str) -> bool:
        """See `Coordination`."""
        return bool(self._call(self._order, node_id))

    def order_move(self, node_id: str, shard: int) -> bool:
        """See `Coordination`."""
        return bool(self._call(self._order, node_id, shard, _ms(PIN_TIME)))

    def bots(self) -> list[str]:
        """See `Coordination`."""
        pattern = re.compile(r"vox:\{(.+)\}:nodes")
        keys = self._try(lambda: list(self._client.scan_iter("vox:{*}:nodes", count=1000)))
        return sorted(found[1] for key in keys if (found := pattern.fullmatch(str(key))))

    def watch(self) -> Watch:
        """See `Coordination`."""
        return _RedisWatch(self._client, f"{self._prefix}:changes")

    def close(self) -> None:
        """See `Coordination`."""
        self._is_closed = True
        self._client.close()
        self._client.connection_pool.disconnect()  # redis-py 5.0 leaves them open

    def _call(self, script: Any, *arguments: object) -> Any:
        return self._try(lambda: script(keys=[self._prefix], args=arguments))

    def _try(self, call: Callable[[], T]) -> T:
        if self._is_closed:
            raise CoordinationFailed("the connection to Redis was closed")
        try:
            return call()
        except redis_py.RedisError as error:
            # After a failover the name may lead to another server, while the old one only refuses to write. Connections
            # that other threads use are left: theirs fails too.
            self._client.connection_pool.disconnect(inuse_connections=False)
            reason = str(error).rstrip(".")  # holds a host and a port, but no password
            if isinstance(error, redis_py.AuthenticationError):
                reason = f"{reason}; check the password in the URL, as in redis://:password@host:port/number"
            raise CoordinationFailed(f"the shards cannot be coordinated through Redis: {reason}") from None


class _RedisWatch:
    """Hears what scripts publish. After a lost connection everything may have changed."""

    def __init__(self, client: Any, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._subscription: Any = None
        self._pause = threading.Event()
        in_child(self, _RedisWatch._forget)

    def wait(self, seconds: float) -> Change:
        try:
            if self._subscription is None:
                subscription = self._client.pubsub()
                subscription.subscribe(self._channel)
                self._subscription = subscription
                return _BOTH
            return self._take(seconds)
        except redis_py.RedisError:
            self.close()
            self._pause.wait(seconds)
            return Change.NONE

    def _take(self, seconds: float) -> Change:
        changed = Change.NONE
        while (message := self._subscription.get_message(timeout=0 if changed else seconds)) is not None:
            if message["type"] == "message":
                changed |= _CHANGES.get(message["data"], Change.NONE)
        return changed

    def close(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()

    def _forget(self) -> None:
        self._subscription = None


def _check(pool: Any) -> None:
    """Refuse options that a connection does not take, and a host that cannot be looked up. Connects to nothing.

    Raises:
        TypeError, ValueError, RedisError: they cannot be used.
    """
    pool.connection_class(**pool.connection_kwargs)
    str(pool.connection_kwargs.get("host", "")).encode("idna")  # as `socket.getaddrinfo` does


def _script(name: str) -> str:
    return (importlib.resources.files(__package__) / "scripts" / f"{name}.lua").read_text(encoding="utf-8")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
