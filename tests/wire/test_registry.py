"""Formats that other packages bring along, in code and as entry points."""

from __future__ import annotations

import importlib.metadata
import logging
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from pytio.errors import DoeDecodeError
from pytio.wire.registry import FormatRegistry, Registry

GROUP = "pytio.test_formats"


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Offer entry points: one that loads, one that does not, one without a usable name; return what was asked for."""
    asked: list[str] = []
    points = EntryPoints(
        [
            EntryPoint("1", "builtins:bytes.hex", GROUP),
            EntryPoint("2", "nowhere.to_be_found:parse", GROUP),
            EntryPoint("word", "builtins:len", GROUP),
        ]
    )

    def entry_points(*, group: str) -> EntryPoints:
        asked.append(group)
        return points.select(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return asked


def test_what_is_known_needs_no_entry_point(offered: list[str]) -> None:
    registry: Registry[int, str] = Registry(GROUP, int, {7: "seven"})
    registry.register(8, "eight")
    assert (registry.get(7), registry.get(8)) == ("seven", "eight")
    assert offered == []


def test_entry_points_are_asked_for_once_and_loaded_by_need(
    offered: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    registry: FormatRegistry[int] = FormatRegistry(GROUP, int, DoeDecodeError)
    assert registry.parse(1, b"\x0a\x0b") == "0a0b"
    assert registry.parse(1, b"\x0c") == "0c"
    assert registry.parse(9, b"\x0a") == b"\x0a"
    assert offered == [GROUP]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "entry point word" in caplog.text


def test_an_entry_point_that_does_not_load_counts_as_absent(
    offered: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    registry: FormatRegistry[int] = FormatRegistry(GROUP, int, DoeDecodeError)
    assert registry.parse(2, b"\x0a") == b"\x0a"
    assert registry.parse(2, b"\x0a") == b"\x0a"
    assert caplog.text.count("does not load") == 1


def test_whatever_a_parser_raises_is_the_layers_error() -> None:
    registry: FormatRegistry[int] = FormatRegistry(GROUP, int, DoeDecodeError, {1: lambda data: data[5]})
    with pytest.raises(DoeDecodeError, match="the parser for 1 fails: IndexError") as caught:
        registry.parse(1, b"abc")
    assert caught.value.data == b"abc"
    assert isinstance(caught.value.__cause__, IndexError)
