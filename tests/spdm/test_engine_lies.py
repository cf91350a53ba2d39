"""Lies that no honest peer tells: whoever hears one notices it. `tests.spdm.lies.telling` says how they are told."""

from __future__ import annotations

from typing import Final

import pytest

from tests.spdm.lies.telling import every_lie

LIES: Final = every_lie()


@pytest.mark.parametrize("name", LIES)
def test_lies_are_noticed(name: str) -> None:
    LIES[name]()
