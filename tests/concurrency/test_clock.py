"""How long until a time."""

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
