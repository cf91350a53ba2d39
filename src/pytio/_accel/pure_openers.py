"""What opens the records of a session, in plain Python, on whatever cipher it is given.

Cryptography is above this package, so the cipher comes from outside; the compiled twin brings its own.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Protocol

from pytio.errors import VerificationError

__all__ = (
    "BIG",
    "LITTLE",
    "TAG_BYTES",
    "AnyRecordOpener",
    "AnySessionOpener",
    "Cipher",
    "RecordOpener",
    "SessionOpener",
)

LITTLE, BIG = 1, 2
"""Orders in which a record's number is combined with the IV, as bits: least significant byte first, or last."""
TAG_BYTES: Final = 16
"""Bytes of a record's tag."""
_LAST_NUMBER: Final = (1 << 64) - 1
_MOST_BYTES: Final = 1 << 30
_Order = Literal["little", "big"]
_ORDERS: Final[dict[int, tuple[tuple[int, _Order], ...]]] = {
    LITTLE: ((LITTLE, "little"),),
    BIG: ((BIG, "big"),),
    LITTLE | BIG: ((LITTLE, "little"), (BIG, "big")),
}


class Cipher(Protocol):
    """An AEAD under one key."""

    def open(self, nonce: bytes, sealed: bytes, aad: bytes, /) -> bytes:
        """Return the plaintext of ciphertext and tag; raises VerificationError if the tag does not hold."""


class AnyRecordOpener(Protocol):
    """What both twins of `RecordOpener` offer."""

    @property
    def sequence(self) -> int:
        """The number of the next record."""

    def open(self, header: bytes, body: bytes, sequence: int | None = None) -> bytes | None:
        """Return the payload of the next record, or of the one with this number; None if it does not open."""


class AnySessionOpener(Protocol):
    """What both twins of `SessionOpener` offer."""

    expected: int
    failures: int

    def __getitem__(self, side: int) -> Any:
        """Return what opens the records of one side."""

    def __setitem__(self, side: int, opener: Any) -> None:
        """Let a side go on under another key."""

    def open(self, header: bytes, body: bytes, low: bytes) -> tuple[int, bytes] | None:
        """Open a record that is the next one of either side."""


class RecordOpener:
    """Opens the records of one direction under one key, and counts them.

    Attributes:
        sequence: the number of the next record.
        orders: the orders of numbers that are still possible, as bits; a record other than the first settles them.
        is_encrypted: whether records are encrypted, and not only authenticated.
    """

    __slots__ = ("_cipher", "_iv", "is_encrypted", "orders", "sequence")

    def __init__(self, cipher: Cipher, iv: bytes, is_encrypted: bool, orders: int, sequence: int = 0) -> None:
        self._cipher = cipher
        self._iv = iv
        self.is_encrypted = is_encrypted
        self.orders = orders
        self.sequence = sequence

    def open(self, header: bytes, body: bytes, sequence: int | None = None) -> bytes | None:
        """Return the payload of the next record, or of the one with this number, and go on from there.

        None if it does not open, in which case nothing changes.
        """
        if len(header) > _MOST_BYTES or len(body) > _MOST_BYTES:
            raise ValueError("no record is that large")
        number = self.sequence if sequence is None else sequence
        if number == _LAST_NUMBER or len(body) < TAG_BYTES:
            return None
        candidates = _ORDERS[self.orders]
        for bit, order in candidates if number else candidates[:1]:
            payload = self._opened(header, body, number, order)
            if payload is not None:
                if number:
                    self.orders = bit
                self.sequence = number + 1
                return payload
        return None

    def _opened(self, header: bytes, body: bytes, number: int, order: _Order) -> bytes | None:
        nonce = (int.from_bytes(self._iv, order) ^ number).to_bytes(len(self._iv), order)
        try:
            if self.is_encrypted:
                return self._cipher.open(nonce, body, header)
            payload = body[:-TAG_BYTES]
            self._cipher.open(nonce, body[-TAG_BYTES:], header + payload)
        except VerificationError:
            return None
        return payload


class SessionOpener:
    """Both directions of a session: 0 is what the requester sends, 1 what the responder sends.

    Attributes:
        expected: the side that is tried first.
        failures: how many records in a row did not open; counted outside, and reset when one does.
    """

    __slots__ = ("_sides", "expected", "failures")

    def __init__(self, request: RecordOpener, response: RecordOpener) -> None:
        self._sides = [request, response]
        self.expected = 0
        self.failures = 0

    def __getitem__(self, side: int) -> RecordOpener:
        """Return what opens the records of one side."""
        return self._sides[side]

    def __setitem__(self, side: int, opener: RecordOpener) -> None:
        """Let a side go on under another key."""
        self._sides[side] = opener

    def open(self, header: bytes, body: bytes, low: bytes) -> tuple[int, bytes] | None:
        """Open a record that is the next one of either side; return the side and the payload, or None.

        ``low`` holds the low bytes of its number, if its header carries any.
        """
        for side in (self.expected, 1 - self.expected):
            opener = self._sides[side]
            if low and low != (opener.sequence & ((1 << 8 * len(low)) - 1)).to_bytes(len(low), "little"):
                continue
            payload = opener.open(header, body)
            if payload is not None:
                self.expected = 1 - side
                self.failures = 0
                return side, payload
        return None
