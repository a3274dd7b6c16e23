"""What a failing test of ours shows: enough to find out why, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

FAILING = """
import logging

def test_it_fails(caplog):
    caplog.set_level(logging.DEBUG)
    for number in range(300):
        logging.debug("line %d of the log", number)
    assert 1 + 1 == 3, "what is wrong"
"""


@pytest.fixture
def failing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test that fails after many lines of log, with the conftest of these tests."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(FAILING)
    return pytester


def test_a_failure_shows_the_assertion_and_the_end_of_the_log(failing: pytest.Pytester) -> None:
    result = failing.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: what is wrong*",
            "(280 lines omitted, see -vv)",
            "*line 280 of the log",
            "*line 299 of the log",
        ]
    )
    assert len(result.outlines) < 70


def test_all_of_the_log_is_to_be_had(failing: pytest.Pytester) -> None:
    result = failing.runpytest_inprocess("-p", "no:cacheprovider", "-vv")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*line 0 of the log", "*line 299 of the log"])
