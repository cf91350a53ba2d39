"""Digests, in one call or piece by piece.

This file knows the library's hash contexts. It knows no protocol: what goes into a transcript is decided above.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pytio.crypto import _symmetric
from pytio.crypto.algorithms import HashAlgorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashContext

__all__ = ("Digest", "digest")

_AT_ONCE: Final = {
    HashAlgorithm.SHA_256: hashlib.sha256,
    HashAlgorithm.SHA_384: hashlib.sha384,
    HashAlgorithm.SHA_512: hashlib.sha512,
}
"""What the standard library always has, on OpenSSL as well, and with less around it."""


def digest(algorithm: HashAlgorithm, *pieces: bytes) -> bytes:
    """Return the digest of the pieces, one after the other; ``algorithm.digest_size`` bytes.

    Raises UnsupportedAlgorithmError if the library lacks the hash.
    """
    at_once = _AT_ONCE.get(algorithm)
    if at_once is not None:
        return at_once(b"".join(pieces)).digest()
    context = _symmetric.hash_context(algorithm)
    for piece in pieces:
        context.update(piece)
    return context.finalize()


class Digest:
    """A digest that grows: feed it, ask for its value at any time, and branch it with ``copy()``."""

    __slots__ = ("_context", "algorithm")

    def __init__(self, algorithm: HashAlgorithm, data: bytes = b"") -> None:
        """Start with ``data``. Raises UnsupportedAlgorithmError if the library lacks the hash."""
        self.algorithm = algorithm
        self._context: HashContext = _symmetric.hash_context(algorithm)
        self.update(data)

    def update(self, data: bytes) -> None:
        """Append bytes."""
        self._context.update(data)

    def value(self) -> bytes:
        """Return the digest of everything so far, ``algorithm.digest_size`` bytes; more may follow."""
        return self._context.copy().finalize()

    def copy(self) -> Digest:
        """Return an independent digest that has seen the same bytes."""
        twin = object.__new__(Digest)
        twin.algorithm = self.algorithm
        twin._context = self._context.copy()
        return twin

    def __repr__(self) -> str:
        """Name the algorithm."""
        return f"<Digest {self.algorithm}>"
