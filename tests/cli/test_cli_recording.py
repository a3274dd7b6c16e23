"""What a recording holds, and how it is kept on disk; without a gateway."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.cli.recording import BrokenLine, Recorded, line, parse
from vox_gateway.cli.recording.reading import Line, beginning, in_order, merged, read
from vox_gateway.cli.recording.redaction import Redactor, filler
from vox_gateway.cli.recording.rotation import NotARecording, RotatingFile, rotated

TOKEN = "a.very.secret-token"
SHAPED = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.abcdefghijklmnopqrstuvwxyz-_0123456789"
SIGNED = "https://cdn.discordapp.com/attachments/1/2/cat.png?ex=6a&is=6b&hm=0123456789abcdef&"

needs_posix = pytest.mark.skipif(os.name != "posix", reason="modes and locks as POSIX has them")


# -- redaction ---------------------------------------------------------------------------------------------------------

# Every place that the documentation of Discord has for what must not be seen.
SECRETS: list[tuple[str, Any]] = [
    ("READY", {"session_id": "SECRET", "resume_gateway_url": "wss://SECRET", "auth_session_id_hash": "SECRET"}),
    ("READY", {"analytics_token": "SECRET", "sessions": [{"session_id": "SECRET"}]}),
    ("VOICE_SERVER_UPDATE", {"token": "SECRET", "guild_id": "1", "endpoint": "e"}),
    ("VOICE_STATE_UPDATE", {"session_id": "SECRET"}),
    ("INTERACTION_CREATE", {"token": "SECRET", "data": {"name": "x", "token": "SECRET"}}),
    ("INTERACTION_CREATE", {"data": {"options": [{"name": "o", "token": ["SECRET"]}]}}),
    ("WEBHOOKS_UPDATE", {"webhook": {"token": "SECRET", "url": "https://discord.com/api/webhooks/1/SECRET"}}),
    ("INVITE_CREATE", {"code": "SECRET", "channel_id": "1"}),
    ("PRESENCE_UPDATE", {"activities": [{"secrets": {"join": "SECRET", "match": ["SECRET"]}}]}),
    ("MESSAGE_CREATE", {"content": f"my token is {SHAPED} SECRET".replace(" SECRET", "")}),
    ("MESSAGE_CREATE", {"content": f"mine is {TOKEN}!"}),
    ("MESSAGE_CREATE", {"content": "https://discord.com/api/webhooks/123/SECRET?wait=1"}),
    ("MESSAGE_CREATE", {"content": "<https://discord.com/api/v10/interactions/123/SECRET/callback>"}),
    ("MESSAGE_CREATE", {"content": "come: https://discord.gg/SECRET or discord.com/invite/SECRET"}),
    ("MESSAGE_CREATE", {"content": "ftp://me:SECRET@host/ and https://x.org/?a=1&api_token=SECRET&b=2"}),
    ("MESSAGE_CREATE", {"attachments": [{"url": SIGNED, "proxy_url": SIGNED}]}),
    ("A_NEW_EVENT", {"Some-New-Token": "SECRET", "password": "SECRET", "client_secret": 1234}),
]


@pytest.mark.parametrize("keep_content", [False, True])
@pytest.mark.parametrize(("name", "data"), SECRETS)
def test_no_secret_is_recorded_whether_content_is_kept_or_not(name: str, data: Any, keep_content: bool) -> None:
    text = json.dumps(Redactor(TOKEN, keep_content).redact(name, data))
    for secret in ("SECRET", SHAPED, TOKEN, "0123456789abcdef", "1234"):
        assert secret not in text


MESSAGE = {
    "id": "1300000000000000001",
    "channel_id": "7",
    "guild_id": "1200000000004194304",
    "type": 0,
    "content": "Grüße, 雪 and \N{DUCK} from 1200000000004194304",
    "timestamp": "2024-01-01T12:00:00.000000+00:00",
    "edited_timestamp": None,
    "author": {"id": "5", "username": "ada", "global_name": "Ada L", "discriminator": "0", "email": "ada@example.org"},
    "member": {"nick": "Countess", "roles": ["12"], "permissions": "2222085186637376"},
    "embeds": [{"type": "rich", "title": "a title", "fields": [{"name": "n n", "value": "v v"}], "color": 3}],
    "attachments": [{"id": "8", "filename": "letter.txt", "size": 77, "content_type": "text/plain; charset=utf-8"}],
    "a_field_that_is_new": "who knows?",
}


def test_texts_of_people_become_filler_of_the_same_size_and_the_rest_is_kept() -> None:
    found = Redactor().redact("MESSAGE_CREATE", MESSAGE)
    author, member, (embed,), (attachment,) = (found[key] for key in ("author", "member", "embeds", "attachments"))
    kept = ("id", "channel_id", "guild_id", "type", "timestamp", "edited_timestamp")
    assert {key: found[key] for key in kept} == {key: MESSAGE[key] for key in kept}
    assert found["content"] == "xx\u00d7\u00d7xxx\u2718xxxxx\U0001f5d9" + "x" * 25
    assert author == {"id": "5", "username": "xxx", "global_name": "xxxxx", "discriminator": "x", "email": "x" * 15}
    assert member == {"nick": "xxxxxxxx", "roles": ["12"], "permissions": "2222085186637376"}
    assert embed == {"type": "rich", "title": "x" * 7, "fields": [{"name": "xxx", "value": "xxx"}], "color": 3}
    assert attachment == {**MESSAGE["attachments"][0], "filename": "x" * 10}  # type: ignore[index]
    assert found["a_field_that_is_new"] == "x" * 10


def test_content_is_kept_where_that_is_asked_for() -> None:
    assert Redactor(TOKEN, keep_content=True).redact("MESSAGE_CREATE", MESSAGE) == MESSAGE
    # A token that is a word, as gateways for tests have them, is no reason to change texts.
    assert Redactor("any", keep_content=True).redact("X", {"content": "many"}) == {"content": "many"}


@pytest.mark.parametrize(
    ("key", "text", "is_kept"),
    [
        ("status", "online", True),
        ("status", "in a call about the merger", False),
        ("locale", "en-US", True),
        ("locale", "my locale", False),
        ("content", "1200000000004194304", False),
        ("username", "1200000000004194304", False),
        ("new", "1200000000004194304", True),
        ("new", "4111111111111111", False),
        ("new", "2024-01-01T12:00:00+00:00", True),
        ("id", "spotify:1", False),
        ("custom_id", "vote", False),
    ],
)
def test_a_text_is_kept_only_where_it_is_known_what_it_is(key: str, text: str, is_kept: bool) -> None:
    assert Redactor().redact("X", {key: text}) == {key: text if is_kept else "x" * len(text)}


def test_emojis_of_unicode_are_kept_and_names_of_others_are_not() -> None:
    for name, is_kept in (("\N{DUCK}", True), ("my_face", False), ("\u540d\u524d", False)):
        found = Redactor().redact("MESSAGE_REACTION_ADD", {"emoji": {"id": None, "name": name}})
        assert (found["emoji"]["name"] == name) is is_kept


def test_names_of_commands_are_kept_and_what_was_typed_is_not() -> None:
    data = {
        "name": "ban",
        "type": 1,
        "options": [
            {"name": "who", "type": 6, "value": "1100000000000000002"},
            {"name": "why", "type": 3, "value": "1100000000000000002 is rude"},
            {"name": "Not A Name!", "type": 1, "options": [{"name": "in", "type": 3, "value": "1100000000000000002"}]},
            "?",
        ],
    }
    found = Redactor().redact("INTERACTION_CREATE", {"id": "1", "data": data, "channel": {"name": "secret plans"}})
    who, why, third, odd = found["data"]["options"]
    assert found["data"]["name"] == "ban"
    assert who == {"name": "who", "type": 6, "value": "1100000000000000002"}
    assert why == {"name": "why", "type": 3, "value": "x" * 27}
    assert third["name"] == "x" * 11
    assert third["options"] == [{"name": "in", "type": 3, "value": "x" * 19}]
    assert odd == "x"
    assert found["channel"]["name"] == "x" * 12


def test_a_key_that_is_no_key_of_discords_is_not_shown() -> None:
    assert Redactor().redact("X", {"what a person wrote": None}) == {"x" * 19: None}


def test_a_secret_keeps_its_kind() -> None:
    data = {"token": None, "session_id": 5, "secrets": {"a": True, "b": 1.5}}
    assert Redactor().redact("X", data) == {"token": None, "session_id": 0, "secrets": {"a": True, "b": 0}}


@given(st.text())
def test_filler_takes_as_many_characters_and_bytes(text: str) -> None:
    assert len(filler(text)) == len(text)
    assert len(filler(text).encode()) == len(text.encode(errors="surrogatepass"))


NOT_IN_KEYS = st.text(alphabet="QZ!", min_size=3)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | NOT_IN_KEYS,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "content", "token", "emoji", "name"]), inner),
)


@given(TREES)
def test_nothing_of_any_text_is_left_and_the_shape_is(data: Any) -> None:
    found = json.dumps(Redactor().redact("INTERACTION_CREATE", {"data": data}))
    assert not {"Q", "Z", "!"} & set(found)
    numbers = str.maketrans(dict.fromkeys("-0123456789"))
    as_filler = json.dumps({"data": data}).translate(str.maketrans("QZ!", "xxx")).translate(numbers)
    assert found.translate(numbers) == as_filler


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line_is_read_as_it_was_written() -> None:
    event = Recorded(1700000000.25, None, "X", {"text": "half a pair: \ud83e, \n, \N{DUCK}"})
    written = line(event)
    assert parse(written) == event
    assert written.startswith(b'{"time":1700000000.25,"seq":null,"name":"X","data":{')
    assert written.count(b"\n") == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "missing time, seq, name, data"),
        (b'{"t": "X", "s": 1, "d": null}', "missing time, seq, name, data"),
        (b'{"time": "now", "seq": 1, "name": "X", "data": 1}', "time is not a valid Unix time"),
        (b'{"time": true, "seq": 1, "name": "X", "data": 1}', "time is not a valid Unix time"),
        (b'{"time": 1' + b"0" * 400 + b', "seq": 1, "name": "X", "data": 1}', "time is not a valid Unix time"),
        (b'{"time": 1e999, "seq": 1, "name": "X", "data": 1}', "time is not a valid Unix time"),
        (b'{"time": 1, "seq": 1, "name": "", "data": 1}', "name is not a non-empty string"),
    ],
)
def test_a_broken_line_says_why(data: bytes, words: str) -> None:
    with pytest.raises(BrokenLine, match=words):
        parse(data)


# -- the file ----------------------------------------------------------------------------------------------------------


def of_size(size: int, number: int = 0) -> bytes:
    """A line of so many bytes."""
    event = Recorded(number, number, "X", "")
    return line(event._replace(data="x" * (size - len(line(event)))))


def write(path: Path, *lines: bytes, max_size: int = 250, keep: int = 2) -> None:
    file = RotatingFile(path, max_size, keep)
    try:
        for one in lines:
            file.write(one)
    finally:
        file.close()


def numbers(path: Path) -> list[int]:
    """Which lines a file holds; all are whole."""
    return [parse(one).seq or 0 for one in path.read_bytes().splitlines()]


def test_a_full_file_makes_room_for_another_and_the_oldest_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write(path, *(of_size(100, number) for number in range(1, 10)))
    assert [numbers(one) for one in (path, *rotated(path))] == [[9], [7, 8], [5, 6]]
    assert {one.name for one in tmp_path.iterdir()} == {"events.jsonl", "events.jsonl.1", "events.jsonl.2"}
    write(path, of_size(100, 10), of_size(100, 11), keep=1)  # and what is kept no more
    assert [numbers(one) for one in (path, *rotated(path))] == [[11], [9, 10]]
    write(path, of_size(100, 12), of_size(100, 13), keep=0)
    assert [numbers(one) for one in (path, *rotated(path))] == [[13]]


def test_a_line_that_is_too_large_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "e"
    write(path, of_size(100, 1), of_size(1000, 2), of_size(100, 3))
    assert [numbers(one) for one in (path, *rotated(path))] == [[3], [2], [1]]


def test_there_are_no_more_than_ten_and_they_are_in_order(tmp_path: Path) -> None:
    path = tmp_path / "e"
    write(path, *(of_size(200, number) for number in range(30)), keep=12)
    assert [numbers(one) for one in (path, *rotated(path))] == [[number] for number in range(29, 16, -1)]


@needs_posix
def test_it_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "e"
    path.write_bytes(of_size(100))
    path.chmod(0o644)
    write(path, of_size(200), of_size(200))
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("whole", [0, 1, 3])
def test_a_piece_of_a_last_line_is_taken_away(tmp_path: Path, whole: int) -> None:
    path = tmp_path / "e"
    path.write_bytes(of_size(100) * whole + of_size(200_000)[:-1])
    file = RotatingFile(path, 1 << 30, 1)
    assert (file.size, file.cut) == (100 * whole, 199_999)
    file.write(of_size(100, 9))
    file.close()
    assert numbers(path) == [0] * whole + [9]


@pytest.mark.parametrize("content", [b"a letter\n", b'{"t": 1}\n', b'{"time":', b'{"time":1}\n', b"\n", b"x"])
@pytest.mark.parametrize("name", ["e", "e.7"])
def test_what_is_no_recording_is_left_as_it_is(tmp_path: Path, content: bytes, name: str) -> None:
    if content == b'{"time":':
        content += b"1" + b"\n"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NotARecording, match="is not a recording"):
        RotatingFile(tmp_path / "e", 100, 1)
    assert (tmp_path / name).read_bytes() == content


@needs_posix
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name, words in (("pipe", "not a regular file"), ("link", "is a symbolic link"), (".", "is a folder")):
        with pytest.raises(NotARecording, match=words):
            RotatingFile(tmp_path / name, 100, 1)
    assert not (tmp_path / "target").exists()


@needs_posix
def test_two_do_not_record_to_one_file(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "e", 100, 1)
    try:
        with pytest.raises(NotARecording, match="by another process"):
            RotatingFile(tmp_path / "e", 100, 1)
    finally:
        file.close()


def test_other_files_are_none_of_ours(tmp_path: Path) -> None:
    for name in ("e.txt", "e.01", "e.0", "other.1", "e.1.gz"):
        (tmp_path / name).write_text("mine")
    assert rotated(tmp_path / "e") == []
    write(tmp_path / "e", of_size(200), of_size(200), keep=0)
    assert len(list(tmp_path.iterdir())) == 6


@needs_posix
def test_a_line_that_did_not_fit_on_the_disk_is_not_left_in_pieces(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    file = RotatingFile(tmp_path / "e", 1 << 30, 1)
    try:
        file.write(of_size(100, 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))
        with pytest.raises(OSError, match="File too large"):
            file.write(of_size(100, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
        file.close()
    assert numbers(tmp_path / "e") == [1]


# -- reading -----------------------------------------------------------------------------------------------------------


def event_at(time: float) -> Recorded:
    return Recorded(time, None, "X", None)


def written(path: Path, *times: float) -> Path:
    path.write_bytes(b"".join(line(event_at(time)) for time in times))
    return path


def test_the_files_of_a_recording_are_read_from_the_oldest_on(tmp_path: Path) -> None:
    files = [written(tmp_path / name) for name in ("e.11", "e.2", "e.1", "e")]
    for other in ("e.old", "e.0", "e.1.bak", "f.1", "xe.1"):
        written(tmp_path / other)
    assert in_order([tmp_path / "e"]) == [files]
    assert in_order([tmp_path / "e.1", tmp_path / "e", tmp_path / "e"]) == [files]


def test_full_files_alone_are_put_in_order_and_what_was_not_given_is_left_out(tmp_path: Path) -> None:
    for name in ("e", "e.1", "e.2", "e.3", "f"):
        written(tmp_path / name)
    assert in_order([tmp_path / "e.1", tmp_path / "e.3"]) == [[tmp_path / "e.3", tmp_path / "e.1"]]
    assert in_order([tmp_path / "e.1", tmp_path / "f"]) == [[tmp_path / "e.1"], [tmp_path / "f"]]


def test_a_recording_whose_name_ends_in_a_number_has_its_full_files_too(tmp_path: Path) -> None:
    files = [written(tmp_path / name) for name in ("e.2026.1", "e.2026")]
    assert in_order([tmp_path / "e.2026"]) == [files]


def test_lines_are_read_with_where_they_stand_and_broken_ones_say_why(tmp_path: Path) -> None:
    file = tmp_path / "e"
    file.write_bytes(line(event_at(1)) + b"\n" + line(event_at(2))[:-5])
    first, second, last = read(file)
    assert first == Line(file, 1, len(line(event_at(1))), event_at(1))
    assert (second.number, second.size, str(second.event)) == (2, 1, "not valid JSON")
    assert last == Line(file, 3, len(line(event_at(2))) - 5, None)


def test_a_whole_event_without_an_end_of_line_is_an_event(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(line(event_at(1)).rstrip())
    assert [one.event for one in read(tmp_path / "e")] == [event_at(1)]


def test_recordings_are_merged_by_time_and_each_keeps_its_order(tmp_path: Path) -> None:
    left = [written(tmp_path / "a.1", 1, 5), written(tmp_path / "a", 3, 9)]  # its clock was set back
    right = [written(tmp_path / "b", 2, 4, 8)]
    with right[0].open("ab") as file:
        file.write(b"{}\n")
    found = [(one.path.name[0], getattr(one.event, "time", None)) for one in merged([left, right])]
    assert found == [
        ("a", 1),
        ("b", 2),
        ("b", 4),
        ("a", 5),
        ("a", 3),
        ("b", 8),
        ("b", None),
        ("a", 9),
    ]


def test_the_beginning_of_a_file_tells_whether_it_is_a_recording(tmp_path: Path) -> None:
    file = tmp_path / "e"
    file.write_bytes(b"{}\n" * 3 + line(event_at(1)))
    assert list(beginning(file)) == [event_at(1)]
    file.write_bytes(b"{}\n" * 100 + line(event_at(1)))
    assert list(beginning(file)) == []
