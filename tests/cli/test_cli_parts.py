"""The pure parts of the command: arguments, the screen, the tally, and the words for events."""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway import Intents
from vox_gateway.cli.demo.narration import Narrator
from vox_gateway.cli.demo.sample_events import EngineRoom
from vox_gateway.cli.demo.sequence_check import ReceivedEvents, problems
from vox_gateway.cli.shared import arguments
from vox_gateway.cli.shared.login import notes
from vox_gateway.cli.shared.screen import Mark, Screen, shows_colour
from vox_gateway.testing import channel, guild, member, user

# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("513", 513),
        ("0x201", 513),
        ("GUILDS,GUILD_MESSAGES", 513),
        (" guilds , guild_messages ,", 513),
        ("default", Intents.default()),
        ("all", Intents.all()),
        ("none", 0),
        ("default,MESSAGE_CONTENT", Intents.default() | Intents.MESSAGE_CONTENT),
        ("privileged", Intents.privileged()),
    ],
)
def test_intents_are_a_number_or_names(text: str, expected: int) -> None:
    assert arguments.intents(text) == expected


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (arguments.intents, "GUILD_MESAGES", "unknown intent 'GUILD_MESAGES': did you mean GUILD_MESSAGES?"),
        (arguments.intents, "zzz", "choose from default, privileged, all, none, GUILDS"),
        (arguments.intents, "-1", "invalid intents '-1'"),
        (arguments.intents, ",", "expected a name"),
        (arguments.event_names, "", "expected a name"),
        (arguments.shard, "1", "invalid shard '1'"),
        (arguments.shard, "2/2", "invalid shard '2/2'"),
        (arguments.shard, "-1/2", "invalid shard '-1/2'"),
        (arguments.shard, "a/b", "0 <= ID < COUNT"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_in_words(parse: Callable[[str], Any], text: str, words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(words)):
        parse(text)


def test_event_names_and_shards_are_read() -> None:
    assert arguments.event_names("ready, Message_Create") == {"READY", "MESSAGE_CREATE"}
    assert arguments.shard("3/16") == (3, 16)


def test_a_filter_that_brings_nothing_gets_a_note() -> None:
    events = frozenset({"READY", "GUILD_CREATE", "HELLO", "MESAGE_CREATE", "QWERTY", "TYPING_START"})
    assert list(notes(events, Intents.GUILDS)) == [
        "HELLO is not a known event: it is an opcode; only dispatch events are shown",
        "MESAGE_CREATE is not a known event: did you mean MESSAGE_CREATE?",
        "QWERTY is not a known event: use a name from Discord's documentation, such as MESSAGE_CREATE",
        "TYPING_START is not sent with these intents: add GUILD_MESSAGE_TYPING or DIRECT_MESSAGE_TYPING to --intents",
    ]


# -- the screen --------------------------------------------------------------------------------------------------------


def test_lines_are_aligned_and_long_words_wrapped_below_themselves() -> None:
    stream = io.StringIO()
    screen = Screen(stream, width=79, coloured=False)
    screen.line(1.5, Mark.IN, "READY", "logged in")
    screen.line(12.25, Mark.OUT, "REQUEST_SOUNDBOARD_SOUNDS", "which sounds are there, and in which of the guilds?")
    screen.line(100.0, Mark.BAD, "close", "")
    assert stream.getvalue().splitlines() == [
        "    1.50  <-  READY                      logged in",
        "   12.25  ->  REQUEST_SOUNDBOARD_SOUNDS  which sounds are there, and in which",
        "                                         of the guilds?",
        "  100.00  !!  close",
    ]


def test_rows_are_aligned_with_lines() -> None:
    stream = io.StringIO()
    screen = Screen(stream, width=79, coloured=False)
    screen.line(0, Mark.IN, "READY", "words")
    screen.row("lost", "0", "words", Mark.GOOD)
    screen.row("sent", "12", "words")
    screen.row("latency", "1.0 ms")
    lines = stream.getvalue().splitlines()
    assert {line.index("words") for line in lines[:3]} == {41}
    assert {len(line.replace("words", "").rstrip()) for line in lines[1:]} == {38}


@given(width=st.integers(1, 300), words=st.text(st.characters(codec="ascii", categories=("L", "Zs")), max_size=200))
def test_no_line_is_wider_than_the_screen_but_for_words_that_cannot_be_broken(width: int, words: str) -> None:
    stream = io.StringIO()
    Screen(stream, width=width, coloured=False).line(0, Mark.NOTE, "name", words)
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= max(min(width, 100), 41 + 24) for line in lines)
    assert "".join(words.split()) == "".join("".join(lines)[41:].split())


