"""Authenticated encryption with associated data, under one key.

This file knows keys, nonces and tags. It knows no counters and no records: choosing a nonce that never repeats is the
caller's duty. Authentication alone is sealing an empty plaintext: everything to be covered is associated data.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag

from pytio.crypto import _symmetric
from pytio.crypto.algorithms import AEAD_NONCE_SIZE, AEAD_TAG_SIZE, AeadAlgorithm
from pytio.crypto.secret import KeyMaterial, octets_of
from pytio.errors import VerificationError

__all__ = ("Aead",)

_SHORT_TAG_SIZES: Final = frozenset({4, 8, 12, 13, 14, 15})
"""NIST SP 800-38D, 5.2.1.2."""


class Aead:
    """One key of one AEAD algorithm.

    Attributes:
        algorithm: which one.
        tag_size: bytes of the tag that ends everything sealed.
    """

    __slots__ = ("_box", "algorithm", "tag_size")

    def __init__(self, algorithm: AeadAlgorithm, key: KeyMaterial, tag_size: int = AEAD_TAG_SIZE) -> None:
        """Take a key of ``algorithm.key_size`` bytes.

        Raises ValueError if key or tag size do not fit the algorithm, UnsupportedAlgorithmError if the library lacks
        it.
        """
        octets = octets_of(key)
        if len(octets) != algorithm.key_size:
            raise ValueError(f"a key of {algorithm} has {algorithm.key_size} bytes, not {len(octets)}")
        if tag_size != AEAD_TAG_SIZE and not (algorithm.has_short_tags and tag_size in _SHORT_TAG_SIZES):
            raise ValueError(f"{algorithm} has no tags of {tag_size} bytes")
        self.algorithm = algorithm
        self.tag_size = tag_size
        self._box = _symmetric.aead_box(algorithm, octets, tag_size)

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return the ciphertext, as long as the plaintext, followed by the tag over ``aad`` and it.

        Raises ValueError if the nonce has not ``AEAD_NONCE_SIZE`` bytes.
        """
        return self._box.encrypt(_checked_nonce(nonce), plaintext, aad)

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext of ciphertext and tag.

        Raises VerificationError, with ``aad`` and ``sealed`` as its pieces, if the tag does not hold, in which case
        nothing of the plaintext is disclosed; ValueError if the nonce has not ``AEAD_NONCE_SIZE`` bytes.
        """
        try:
            return self._box.decrypt(_checked_nonce(nonce), sealed, aad)
        except InvalidTag as error:
            raise VerificationError(f"{self.algorithm} tag", (aad, sealed)) from error

    def __repr__(self) -> str:
        """Name the algorithm, not the key."""
        return f"<Aead {self.algorithm}>"


def _checked_nonce(nonce: bytes) -> bytes:
    if len(nonce) != AEAD_NONCE_SIZE:
        raise ValueError(f"a nonce has {AEAD_NONCE_SIZE} bytes, not {len(nonce)}")
    return nonce
