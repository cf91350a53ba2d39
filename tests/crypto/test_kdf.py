"""HMAC and HKDF against published values."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.crypto import HashAlgorithm, Secret, hkdf_expand, hkdf_extract, hmac, verify_hmac
from pytio.errors import VerificationError
from tests.crypto.published import cases

KEY = Secret(bytes(32))


@pytest.mark.parametrize("case", cases("hmac"))
@pytest.mark.parametrize("algorithm", [HashAlgorithm.SHA_256, HashAlgorithm.SHA_384, HashAlgorithm.SHA_512], ids=str)
def test_hmac(case: Any, algorithm: HashAlgorithm) -> None:
    key, message = bytes.fromhex(case["key"]), bytes.fromhex(case["message"])
    expected = bytes.fromhex(case["hmac"][str(algorithm)])
    assert hmac(algorithm, key, message) == expected
    assert hmac(algorithm, Secret(key), message[:3], message[3:]) == expected
    verify_hmac(algorithm, key, expected, message[:3], message[3:])


@pytest.mark.parametrize("case", cases("hkdf"))
def test_hkdf(case: Any) -> None:
    algorithm = HashAlgorithm.named(case["algorithm"])
    salt, key_material, info = (bytes.fromhex(case[name]) for name in ("salt", "key_material", "info"))
    extracted, expanded = bytes.fromhex(case["extracted"]), bytes.fromhex(case["expanded"])
    assert hkdf_extract(algorithm, salt, key_material) == Secret(extracted)
    assert hkdf_extract(algorithm, Secret(salt), Secret(key_material)) == Secret(extracted)
    assert hkdf_expand(algorithm, Secret(extracted), info, len(expanded)) == Secret(expanded)


@pytest.mark.parametrize("algorithm", HashAlgorithm, ids=str)
def test_hkdf_expand_is_hmac_chained(algorithm: HashAlgorithm) -> None:
    """RFC 5869, 2.3, once more from its definition, for every hash and across block borders."""
    if not algorithm.is_supported():
        pytest.skip(f"{algorithm} is not in this library")
    info, size = b"info", 3 * algorithm.digest_size + 1
    block, blocks = b"", b""
    for counter in range(1, 5):
        block = hmac(algorithm, KEY, block, info, bytes([counter]))
        blocks += block
    assert hkdf_expand(algorithm, KEY, info, size).reveal() == blocks[:size]


def test_hkdf_expand_has_a_limit() -> None:
    limit = 255 * HashAlgorithm.SHA_256.digest_size
    assert len(hkdf_expand(HashAlgorithm.SHA_256, KEY, b"", limit)) == limit
    with pytest.raises(ValueError, match=r"."):
        hkdf_expand(HashAlgorithm.SHA_256, KEY, b"", limit + 1)


@pytest.mark.parametrize("damage", ["first", "last", "short", "long", "empty"])
def test_a_wrong_hmac_is_refused_without_giving_the_right_one_away(damage: str) -> None:
    right = hmac(HashAlgorithm.SHA_256, KEY, b"message")
    wrong = {
        "first": bytes([right[0] ^ 1]) + right[1:],
        "last": right[:-1] + bytes([right[-1] ^ 0x80]),
        "short": right[:-1],
        "long": right + b"\0",
        "empty": b"",
    }[damage]
    with pytest.raises(VerificationError, match="verify data does not verify") as caught:
        verify_hmac(HashAlgorithm.SHA_256, KEY, wrong, b"mess", b"age", what="verify data")
    assert caught.value.pieces == (b"mess", b"age")
    assert right not in caught.value.args