def test_colour_is_around_the_words_and_nothing_else_changes() -> None:
    plain, coloured = io.StringIO(), io.StringIO()
    for stream in (plain, coloured):
        screen = Screen(stream, width=79, coloured=stream is coloured)
        screen.title("a title")
        screen.line(0, Mark.IN, "READY", "logged in")
        screen.row("lost", "0", mark=Mark.GOOD)
        screen.verdict(Mark.BAD, "something was lost")
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[36m<-  READY\x1b[0m" in coloured.getvalue()
    assert re.sub(r"\x1b\[\d*m", "", coloured.getvalue()) == plain.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it() -> None:
    assert shows_colour(Terminal(), {"TERM": "xterm"})
    assert shows_colour(Terminal(), {"NO_COLOR": ""})  # no-color.org: when it is not empty
    assert not shows_colour(Terminal(), {"NO_COLOR": "1"})
    assert not shows_colour(Terminal(), {"TERM": "dumb"})
    assert not shows_colour(io.StringIO(), {"TERM": "xterm"})


def test_the_screen_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "61")
    stream = io.StringIO()
    Screen.of(stream).text("word " * 100)
    assert max(map(len, stream.getvalue().splitlines())) == 59


# -- the tally ---------------------------------------------------------------------------------------------------------


def judge(arrivals: list[int], sent: int, resumes: int = 1, heartbeats: int = 4) -> list[str]:
    tally = ReceivedEvents()
    for seq in arrivals:
        tally.add(seq)
    return list(problems(tally, sent=sent, resumes=resumes, heartbeats_while_blocked=heartbeats))


def test_all_is_well_when_every_event_arrived_once_and_in_order() -> None:
    assert judge([1, 2, 3], sent=3) == []


@pytest.mark.parametrize(
    ("arrivals", "sent", "expected"),
    [
        ([1, 3], 3, ["1 event was lost"]),
        ([1], 4, ["3 events were lost"]),
        ([], 1, ["1 event was lost"]),
        ([1, 2, 2, 3], 3, ["1 event was handled twice"]),
        ([1, 3, 2], 3, ["1 event was out of order"]),
        ([1, 3, 3, 2], 4, ["1 event was lost", "1 event was handled twice", "1 event was out of order"]),
    ],
)
def test_what_was_lost_repeated_or_misplaced_is_said(arrivals: list[int], sent: int, expected: list[str]) -> None:
    assert judge(arrivals, sent) == expected


def test_a_demo_that_did_not_resume_or_did_not_beat_has_failed() -> None:
    assert judge([1], 1, resumes=0) == ["the session was not resumed"]
    assert judge([1], 1, heartbeats=0) == ["no heartbeat was sent while the handler blocked"]


@given(st.sets(st.integers(1, 30)), st.integers(0, 30))
def test_lost_and_received_add_up_to_what_was_sent(arrived: set[int], sent: int) -> None:
    tally = ReceivedEvents()
    for seq in sorted(arrived):
        tally.add(seq)
    assert tally.lost(sent) + len([seq for seq in arrived if seq <= sent]) == sent
    assert tally.received == len(arrived)
    assert tally.highest == max(arrived, default=0)


# -- words -------------------------------------------------------------------------------------------------------------

ADA, VOX = user(1, "ada"), user(2, "vox", bot=True)
ROOM = guild(10, "Engine room", members=[member(ADA)], channels=[channel(11, "general"), channel(12, "Lounge", 2)])


@pytest.mark.parametrize(
    ("event", "data", "words"),
    [
        ("TYPING_START", {"user_id": "1", "channel_id": "11"}, "ada is typing in #general"),
        ("TYPING_START", {"user_id": "7", "channel_id": "11"}, "7 is typing in #general"),
        ("VOICE_STATE_UPDATE", {"user_id": "2", "channel_id": "12"}, "vox is in Lounge"),
        ("VOICE_STATE_UPDATE", {"user_id": "2", "channel_id": None}, "vox has left voice"),
        (
            "PRESENCE_UPDATE",
            {"user": {"id": "1"}, "guild_id": "10", "status": "idle", "activities": []},
            "ada is idle in Engine room",
        ),
        ("SOUNDBOARD_SOUNDS", {"guild_id": "10", "soundboard_sounds": []}, "Engine room has none"),
        ("CHANNEL_INFO", {"guild_id": "10", "channels": [{"id": "12", "status": None}]}, "Lounge: no status"),
        ("SOMETHING_NEW", {}, ""),
    ],
)
def test_events_are_told_with_the_names_learned_before(event: str, data: dict[str, Any], words: str) -> None:
    narrator = Narrator()
    assert narrator.describe("READY", {"user": VOX, "guilds": [{}, {}]}) == "logged in as vox, in 2 guilds"
    assert narrator.describe("GUILD_CREATE", {**ROOM, "member_count": 2}) == "Engine room: 2 members"
    assert narrator.describe(event, data) == words


def test_the_engine_rooms_messages_have_ids_of_their_own_and_no_bot_for_an_author() -> None:
    room = EngineRoom({**ROOM, "members": [member(VOX), member(ADA)]})
    (_, first), (_, second) = room.message(0, "a"), room.message(0, "b")
    assert first["id"] != second["id"]
    assert first["author"]["username"] == "ada"
