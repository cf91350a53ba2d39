"""Every vector file: parse, compare, build back; every invalid one: the right error at the right offset."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytio.wire import WireStruct
from tests.checks import check_refused, check_wire, subset

VECTORS = Path(__file__).parent / "vectors"
VALID = sorted(path for path in VECTORS.rglob("*.toml") if path.parent.name != "invalid")
INVALID = sorted(path for path in VECTORS.rglob("*.toml") if path.parent.name == "invalid")


def load(path: Path) -> tuple[type[WireStruct], bytes, dict[str, int], dict[str, Any]]:
    """Return the message class, the bytes, the given facts and the whole file."""
    vector = tomllib.loads(path.read_text())
    module, _, name = vector["class"].rpartition(".")
    cls: type[WireStruct] = getattr(importlib.import_module(module), name)
    assert vector["source"], "a vector says where it comes from"
    assert vector["spec"], "a vector says which document and section lays it out"
    return cls, bytes.fromhex(vector["hex"]), vector.get("given", {}), vector


@pytest.mark.parametrize("path", VALID, ids=lambda path: str(path.relative_to(VECTORS).with_suffix("")))
def test_vector(path: Path) -> None:
    """A vector parses to the fields it lists, builds back to its bytes, and survives damage well."""
    cls, raw, given, vector = load(path)
    parsed = check_wire(cls, raw, None, **given)
    assert subset(vector["fields"], parsed.to_dict(reveal=True)) == []


@pytest.mark.parametrize("path", INVALID, ids=lambda path: str(path.relative_to(VECTORS).with_suffix("")))
def test_invalid_vector(path: Path) -> None:
    """A vector that must not parse raises the named error at the named offset."""
    cls, raw, given, vector = load(path)
    error = check_refused(cls, raw, vector["error"]["offset"], vector["error"].get("reason", ""), **given)
    assert type(error).__name__ == vector["error"]["class"]
