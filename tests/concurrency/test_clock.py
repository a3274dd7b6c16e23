"""Times of the monotonic clock."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vox_gateway.concurrency import clock


@pytest.mark.parametrize(("when", "seconds"), [(102.5, 2.5), (100.0, 0.0), (99.0, 0.0), (None, None)])
def test_seconds_until_a_time_are_never_negative(
    monkeypatch: pytest.MonkeyPatch, when: float | None, seconds: float | None
) -> None:
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: 100.0))
    assert clock.seconds_until(when) == seconds


@pytest.mark.parametrize(("timeout", "when"), [(2.5, 102.5), (0.0, 100.0), (None, None)])
def test_a_deadline_is_a_timeout_from_now(
    monkeypatch: pytest.MonkeyPatch, timeout: float | None, when: float | None
) -> None:
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: 100.0))
    assert clock.deadline_after(timeout) == when
