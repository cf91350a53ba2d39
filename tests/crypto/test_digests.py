"""Digests against published values, whole and in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.crypto import Digest, HashAlgorithm, UnsupportedAlgorithmError, digest
from tests.crypto.published import cases


def supported(algorithm: HashAlgorithm) -> HashAlgorithm:
    """Return the algorithm, or skip where the library lacks it."""
    if not algorithm.is_supported():
        with pytest.raises(UnsupportedAlgorithmError):
            digest(algorithm)
        pytest.skip(str(UnsupportedAlgorithmError(algorithm)))
    return algorithm


@pytest.mark.parametrize("case", cases("digests"))
def test_published(case: Any) -> None:
    algorithm = supported(HashAlgorithm.named(case["algorithm"]))
    message, expected = bytes.fromhex(case["message"]), bytes.fromhex(case["digest"])
    assert digest(algorithm, message) == expected
    assert digest(algorithm, *(bytes([octet]) for octet in message)) == expected
    assert Digest(algorithm, message).value() == expected


@pytest.mark.parametrize("algorithm", HashAlgorithm, ids=str)
def test_size(algorithm: HashAlgorithm) -> None:
    assert len(digest(supported(algorithm), b"abc")) == algorithm.digest_size


@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
def test_pieces_are_concatenated(pieces: list[bytes]) -> None:
    whole = digest(HashAlgorithm.SHA_384, b"".join(pieces))
    growing = Digest(HashAlgorithm.SHA_384)
    for piece in pieces:
        growing.update(piece)
        growing.value()
    assert whole == digest(HashAlgorithm.SHA_384, *pieces) == growing.value()


def test_a_copy_goes_its_own_way() -> None:
    trunk = Digest(HashAlgorithm.SHA_256, b"a")
    branch = trunk.copy()
    branch.update(b"b")
    assert trunk.value() == digest(HashAlgorithm.SHA_256, b"a")
    assert branch.value() == digest(HashAlgorithm.SHA_256, b"ab")
    assert branch.algorithm is HashAlgorithm.SHA_256
    assert repr(branch) == "<Digest SHA-256>"
