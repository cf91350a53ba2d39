"""Lies that an honest peer never tells: whoever hears one notices it. `tests.spdm.lying` says how they are told."""

from __future__ import annotations

from typing import Final

import pytest

from tests.spdm.lying import every_lie

LIES: Final = every_lie()


@pytest.mark.parametrize("name", LIES)
def test_lies_are_noticed(name: str) -> None:
    LIES[name]()
