"""Polls.

See: https://docs.discord.com/developers/resources/poll
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake, Timestamp
from .emoji import PartialEmoji

__all__ = [
    "MessagePollVoteAdd",
    "MessagePollVoteRemove",
    "Poll",
    "PollAnswer",
    "PollAnswerCount",
    "PollMedia",
    "PollResults",
]


class PollMedia(TypedDict):
    """The text and emoji of a question or an answer."""

    text: NotRequired[str]
    emoji: NotRequired[PartialEmoji]


class PollAnswer(TypedDict):
    """An answer of a poll."""

    answer_id: int
    poll_media: PollMedia


class PollAnswerCount(TypedDict):
    """The votes for an answer."""

    id: int
    count: int
    me_voted: bool


class PollResults(TypedDict):
    """The votes of a poll; exact once `is_finalized`.

    See: https://docs.discord.com/developers/resources/poll#poll-results-object
    """

    is_finalized: bool
    answer_counts: list[PollAnswerCount]


class Poll(TypedDict):
    """A poll.

    See: https://docs.discord.com/developers/resources/poll#poll-object
    """

    question: PollMedia
    answers: list[PollAnswer]
    expiry: Timestamp | None
    allow_multiselect: bool
    layout_type: int
    results: NotRequired[PollResults]


class _PollVote(TypedDict):
    user_id: Snowflake
    channel_id: Snowflake
    message_id: Snowflake
    guild_id: NotRequired[Snowflake]
    answer_id: int


class MessagePollVoteAdd(_PollVote):
    """The data of MESSAGE_POLL_VOTE_ADD.

    See: https://docs.discord.com/developers/events/gateway-events#message-poll-vote-add
    """


class MessagePollVoteRemove(_PollVote):
    """The data of MESSAGE_POLL_VOTE_REMOVE.

    See: https://docs.discord.com/developers/events/gateway-events#message-poll-vote-remove
    """
