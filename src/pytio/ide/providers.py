"""Who does the cryptography of IDE.

A provider makes a `UnitKey` of an AES key and the fixed part of the IV.
"""

from __future__ import annotations

from typing import Protocol

from pytio._accel import pure_units
from pytio.crypto import Aead, AeadAlgorithm
from pytio.ide.codes import MAC_BYTES

__all__ = ("UnitKey", "new_key")


class UnitKey(Protocol):
    """One key of one sub-stream in one direction.

    Every call raises ValueError once the key is closed, or for a number that does not fit in 64 bits.
    """

    next_invocation: int
    """The lowest number that `seal` still takes; a number is used once."""

    def seal(self, invocation: int, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and MAC of a unit; raises ValueError if the number was used."""

    def open(self, invocation: int, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext of ciphertext and MAC; raises VerificationError if the MAC does not hold."""

    def crypt(self, invocation: int, text: bytes) -> bytes:
        """Return text encrypted, or decrypted, without a MAC: for a unit that is not complete."""

    def close(self) -> None:
        """Forget the key."""

    @property
    def is_closed(self) -> bool:
        """Whether the key is gone."""


def new_key(key: bytes, fixed: bytes) -> UnitKey:
    """Return a key that is ready for use.

    Raises:
        ValueError: the key does not have 32 bytes, or the fixed part of the IV not 4.
    """
    return pure_units.UnitKey(Aead(AeadAlgorithm.AES_256_GCM, key, MAC_BYTES), fixed)
