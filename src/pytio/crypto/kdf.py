"""HMAC (RFC 2104) and the two halves of HKDF (RFC 5869).

This file knows no labels: what is put into ``info`` is a protocol's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from pytio.crypto import _symmetric
from pytio.crypto.secret import KeyMaterial, Secret, equal_in_constant_time, octets_of
from pytio.errors import VerificationError

if TYPE_CHECKING:
    from pytio.crypto.algorithms import HashAlgorithm

__all__ = ("hkdf_expand", "hkdf_extract", "hmac", "verify_hmac")


def hmac(algorithm: HashAlgorithm, key: KeyMaterial, *pieces: bytes) -> bytes:
    """Return HMAC(key, pieces one after the other); ``algorithm.digest_size`` bytes.

    Raises UnsupportedAlgorithmError if the library lacks the hash.
    """
    context = HMAC(octets_of(key), _symmetric.hash_object(algorithm))
    for piece in pieces:
        context.update(piece)
    return context.finalize()


def verify_hmac(
    algorithm: HashAlgorithm, key: KeyMaterial, received: bytes, *pieces: bytes, what: str = "HMAC"
) -> None:
    """Check a received HMAC over the pieces in constant time.

    Raises VerificationError, which names ``what`` and carries the pieces but neither key nor expected value, if it does
    not hold; UnsupportedAlgorithmError if the library lacks the hash.
    """
    if not equal_in_constant_time(hmac(algorithm, key, *pieces), received):
        raise VerificationError(what, pieces)


def hkdf_extract(algorithm: HashAlgorithm, salt: KeyMaterial, key_material: KeyMaterial) -> Secret:
    """Return HKDF-Extract(salt, key material); ``algorithm.digest_size`` bytes.

    Raises UnsupportedAlgorithmError if the library lacks the hash.
    """
    return Secret(hmac(algorithm, salt, octets_of(key_material)))


def hkdf_expand(algorithm: HashAlgorithm, secret: KeyMaterial, info: bytes, size: int) -> Secret:
    """Return HKDF-Expand(secret, info, size); ``size`` bytes.

    Raises ValueError if ``size`` is more than 255 digests, UnsupportedAlgorithmError if the library lacks the hash.
    """
    expansion = HKDFExpand(_symmetric.hash_object(algorithm), size, info)
    return Secret(expansion.derive(octets_of(secret)))
