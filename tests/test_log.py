"""The library's log: each line is one printable line, whatever a server had a part in it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from vox_gateway.log import LOGGER, Lines, ShardLog

NASTY = "bye\r\n\x1b[31m\x9b2J\u202eevil\u2028\ud800"
CLEAN = "bye ?[31m?2J?evil ?"


@pytest.fixture
def log() -> ShardLog:
    return ShardLog((0, 2))


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a program's handler writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(filename)s %(funcName)s %(shard)s %(message)s"))
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    yield stream
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def test_a_line_names_its_shard_and_who_logged_it(log: ShardLog, written: io.StringIO) -> None:
    log.info("%d events of %s in %.1f seconds, %r", 3, "READY", 1.25, None)
    here = f"{Path(__file__).name} test_a_line_names_its_shard_and_who_logged_it"
    assert written.getvalue() == f"INFO {here} 0/2 [shard 0/2] 3 events of READY in 1.2 seconds, None\n"


class Spoken:
    """Has words of its own."""

    def __str__(self) -> str:
        return NASTY

    def __repr__(self) -> str:
        return f"<Spoken {NASTY}>"


@pytest.mark.parametrize(
    ("template", "argument", "shown"),
    [
        ("it said %s", NASTY, CLEAN),
        ("it said %r", NASTY, repr(CLEAN)),
        ("it said %.5s", NASTY, "bye ?"),
        ("it said %s", ValueError(NASTY), CLEAN),
        ("it said %r", ValueError(NASTY), repr(ValueError(NASTY))),
        ("it said %s", Spoken(), CLEAN),
        ("it said %r", Spoken(), f"<Spoken {CLEAN}>"),
        ("it said %s", [NASTY], repr([NASTY])),
    ],
)
def test_an_argument_is_made_printable(
    log: ShardLog, written: io.StringIO, template: str, argument: object, shown: str
) -> None:
    log.warning(template, argument)
    assert written.getvalue().endswith(f"[shard 0/2] it said {shown}\n")
    assert shown.isprintable()


def test_an_argument_that_has_no_words_does_not_keep_the_line_from_being_logged(
    log: ShardLog, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    log.error("the handler raised %r", Broken(), exc_info=Broken())
    assert "the handler raised Broken()" in caplog.text


def test_an_argument_is_cut_where_it_is_too_long(log: ShardLog, written: io.StringIO) -> None:
    log.debug("< %s", "x" * 1_000_000)
    assert len(written.getvalue()) < 1200


def test_what_needs_no_change_stays_what_it_was(log: ShardLog, caplog: pytest.LogCaptureFixture) -> None:
    error, number = ValueError("fine"), 5
    log.warning("%s %s %s %s", error, number, None, "text")
    (record,) = caplog.records
    assert record.args == (error, 5, None, "text")
    assert record.msg == "[shard 0/2] %s %s %s %s"


def test_a_stack_keeps_its_lines(log: ShardLog, written: io.StringIO) -> None:
    log.warning("it is here:\n%s", Lines('  File "x"\n\tcall()\x1b[1m\u2028'))
    assert written.getvalue().endswith('it is here:\n  File "x"\n\tcall()?[1m?\n')


def test_a_traceback_keeps_its_lines_and_nothing_that_is_not_printable(log: ShardLog, written: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond\x1b[31m\ud800")
    except ValueError:
        log.exception("the handler failed")
    text = written.getvalue()
    assert text.endswith("ValueError: first\nsecond?[31m?\n")
    assert "Traceback" in text
    assert text.replace("\n", "").isprintable()


def test_a_formatter_of_the_program_shows_tracebacks_as_it_likes(log: ShardLog) -> None:
    class Short(logging.Formatter):
        def formatException(self, info: object) -> str:
            return "short"

    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(self.format(record))

    handler = Handler()
    handler.setFormatter(Short())
    LOGGER.addHandler(handler)
    try:
        log.error("it failed", exc_info=ValueError("plain"))
    finally:
        LOGGER.removeHandler(handler)
    assert records == ["[shard 0/2] it failed\nshort"]


def test_what_a_program_logs_here_itself_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    LOGGER.warning("%s", "a\nb")
    assert caplog.records[0].getMessage() == "a\nb"


def test_a_line_can_be_written_in_any_encoding_of_unicode(log: ShardLog, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "log", encoding="utf-8")
    LOGGER.addHandler(handler)
    try:
        log.warning("%s", NASTY)
    finally:
        LOGGER.removeHandler(handler)
        handler.close()
    assert (tmp_path / "log").read_text(encoding="utf-8") == f"[shard 0/2] {CLEAN}\n"


def test_a_mapping_that_is_the_only_argument_is_made_printable_too(log: ShardLog, written: io.StringIO) -> None:
    log.warning("said %(words)s", {"words": NASTY})
    assert written.getvalue().endswith(f"said {CLEAN}\n")
