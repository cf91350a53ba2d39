"""AES-XTS: encryption in place, without a MAC, as memory controllers do it.

Document: IEEE 1619. What the units are and how they are numbered is the caller's to say.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from pytio.crypto.secret import KeyMaterial, octets_of

__all__ = ("XTS_KEY_BYTES", "Xts")

XTS_KEY_BYTES: Final = 32
"""Two AES-128 keys, which must differ."""
_TWEAK_BYTES: Final = 16


class Xts:
    """One key. The size of a unit stays as it is."""

    def __init__(self, key: KeyMaterial) -> None:
        """Take a key of 32 bytes; raises ValueError for another size, or if its halves are equal."""
        octets = octets_of(key)
        if len(octets) != XTS_KEY_BYTES:
            raise ValueError(f"a key has {XTS_KEY_BYTES} bytes, not {len(octets)}")
        self._algorithm = algorithms.AES(octets)
        self._cipher(0).encryptor()  # which refuses equal halves

    def encrypt(self, number: int, data: bytes) -> bytes:
        """Return unit ``number``, at least 16 bytes, encrypted; raises ValueError for a shorter one."""
        context = self._cipher(number).encryptor()
        return context.update(data) + context.finalize()

    def decrypt(self, number: int, data: bytes) -> bytes:
        """Return unit ``number``, at least 16 bytes, decrypted; raises ValueError for a shorter one."""
        context = self._cipher(number).decryptor()
        return context.update(data) + context.finalize()

    def _cipher(self, number: int) -> Cipher[modes.XTS]:
        return Cipher(self._algorithm, modes.XTS(number.to_bytes(_TWEAK_BYTES, "little")))
