"""Keys that seal and open units of an IDE stream, with a provider's cipher; see `pytio._accel.pure_units`."""

from typing_extensions import Buffer

LAST_INVOCATION: int
"""The invocation field of the IV has 64 bits."""

class UnitKey:
    """One key of one sub-stream in one direction; overwritten in memory when it is closed or dropped."""

    next_invocation: int
    """The lowest number that `seal` still takes; a number is used once."""

    def __init__(self, capsule: object, key: Buffer, fixed: bytes) -> None:
        """Expand a key with the cipher in ``capsule``; raises ValueError for another size than 32 bytes and 4."""

    def seal(self, invocation: int, plaintext: bytes, aad: bytes) -> bytes:
        """Return the ciphertext of a unit and its MAC.

        Raises ValueError if the number was used, or does not fit in 64 bits, or the key is closed.
        """

    def open(self, invocation: int, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext of a unit's ciphertext and MAC.

        Raises VerificationError if the MAC does not hold, ValueError as `seal`, but for numbers that were used.
        """

    def crypt(self, invocation: int, text: bytes) -> bytes:
        """Return a unit's text encrypted, or decrypted, without any MAC; raises ValueError as `open`."""

    def close(self) -> None:
        """Overwrite the key; every other call then raises ValueError, and so does this one while another runs."""

    @property
    def is_closed(self) -> bool:
        """Whether the key is gone."""
