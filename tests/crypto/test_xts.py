"""AES-XTS against the vectors of IEEE 1619, Annex B (vectors 2 and 3)."""

from __future__ import annotations

import pytest

from pytio.crypto import Secret
from pytio.crypto.xts import Xts

VECTORS = [
    (
        "11" * 16 + "22" * 16,
        0x3333333333,
        "44" * 32,
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    ),
    (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0" + "22" * 16,
        0x3333333333,
        "44" * 32,
        "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89",
    ),
]


@pytest.mark.parametrize(("key", "number", "plain", "cipher"), VECTORS)
def test_published_vectors(key: str, number: int, plain: str, cipher: str) -> None:
    xts = Xts(Secret(bytes.fromhex(key)))
    assert xts.encrypt(number, bytes.fromhex(plain)).hex() == cipher
    assert xts.decrypt(number, bytes.fromhex(cipher)).hex() == plain


@pytest.mark.parametrize("key", [bytes(16), bytes(32), b"\1" * 32])
def test_bad_keys_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        Xts(key)


def test_a_unit_has_a_block_at_least() -> None:
    with pytest.raises(ValueError, match="16"):
        Xts(bytes(31) + b"\1").encrypt(0, bytes(15))
