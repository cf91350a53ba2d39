"""Authenticated encryption against published values, and every way to break it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.crypto import AEAD_TAG_SIZE, Aead, AeadAlgorithm, Secret, UnsupportedAlgorithmError
from pytio.errors import VerificationError
from tests.crypto.published import cases

NONCE = bytes(range(12))


def aead(algorithm: AeadAlgorithm, tag_size: int = AEAD_TAG_SIZE) -> Aead:
    """Return an AEAD with a key of our own, or skip where the library lacks it."""
    key = bytes(range(algorithm.key_size))
    if not algorithm.is_supported():
        with pytest.raises(UnsupportedAlgorithmError):
            Aead(algorithm, key)
        pytest.skip(str(UnsupportedAlgorithmError(algorithm)))
    return Aead(algorithm, Secret(key), tag_size)


@pytest.mark.parametrize("case", cases("aead"))
def test_published(case: Any) -> None:
    algorithm = AeadAlgorithm.named(case["algorithm"])
    aead(algorithm)
    key, nonce, aad, plaintext = (bytes.fromhex(case[name]) for name in ("key", "nonce", "aad", "plaintext"))
    sealed = bytes.fromhex(case["ciphertext"] + case["tag"])
    assert Aead(algorithm, key).seal(nonce, plaintext, aad) == sealed
    assert Aead(algorithm, key).open(nonce, sealed, aad) == plaintext
    if algorithm.has_short_tags:
        assert Aead(algorithm, key, 12).seal(nonce, plaintext, aad) == sealed[:-4]
        assert Aead(algorithm, key, 12).open(nonce, sealed[:-4], aad) == plaintext


@pytest.mark.parametrize("algorithm", AeadAlgorithm, ids=str)
@pytest.mark.parametrize("tag_size", [16, 12, 8, 4])
@pytest.mark.parametrize("plaintext", [b"", b"plaintext"], ids=["MAC only", "encrypted"])
def test_any_change_is_refused(algorithm: AeadAlgorithm, tag_size: int, plaintext: bytes) -> None:
    if tag_size != AEAD_TAG_SIZE and not algorithm.has_short_tags:
        with pytest.raises(ValueError, match="no tags of"):
            Aead(algorithm, bytes(algorithm.key_size), tag_size)
        return
    box, aad = aead(algorithm, tag_size), b"associated"
    sealed = box.seal(NONCE, plaintext, aad)
    assert len(sealed) == len(plaintext) + tag_size
    assert box.open(NONCE, sealed, aad) == plaintext
    changes = [
        *((NONCE, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], aad) for at in range(len(sealed))),
        *((NONCE, sealed[:size], aad) for size in range(len(sealed))),
        (NONCE, sealed + b"\0", aad),
        (NONCE, sealed, b""),
        (NONCE, sealed, aad + b"\0"),
        (NONCE[1:] + b"\0", sealed, aad),
    ]
    for nonce, changed, changed_aad in changes:
        with pytest.raises(VerificationError, match="tag does not verify") as caught:
            box.open(nonce, changed, changed_aad)
        assert caught.value.pieces == (changed_aad, changed)


@given(plaintext=st.binary(max_size=300), aad=st.binary(max_size=100), tag_size=st.sampled_from([16, 12]))
def test_short_tags_open_what_the_one_shot_class_seals(plaintext: bytes, aad: bytes, tag_size: int) -> None:
    """The two implementations below ``Aead`` agree."""
    key = bytes(32)
    sealed = Aead(AeadAlgorithm.AES_256_GCM, key).seal(NONCE, plaintext, aad)
    short = Aead(AeadAlgorithm.AES_256_GCM, key, tag_size)
    assert short.open(NONCE, sealed[: len(sealed) - AEAD_TAG_SIZE + tag_size], aad) == plaintext


@pytest.mark.parametrize("algorithm", AeadAlgorithm, ids=str)
def test_misuse(algorithm: AeadAlgorithm) -> None:
    box = aead(algorithm)
    with pytest.raises(ValueError, match="a key of"):
        Aead(algorithm, bytes(algorithm.key_size + 1))
    with pytest.raises(ValueError, match="no tags of 17 bytes"):
        Aead(algorithm, bytes(algorithm.key_size), 17)
    for nonce in (b"", bytes(11), bytes(13)):
        with pytest.raises(ValueError, match="a nonce has 12 bytes"):
            box.seal(nonce, b"", b"")
        with pytest.raises(ValueError, match="a nonce has 12 bytes"):
            box.open(nonce, bytes(16), b"")


def test_no_key_in_the_text() -> None:
    assert repr(aead(AeadAlgorithm.AES_128_GCM)) == "<Aead AES-128-GCM>"
