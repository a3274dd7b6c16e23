"""The client's methods that send a command and wait for its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .requests import Members, Requester, VoiceConnection
from .validation import check_timeout

__all__ = ["ClientQuestions"]


class ClientQuestions:
    """A part of `Client`, which has the attribute."""

    _questions: Requester

    def fetch_guild_members(
        self,
        guild_id: str | int,
        query: str | None = None,
        limit: int = 0,
        *,
        user_ids: str | int | Iterable[str | int] | None = None,
        presences: bool | None = None,
        timeout: float | None = 60.0,
    ) -> Members:
        """Ask for members of a guild, and wait for all of them. ::

            members = client.fetch_guild_members(guild_id, user_ids=[1, 2])
            print(len(members), "are members,", members.not_found, "are not")

        When it was asked too often (Discord tells all members of a guild once in 30 seconds), this waits and asks once
        more, if `timeout` leaves the time. When the connection drops, what is lost is asked for again. What several
        threads ask for at a time is asked once.

        Args:
            guild_id: the guild, one of this client's shard.
            query: the beginning of the names; None or ``""`` for all members, which needs GUILD_MEMBERS.
            limit: members at the most, with `query`; of those that are found by name Discord tells 100.
            user_ids: the members to tell, any number of them, instead of `query`.
            presences: whether to tell presences too, which needs GUILD_PRESENCES.
            timeout: seconds; None for as long as it takes, which may be for ever: a guild that the bot is not in is
                never answered for.

        Raises:
            TimeoutError: not all had come in time; or the connection dropped 3 times in a row after this was asked,
                before any answer: the message names the last close code.
            RateLimited: they were asked for too often, and will not come in time; a TimeoutError too.
            NotConnected: the client does not run, or was closed meanwhile.
            ConnectionClosed, ConnectFailed: the error that ended the client.
            RuntimeError: the caller is a handler on the thread that would bring the answer; see `wait_for`.
            TypeError, ValueError, PayloadTooLarge: an argument is not usable, or an intent is missing.

        Rests on "Request Guild Members" of the official Gateway Events documentation.
        """
        timeout = check_timeout(timeout)
        return self._questions.guild_members(guild_id, query, limit, user_ids, presences, timeout)

    def join_voice(
        self,
        guild_id: str | int,
        channel_id: str | int,
        *,
        self_mute: bool = False,
        self_deaf: bool = False,
        timeout: float | None = 10.0,
    ) -> VoiceConnection:
        """Join a voice channel, or move to it, and wait for what a voice connection is opened with.

        Needs the intent GUILD_VOICE_STATES. While Discord has no voice server to give, this waits for one.

        Args:
            guild_id: the guild, one of this client's shard.
            channel_id: the channel.
            self_mute, self_deaf: whether the bot is muted or deafened.
            timeout: seconds; None for as long as it takes, which may be for ever: where the bot may not connect, or the
                channel is full, Discord does not answer.

        Raises:
            As `fetch_guild_members`, but for RateLimited.

        Rests on "Retrieving Voice Server Information" of the official Voice documentation.
        """
        timeout = check_timeout(timeout)
        return self._questions.join_voice(guild_id, channel_id, self_mute, self_deaf, timeout)

    def leave_voice(self, guild_id: str | int, *, timeout: float | None = 10.0) -> None:
        """Leave the voice channel of a guild, and wait until that is done.

        Harmless after `join_voice` whatever has happened since. Where it is not known whether the bot was in a channel,
        and it was not, Discord does not answer: that is a TimeoutError.

        Args:
            guild_id: the guild, one of this client's shard.
            timeout: seconds; None for as long as it takes.

        Raises:
            As `join_voice`.
        """
        timeout = check_timeout(timeout)
        self._questions.leave_voice(guild_id, timeout)

    def fetch_soundboard_sounds(
        self, guild_ids: Iterable[str | int], *, timeout: float | None = 10.0
    ) -> dict[str | int, list[dict[str, Any]]]:
        """Ask for the soundboard sounds of guilds, and wait for all of them.

        Args:
            guild_ids: any number of guilds, all of this client's shard.
            timeout: seconds; None for as long as it takes.

        Returns:
            A list of sounds for each guild, under the id as it was given.

        Raises:
            As `fetch_guild_members`, but for RateLimited.

        Rests on "Request Soundboard Sounds" of the official Gateway Events documentation.
        """
        timeout = check_timeout(timeout)
        return self._questions.soundboard_sounds(guild_ids, timeout)

    def fetch_channel_info(
        self, guild_id: str | int, fields: Iterable[str], *, timeout: float | None = 10.0
    ) -> list[dict[str, Any]]:
        """Ask for details of a guild's channels, ``status`` and ``voice_start_time``, and wait for them.

        Args:
            guild_id: the guild, one of this client's shard.
            fields: what to tell.
            timeout: seconds; None for as long as it takes.

        Returns:
            For each channel that has any a dict with its ``id`` and the fields.

        Raises:
            As `fetch_guild_members`, but for RateLimited.

        Rests on "Request Channel Info" of the official Gateway Events documentation.
        """
        timeout = check_timeout(timeout)
        return self._questions.channel_info(guild_id, fields, timeout)
