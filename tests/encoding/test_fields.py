"""The readers of fields: a malformed field counts as absent."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vox_gateway.encoding.fields import MAX_SECONDS, id_of, ids_of, objects_of, seconds_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5", "5"), (5, "5"), (0, "0"), (True, None), (-1, None), (1 << 64, None), (5.0, None), (None, None), ([], None)],
)
def test_an_id_is_text_or_an_integer_of_64_bits(value: Any, expected: str | None) -> None:
    assert id_of(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(["5", 6, None, {}], ["5", "6"]), ("56", []), (None, [])])
def test_ids_are_read_from_a_list(value: Any, expected: list[str]) -> None:
    assert ids_of(value) == expected


@pytest.mark.parametrize(("value", "expected"), [([{}, 5, {"a": 1}], [{}, {"a": 1}]), ({"a": 1}, []), (None, [])])
def test_objects_are_read_from_a_list(value: Any, expected: list[dict[str, Any]]) -> None:
    assert objects_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.5, 1.5), (2, 2.0), (-1, 0.0), (math.inf, MAX_SECONDS), (1 << 2000, MAX_SECONDS)]
    + [(value, None) for value in (math.nan, True, "1", None)],
)
def test_seconds_are_clamped(value: Any, expected: float | None) -> None:
    assert seconds_of(value) == expected
