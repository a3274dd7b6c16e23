"""Each call of a function that is there in C too is compared, so that every test of Python is one of C."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from compared import every_call_is_compared


@pytest.fixture(autouse=True, scope="module")
def both_languages() -> Iterator[None]:
    yield from every_call_is_compared()
