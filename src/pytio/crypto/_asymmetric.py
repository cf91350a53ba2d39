"""The classical asymmetric algorithms of the installed ``cryptography``: how our names map to its objects.

Absence shows as the library's ``UnsupportedAlgorithm`` where the OpenSSL below lacks an algorithm, or as one that is in
no table here because no version has it; both leave here as ``UnsupportedAlgorithmError``. This file knows no protocol
and no encoding.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from pytio.crypto.algorithms import Algorithm, ExchangeAlgorithm, SignatureAlgorithm, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        KeySerializationEncryption,
        PrivateFormat,
        PublicFormat,
    )

__all__ = ("LibraryPrivateKey", "LibraryPublicKey", "curve")

_CURVES: Final[Mapping[Algorithm, type[ec.EllipticCurve]]] = {
    SignatureAlgorithm.ECDSA_P256: ec.SECP256R1,
    SignatureAlgorithm.ECDSA_P384: ec.SECP384R1,
    SignatureAlgorithm.ECDSA_P521: ec.SECP521R1,
    ExchangeAlgorithm.SECP_256_R1: ec.SECP256R1,
    ExchangeAlgorithm.SECP_384_R1: ec.SECP384R1,
    ExchangeAlgorithm.SECP_521_R1: ec.SECP521R1,
}


class LibraryPublicKey(Protocol):
    """What every public key of the library can do."""

    def public_bytes(self, encoding: Encoding, format: PublicFormat) -> bytes:  # noqa: A002  the library's name
        """Return a standard form."""


class LibraryPrivateKey(Protocol):
    """What every private key of the library can do."""

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002  the library's name
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        """Return a standard form."""

    def public_key(self) -> LibraryPublicKey:
        """Return the public half."""


@cache
def curve(algorithm: SignatureAlgorithm | ExchangeAlgorithm) -> ec.EllipticCurve:
    """Return the library's object for the curve of an algorithm. Raises UnsupportedAlgorithmError."""
    try:
        found = _CURVES[algorithm]()
        ec.derive_private_key(1, found)
    except (KeyError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(algorithm) from error
    return found
