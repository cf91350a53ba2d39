"""Sealing and opening units of an IDE stream in plain Python, on whatever cipher it is given.

Cryptography is above this package, so the cipher comes from outside; the compiled providers bring their own. Python
cannot wipe a key out of memory: `UnitKey.close` lets go of it, and the compiled providers overwrite it.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final, NoReturn, Protocol

from pytio.errors import VerificationError

__all__ = ("LAST_INVOCATION", "MAC_BYTES", "Cipher", "UnitKey")

MAC_BYTES: Final = 12
"""Bytes of a unit's MAC."""
LAST_INVOCATION: Final = (1 << 64) - 1
"""The invocation field of the IV has 64 bits."""
_FIXED_BYTES: Final = 4
_INVOCATION_BYTES: Final = 8


class Cipher(Protocol):
    """AES-256-GCM with tags of 12 bytes under one key."""

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes, /) -> bytes:
        """Return ciphertext and tag."""


class UnitKey:
    """One key: of one sub-stream, in one direction.

    Attributes:
        next_invocation: the lowest number that `seal` still takes; a number is used once.
    """

    __slots__ = ("_cipher", "_fixed", "next_invocation")

    def __init__(self, cipher: Cipher, fixed: bytes) -> None:
        """Take a cipher that holds the key, and the fixed part of the IV, 4 bytes."""
        if len(fixed) != _FIXED_BYTES:
            raise ValueError(f"the fixed part has {_FIXED_BYTES} bytes, not {len(fixed)}")
        self._cipher: Cipher | None = cipher
        self._fixed = fixed
        self.next_invocation = 0

    def seal(self, invocation: int, plaintext: bytes, aad: bytes) -> bytes:
        """Return the ciphertext of a unit and its MAC.

        Raises ValueError if the number was used, or does not fit in 64 bits, or the key is closed.
        """
        iv = self._iv(invocation)
        if invocation < self.next_invocation:
            raise ValueError(f"invocation {invocation} was used: the next one is {self.next_invocation}")
        self.next_invocation = invocation + 1
        return self._open_cipher().seal(iv, plaintext, aad)

    def open(self, invocation: int, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext of a unit's ciphertext and MAC.

        Raises VerificationError if the MAC does not hold, ValueError as `seal`, but for numbers that were used.
        """
        if len(sealed) < MAC_BYTES:
            raise VerificationError("IDE MAC")
        # The library is slow to open with a tag of 12 bytes. Encrypting the ciphertext gives the plaintext, and sealing
        # that gives the tag.
        plaintext = self.crypt(invocation, sealed[:-MAC_BYTES])
        again = self._open_cipher().seal(self._iv(invocation), plaintext, aad)
        if not compare_digest(again[-MAC_BYTES:], sealed[-MAC_BYTES:]):
            raise VerificationError("IDE MAC")
        return plaintext

    def crypt(self, invocation: int, text: bytes) -> bytes:
        """Return a unit's text encrypted, or decrypted, without any MAC: for a unit that is not complete.

        Raises ValueError as `open`.
        """
        return self._open_cipher().seal(self._iv(invocation), text, b"")[:-MAC_BYTES]

    def close(self) -> None:
        """Let go of the key; every other call then raises ValueError."""
        self._cipher = None

    @property
    def is_closed(self) -> bool:
        """Whether the key is gone."""
        return self._cipher is None

    def _open_cipher(self) -> Cipher:
        if self._cipher is None:
            raise ValueError("the key is closed")
        return self._cipher

    def _iv(self, invocation: int) -> bytes:
        if not 0 <= invocation <= LAST_INVOCATION:
            raise ValueError(f"invocation {invocation} does not fit in 64 bits")
        return self._fixed + invocation.to_bytes(_INVOCATION_BYTES, "big")

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a key is not pickled")

    def __repr__(self) -> str:
        """Say whether it is closed, and nothing of the key."""
        return f"<UnitKey{', closed' if self.is_closed else ''}>"
