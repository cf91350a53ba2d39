"""Secrets: never in a text, never compared in passing, never stored by accident."""

from __future__ import annotations

import copy
import pickle

import pytest

from pytio.crypto import Secret
from pytio.crypto.secret import equal_in_constant_time, octets_of

KEY = bytes(range(16))


def test_shows_its_length_only() -> None:
    for text in (repr(Secret(KEY)), str(Secret(KEY)), f"{Secret(KEY)}", repr([Secret(KEY)])):
        assert "16 bytes" in text
        assert KEY.hex() not in text
        assert repr(KEY) not in text


def test_reveals_on_request() -> None:
    assert Secret(KEY).reveal() == KEY
    assert Secret(Secret(KEY)).reveal() == KEY
    assert octets_of(Secret(KEY)) == octets_of(KEY) == KEY
    assert len(Secret(KEY)) == len(KEY)


def test_keeps_a_copy() -> None:
    source = bytearray(KEY)
    secret = Secret(source)  # type: ignore[arg-type]  # what a caller might do all the same
    source[0] ^= 1
    assert secret.reveal() == KEY


def test_compares() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY[:-1])
    assert Secret(KEY) != Secret(KEY[:-1] + b"\0")
    assert Secret(KEY) != KEY
    assert equal_in_constant_time(KEY, KEY)
    assert not equal_in_constant_time(KEY, KEY[:-1])


def test_is_neither_hashed_nor_pickled() -> None:
    with pytest.raises(TypeError):
        hash(Secret(KEY))
    with pytest.raises(TypeError, match="reveal"):
        pickle.dumps(Secret(KEY))


def test_copies_are_the_object_itself() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
