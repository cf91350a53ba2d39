"""Digests, in one call or piece by piece.

This file knows the library's hash contexts. It knows no protocol: what goes into a transcript is decided above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.crypto import _symmetric

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashContext

    from pytio.crypto.algorithms import HashAlgorithm

__all__ = ("Digest", "digest")


def digest(algorithm: HashAlgorithm, *pieces: bytes) -> bytes:
    """Return the digest of the pieces, one after the other; ``algorithm.digest_size`` bytes.

    Raises UnsupportedAlgorithmError if the library lacks the hash.
    """
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
