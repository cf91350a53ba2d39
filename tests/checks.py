"""One-line checks that every message's test uses."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.errors import DecodeError
from pytio.wire import WireStruct


def check_wire(cls: type[WireStruct], raw: bytes, expected: WireStruct | None = None, **given: int) -> WireStruct:
    """Check that ``raw`` parses to ``expected``, builds back, and fails well when cut or prolonged."""
    parsed = cls.parse(raw, **given)
    if expected is not None:
        assert parsed == expected
    assert parsed.build() == raw
    assert hash(parsed) == hash(cls.parse(raw, **given))
    assert parsed.given() == given
    for damaged in [*(raw[:size] for size in range(len(raw))), raw + b"\0"]:
        check_total(cls, damaged, given)
    return parsed


def check_total(cls: type[WireStruct], raw: bytes, given: dict[str, int]) -> None:
    """Check that ``raw`` parses and builds back, or raises the layer's error with an offset inside it."""
    try:
        parsed = cls.parse(raw, **given)
    except DecodeError as error:
        assert type(error) is cls.ERROR
        assert 0 <= error.offset <= len(raw)
        assert error.path.startswith(cls.__name__)
        assert len(error.data) == len(raw)
    else:
        assert parsed.build() == raw


def check_refused(cls: type[WireStruct], raw: bytes, offset: int, reason: str = "", **given: int) -> DecodeError:
    """Check that ``raw`` raises the layer's error at ``offset``."""
    with pytest.raises(cls.ERROR, match=reason or None) as caught:
        cls.parse(raw, **given)
    assert caught.value.offset == offset
    return caught.value


def subset(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Return where ``actual`` differs from ``expected``, looking only at what ``expected`` names."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            problem
            for key, value in expected.items()
            for problem in (
                subset(value, actual[key], f"{path}.{key}") if key in actual else [f"{path}.{key} is missing"]
            )
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [p for i, (e, a) in enumerate(zip(expected, actual, strict=True)) for p in subset(e, a, f"{path}[{i}]")]
    if isinstance(actual, dict) and "value" in actual and not isinstance(expected, dict):  # a code or flags, by value
        actual = actual["value"]
    return [] if expected == actual else [f"{path}: expected {expected!r}, got {actual!r}"]
