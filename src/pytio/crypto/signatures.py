"""What a signature needs beside key and message, and what signs.

This file knows parameters and encodings. The keys do the signing (`pytio.crypto.keys`); what is signed is decided by
the protocols.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from pytio.crypto.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme

if TYPE_CHECKING:
    from pytio.crypto.keys import PublicKey

__all__ = ("SignatureParameters", "SigningKey", "byte_reversed")

_MAX_CONTEXT_SIZE = 255
_INTEGER_PAIR_SCHEMES = (SignatureScheme.ECDSA, SignatureScheme.SM2)
_INTEGER_SCHEMES = (SignatureScheme.RSASSA_PKCS1, SignatureScheme.RSASSA_PSS)


@attrs.frozen
class SignatureParameters:
    """How a message is signed.

    Raises ValueError if the scheme needs a hash and there is none, if it takes no digest in place of the message, or if
    the context is longer than 255 bytes.
    """

    algorithm: SignatureAlgorithm
    hash_algorithm: HashAlgorithm | None = None
    """The hash, for the schemes that leave it open: RSA and ECDSA; ignored by the others."""
    context: bytes = b""
    """The context string, for the schemes that take one: Ed448, ML-DSA, SLH-DSA; ignored by the others."""
    is_digest: bool = False
    """Whether the message is given as its digest under ``hash_algorithm``; RSA and ECDSA only."""

    def __attrs_post_init__(self) -> None:
        scheme = self.algorithm.scheme
        if scheme.hashes_message and self.hash_algorithm is None:
            raise ValueError(f"{self.algorithm} needs a hash")
        if self.is_digest and not scheme.hashes_message:
            raise ValueError(f"{self.algorithm} signs messages, not digests")
        if len(self.context) > _MAX_CONTEXT_SIZE:
            raise ValueError(f"a context has at most {_MAX_CONTEXT_SIZE} bytes, not {len(self.context)}")


class SigningKey(Protocol):
    """What signs: a `PrivateKey` held in memory, or something that asks a token or a service.

    Guarantees that signatures are in the wire encodings of `SignatureAlgorithm.signature_size`, and nothing about time.
    """

    @property
    def public_key(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return a signature of ``parameters.algorithm.signature_size`` bytes.

        Raises ValueError if the key does not serve the algorithm, or if a digest has the wrong size.
        """


def byte_reversed(algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """Return the same signature with its integers in the other byte order, as some peers send them.

    Schemes whose signatures are octet strings come back unchanged.
    """
    if algorithm.scheme in _INTEGER_SCHEMES:
        return signature[::-1]
    if algorithm.scheme in _INTEGER_PAIR_SCHEMES:
        width = algorithm.signature_size // 2
        return signature[:width][::-1] + signature[width:][::-1]
    return signature
