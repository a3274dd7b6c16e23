"""Giving memory back: on the library of this system, with a clock of the test's own."""

from __future__ import annotations

import platform

import pytest

from vox_gateway.dispatch import heap


def test_memory_is_given_back_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(heap, "_malloc_trim", calls.append)
    monkeypatch.setattr(heap, "_next_at", 0.0)
    assert heap.give_back(lambda: 100.0)
    assert not heap.give_back(lambda: 104.9)
    assert heap.give_back(lambda: 105.0)
    assert calls == [0, 0]


def test_a_library_that_gives_memory_back_by_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_malloc_trim", None)
    assert heap.give_back(lambda: 1.0)
    assert heap.give_back(lambda: 1.0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is glibc's")
def test_glibc_has_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_malloc_trim", None)
    monkeypatch.setattr(heap, "_next_at", 0.0)
    heap.find_trim()
    assert heap._malloc_trim is not None
    assert heap.give_back()
