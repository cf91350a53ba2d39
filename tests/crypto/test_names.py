"""The package's names: each resolves to its module's, and no other does."""

from __future__ import annotations

import pytest

import pytio.crypto


def test_every_public_name_resolves() -> None:
    for name in pytio.crypto.__all__:
        assert getattr(pytio.crypto, name) is not None
    assert set(pytio.crypto.__all__) <= set(dir(pytio.crypto))
    assert len(set(pytio.crypto.__all__)) == len(pytio.crypto.__all__)


def test_every_public_name_is_documented() -> None:
    undocumented = [name for name in pytio.crypto.__all__ if not getattr(pytio.crypto, name).__doc__]
    assert undocumented == []


def test_other_names_do_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'rot13'"):
        _ = pytio.crypto.rot13  # type: ignore[attr-defined]
