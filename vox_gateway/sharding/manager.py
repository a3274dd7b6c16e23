"""The manager: a client whose connection is many shards.

All methods are those of `Client`; `ShardGroup` is what they call, in the place of `Lifecycle`.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..accelerators import Reader
from ..arguments.defaults import DEFAULT_PROPERTIES, MAX_BACKLOG_BYTES, MAX_MESSAGE_SIZE
from ..arguments.validation import check_count, check_seconds, check_session_files, check_timeout
from ..client import Client
from ..coordination import Coordination
from ..discovery.identify_limiter import IdentifyGate
from ..log import ShardLog
from ..network.urls import DEFAULT_API, DEFAULT_GATEWAY
from ..opcodes import KEEP_SESSION
from ..protocol import payloads
from ..session.store import SessionStore
from .coordinated import Membership
from .group import ShardGroup
from .plan import AUTO, check_shards, check_total
from .resharding import OVERLAP
from .shards import ManagedShard

if TYPE_CHECKING:
    from ..payloads import PresenceUpdateStatus

__all__ = ["ShardManager"]


class ShardManager(Client):
    """Runs many shards in this process, with the methods of a `Client` for all of them. ::

        manager = ShardManager(token="...", shards="auto")

        @manager.on("MESSAGE_CREATE")
        def greet(message):
            print(message["content"], "on shard", manager.current_shard)

        manager.connect()

    Handlers, streams and waits get the events of every shard. Events of a guild keep their order; events of different
    shards have none. Commands with a guild go to the guild's shard.

    All shards share the threads that run handlers: one, or `dispatchers`, or `workers`. A handler that blocks delays
    handlers of other shards, but neither reading nor heartbeats. Each shard has two threads of its own.

    A shard that fails ends alone, is logged and emitted as ``"error"``, and the others go on. An error that every shard
    would get, such as a refused token, ends all. `close` takes 2 seconds for all shards together.

    Args:
        shards: how many shards the bot has, all run here; ``(shard ids, number of shards)`` for a part of them; or
            ``"auto"`` for the number that Discord recommends, which is asked for on `connect`, with `max_concurrency`.
        session_file: a folder, or a path with ``{shard}`` in its name, for a file a shard; with ``{total}`` too if the
            number of shards is to change while the manager runs. Or a function from a shard's id and the number of
            shards to its `SessionStore`.
        backlog: for each shard.
        backlog_bytes: for each shard, so that a shard with many events does not keep others from reading; divide the
            memory that you have for all.
        dispatchers: threads that decode events and, without `workers`, run handlers, each for its part of the shards.
            With more than one, handlers of different shards run at the same time. It helps where Python runs without
            the GIL: use as many as there are cores. With more than one, `reshard` raises `ReshardFailed`, and a
            shard that is closed with 4010 or 4011 ends.
        identify_gate: shared by all shards; spaces out their IDENTIFYs, in the order of their ids. A shard that had a
            turn lately comes last.
        coordination: shares the shards with other processes of the bot, which all give the same number in `shards`:
            ``"sqlite:///bot.db"`` for processes on one machine, ``"redis://host:6379/0"`` (extra ``cluster``) for any,
            or a `Coordination`, which the program closes. Each process runs its part; shards move when a process
            comes, drains or dies, and are resumed where their handlers had got to, so `shards` and the guilds here
            change while the manager runs. It also keeps the sessions and spaces out the IDENTIFYs.
        capacity: with `coordination`, how many shards this process runs at most; None for any number. Busy shards are
            shared out in proportion.
        node_name: with `coordination`, the name of this process, for people; None for the machine's name and the
            process id.

    The other arguments are those of `Client`. With ``url=None``, Get Gateway Bot is asked once for all shards.

    Raises:
        TypeError, ValueError: an argument cannot be used; the message names it.
        MissingExtra: an argument needs an optional package.
        OSError: a session file cannot be read.
        CoordinationFailed: the folder of the SQLite file does not exist.

    See: https://docs.discord.com/developers/events/gateway#sharding
    """

    _lifecycle: ShardGroup
    _membership: Membership | None = None

    def __init__(
        self,
        *,
        token: str,
        shards: int | str | tuple[Iterable[int], int] = AUTO,
        url: str | None = DEFAULT_GATEWAY,
        api_url: str = DEFAULT_API,
        port: int | None = None,
        encoding: Literal["json", "etf"] = "json",
        compress: bool | Literal["zlib-stream", "zstd-stream", "payload"] = True,
        json: Literal["msgspec", "orjson", "json", "simplejson"] | Reader | None = None,
        properties: Mapping[str, str] = DEFAULT_PROPERTIES,
        large_threshold: int | None = None,
        presence: Mapping[str, Any] | None = None,
        intents: int | None = None,
        capabilities: int = 0,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 10.0,
        max_message_size: int = MAX_MESSAGE_SIZE,
        slow_handler_warning: float = 10.0,
        backlog: int = 10_000,
        backlog_bytes: int = MAX_BACKLOG_BYTES,
        handlers: Literal["thread", "caller"] = "thread",
        workers: int = 0,
        dispatchers: int = 1,
        session_file: str | os.PathLike[str] | Callable[[int, int], SessionStore] | None = None,
        identify_gate: IdentifyGate | None = None,
        coordination: str | Coordination | None = None,
        capacity: int | None = None,
        node_name: str | None = None,
    ) -> None:
        self._plan = check_shards(shards)
        self._session_files = check_session_files(session_file)
        self._dispatchers = check_count("dispatchers", dispatchers, 1)
        if coordination is not None:
            _check_alone(shards, session_file, identify_gate)
            self._membership = Membership(coordination, check_total(shards), capacity, node_name)
        elif capacity is not None or node_name is not None:
            raise ValueError("capacity and node_name are for a manager with coordination=")
        super().__init__(
            token=token,
            url=url,
            api_url=api_url,
            port=port,
            encoding=encoding,
            compress=compress,
            json=json,
            properties=properties,
            large_threshold=large_threshold,
            presence=presence,
            intents=intents,
            capabilities=capabilities,
            proxy=proxy,
            ssl_context=ssl_context,
            connect_timeout=connect_timeout,
            max_message_size=max_message_size,
            slow_handler_warning=slow_handler_warning,
            backlog=backlog,
            backlog_bytes=backlog_bytes,
            handlers=handlers,
            workers=workers,
            identify_gate=identify_gate,
        )

    def __repr__(self) -> str:
        return super().__repr__().replace("<Client ", "<ShardManager ", 1)

    # -- shards ----------------------------------------------------------------------------------------------------

    @property
    def shards(self) -> dict[int, ManagedShard]:
        """The shards that run here, by id. Empty while their number is not known, with ``shards="auto"``."""
        return dict(self._lifecycle.shards)

    @property
    def current_shard(self) -> int | None:
        """In a handler: the id of the shard that its event is of. None on a thread that runs no handler."""
        return self._lifecycle.current.id

    def shard_of(self, guild_id: str | int) -> int:
        """Return the id of the shard that a guild belongs to.

        Args:
            guild_id: the guild.

        Raises:
            NotConnected: the number of shards is not known yet, with ``shards="auto"``.
            TypeError, ValueError: `guild_id` is not an id, or its shard does not run in this process.

        See: https://docs.discord.com/developers/events/gateway#sharding-sharding-formula
        """
        return self._lifecycle.shard_of(guild_id)

    def reshard(self, shards: int, *, overlap: float = OVERLAP, timeout: float | None = None) -> None:
        """Change the number of shards without missing an event.

        The new shards connect beside the old ones, in the order of their ids. When all are ready, and `overlap` has
        passed, events come from the new shards, and the old ones are closed. Each event reaches handlers and streams
        once, and events of a guild keep their order. If anything fails before that, the old shards stay in use.

        READY of the new shards is emitted, but not the GUILD_CREATEs that belong to it. A voice connection belongs to
        an old shard, and has to be joined again; requests that wait for an answer raise NotConnected.

        With 4010 and 4011 the manager does this by itself, with the number that Discord recommends.

        Args:
            shards: the new number of shards.
            overlap: seconds for which all shards are connected before the switch.
            timeout: seconds until the switch; None to wait without a limit.

        Raises:
            ReshardFailed: too few session starts remain, a new shard failed, `timeout` passed, the old shards have the
                session files that the new would need, or the manager has several `dispatchers`. Nothing was changed.
            NotConnected: the manager is not running.
            AuthenticationFailed, CertificateInvalid: Discord did not say how many session starts remain.
            OSError: a session file cannot be read.
            RuntimeError: called by a handler, or a thread cannot be started.
            TypeError, ValueError: an argument cannot be used.
            ThreadFailed: an error of ours.
            Exception: any exception that the function for session stores raises.

        See: https://docs.discord.com/developers/events/gateway#sharding
        """
        total = check_total(shards)
        self._lifecycle.reshard(total, check_seconds("overlap", overlap), check_timeout(timeout))

    # -- several processes -----------------------------------------------------------------------------------------

    def drain(self, timeout: float | None = None) -> bool:
        """Hand over all shards to the other processes, which resume them, and close.

        Each shard moves once its session is saved, so no event is lost and no IDENTIFY is spent. A handler that runs
        for longer than a second is not waited for, and its event comes again where the shard has moved to. If no other
        process has room, the shards wait for a process that starts.

        A blocking `connect` on the main thread drains on SIGTERM, unless the program handles that signal itself.

        Args:
            timeout: seconds; None to wait until the manager is closed. The handover goes on after that.

        Returns:
            Whether all shards were handed over and the manager is closed. False after `timeout`, and if the other
            processes could not be reached: then they take over when the leases have expired.

        Raises:
            NotConnected: the manager is not running.
            RuntimeError: the manager has no `coordination`; or called by a handler, which would wait for itself:
                ``timeout=0`` is allowed.
            TypeError, ValueError: `timeout` is not a number of seconds.
        """
        return self._lifecycle.drain(check_timeout(timeout))

    def close(
        self, reason: str | None = None, code: int | None = None, reconnect: bool = False, resumable: bool = False
    ) -> None:
        """Close all connections, 2 seconds at most; see `Client.close`.

        With `coordination` the shards belong to the bot, not to this process: they are closed with 4000, and other
        processes resume them. `drain` does the same without haste.

        Args:
            reason: text for the server, at most 123 bytes.
            code: the close code; None for 4000 with `coordination`, and for 1000 without. With 1000 and 1001 the
                sessions end, and other processes have to IDENTIFY.
            reconnect: stay connected: close with 4000, then resume on new connections. Does not wait for it.
            resumable: close with 4000 instead of 1000.

        Raises:
            TypeError, ValueError: `reason` or `code` cannot be sent.

        See: https://docs.discord.com/developers/events/gateway#initiating-a-disconnect
        """
        if code is None:
            code = 1000 if self._membership is None else KEEP_SESSION
        super().close(reason, code, reconnect, resumable)

    # -- what differs from a client with one shard -----------------------------------------------------------------

    def presence_update(
        self,
        *,
        status: PresenceUpdateStatus,
        afk: bool = False,
        game: Mapping[str, Any] | None = None,
        since: int | None = None,
        activities: Iterable[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
        shards: Iterable[int] | None = None,
    ) -> None:
        """Change the bot's presence on all shards, or on some. Does not wait: a shard sends it once it is ready.

        Args:
            status, afk, game, since, activities: as for `Client.presence_update`.
            timeout: accepted as by `Client`, and not used.
            shards: ids of shards; None for all.

        Raises:
            NotConnected: the manager is not running.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#update-presence
        """
        data = payloads.presence_update(status=status, afk=afk, game=game, since=since, activities=activities)
        self._lifecycle.update_presence(data, check_timeout(timeout), shards)

    def health(self) -> dict[str, Any]:
        """Return the state of all shards as values that JSON can hold, for a health route or a monitor.

        Returns:
            A dict with these keys.

            - ``ok``: whether every shard does its work; see `Client.health`.
            - ``status``: as `status`.
            - ``total``: the number of shards of the bot; None while it is not known.
            - ``shards``: for each shard that runs here, its id as a string and the dict of `Client.health`.
            - ``node``, with `coordination` only: None while not connected, otherwise the ``name`` of this process,
              whether the coordination is ``reached``, the ``shards`` that this process holds, and the names of the
              ``others``. A process that holds no shard is ``ok`` while the coordination is reached.
        """
        return self._lifecycle.health()

    def explain(self) -> str:
        """Return a text that says what each shard does now, a line each.

        ``manager.shards[shard_id].explain()`` says what a shard has done lately. The lines hold neither the token nor a
        whole session id.
        """
        return self._lifecycle.explain()

    # -- private ---------------------------------------------------------------------------------------------------

    def _make_lifecycle(self) -> ShardGroup:
        return ShardGroup(
            self._options,
            self._plan,
            self._session_files,
            self._membership,
            self,
            log=self._log,
            dispatchers=self._dispatchers,
        )

    def _make_log(self) -> ShardLog:
        return ShardLog(None)

    def _log_of_handler(self) -> ShardLog:
        shard = self.shards.get(-1 if self.current_shard is None else self.current_shard)
        return self._log if shard is None else shard.log

    def _close_for_exit(self) -> None:
        self.close(resumable=self._session_files is not None)


def _check_alone(shards: object, session_file: object, identify_gate: object) -> None:
    """Refuse what `coordination` replaces."""
    if not isinstance(shards, int) or isinstance(shards, bool):
        raise ValueError(
            f"shards must be a number with coordination=, the same in all processes of the bot, not {shards!r}: they "
            "share the shards among themselves"
        )
    for name, given in (("session_file", session_file), ("identify_gate", identify_gate)):
        if given is not None:
            raise ValueError(f"{name} must be None with coordination=, which does this for all processes of the bot")
