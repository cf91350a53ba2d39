"""Protection of secured-message records, one direction at a time (DSP0277).

This file knows nonces, sequence numbers, what is authenticated and what is encrypted, and how a direction changes its
keys. It does not know the layout of a record's header (it takes those bytes as they are), the inner length field and
padding, when keys are installed, or any transport.

A record is ``header ‖ body``. The header, session id to Length, is always authenticated. The body is the ciphertext and
its tag, or, where the session only authenticates, the payload in clear and its tag.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from pytio.crypto import Secret
from pytio.crypto.aead import Aead
from pytio.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from pytio.spdm.key_schedule import KeySchedule, RecordKeys

__all__ = (
    "SPDM_U5",
    "MAX_AEAD_LIMIT_EXPONENT",
    "Protection",
    "RecordCipher",
    "RecordDirection",
    "SequenceOrder",
    "record_nonce",
    "sequence_orders",
)

MAX_AEAD_LIMIT_EXPONENT: Final = 64
"""The AEAD limit, as a power of two, where none has been agreed."""

_LAST_VERSION_WITH_EITHER_ORDER: Final = 0x1100
_ALL_ONES: Final = (1 << MAX_AEAD_LIMIT_EXPONENT) - 1


class Protection(Enum):
    """What the session's capabilities ask of its records."""

    ENCRYPT_AND_MAC = "encrypt and MAC"
    MAC_ONLY = "MAC only"


class SequenceOrder(Enum):
    """Which way round the sequence number is combined with the IV; the value is Python's name for the byte order."""

    LITTLE = "little"
    """Into the first 8 bytes, least significant first: mandatory from DSP0277 1.2 on, and common before."""
    BIG = "big"
    """Into the last 8 bytes, most significant first: an alternative up to DSP0277 1.1."""


SPDM_U5: Final = (SequenceOrder.LITTLE, SequenceOrder.BIG)
"""DSP0277 1.0 and 1.1 leave the order open: send the first, and when receiving try the second, too."""


def sequence_orders(secured_version: int) -> tuple[SequenceOrder, ...]:
    """Return the orders to reckon with, the one to send first.

    ``secured_version`` is the selected DSP0277 version as on the wire: 2 bytes, 0x1100 for 1.1.
    """
    return SPDM_U5 if secured_version <= _LAST_VERSION_WITH_EITHER_ORDER else (SequenceOrder.LITTLE,)


def record_nonce(iv: bytes, sequence: int, order: SequenceOrder = SequenceOrder.LITTLE) -> bytes:
    """Return the nonce of one record: the IV, exclusive-or the sequence number; as many bytes as the IV.

    The two differ only where the number is not zero, so record 0 does not tell the order.
    """
    mixed = int.from_bytes(iv, order.value) ^ sequence
    return mixed.to_bytes(len(iv), order.value)


class RecordCipher:
    """One key of one direction, and its sequence number; used either to seal or to open. Performs no I/O.

    The number counts records from 0 and only ever grows, so no nonce repeats. It stops before it reaches the AEAD
    limit, and before all ones. A record that does not open leaves no trace: the number stays, as does the order.

    Attributes:
        protection: whether payloads are encrypted.
        orders: the orders that are still possible, the one in use first; opening a record other than the first of
            its key settles them to one.
    """

    __slots__ = ("_aead", "_has_sealed", "_iv", "_last", "_sequence", "orders", "protection")

    def __init__(
        self,
        keys: RecordKeys,
        *,
        protection: Protection = Protection.ENCRYPT_AND_MAC,
        orders: tuple[SequenceOrder, ...] = (SequenceOrder.LITTLE,),
        aead_limit_exponent: int = MAX_AEAD_LIMIT_EXPONENT,
        sequence: int = 0,
    ) -> None:
        """Start at ``sequence``, which is 0 but for a cipher that is being restored.

        Raises ValueError if the exponent is not 0 to 64, the sequence is negative or ``orders`` is empty;
        UnsupportedAlgorithmError if the library lacks the AEAD.
        """
        if aead_limit_exponent not in range(MAX_AEAD_LIMIT_EXPONENT + 1):
            raise ValueError(f"an AEAD limit exponent is 0 to {MAX_AEAD_LIMIT_EXPONENT}, not {aead_limit_exponent}")
        if sequence < 0 or not orders:
            raise ValueError("a cipher needs a sequence number of at least 0 and an order")
        self._aead = Aead(keys.aead, keys.key)
        self._iv = keys.iv
        self._sequence = sequence
        self._last = min(1 << aead_limit_exponent, _ALL_ONES) - 1
        self._has_sealed = False
        self.protection = protection
        self.orders = orders

    @property
    def sequence(self) -> int:
        """The number of the next record."""
        return self._sequence

    @property
    def remaining(self) -> int:
        """How many records this key may still protect; a key update has to come before it reaches 0."""
        return max(self._last + 1 - self._sequence, 0)

    @property
    def has_sealed(self) -> bool:
        """Whether a record has been sealed with this key."""
        return self._has_sealed

    def body_size(self, payload_size: int) -> int:
        """Return the bytes of the body for a payload: what the header's Length field has to say."""
        return payload_size + self._aead.tag_size

    def sequence_bytes(self, size: int) -> bytes:
        """Return the low bytes of the next record's number, least significant first, as headers carry them."""
        return (self._sequence & ((1 << (8 * size)) - 1)).to_bytes(size, "little")

    def verify_sequence(self, received: bytes) -> None:
        """Raise VerificationError unless these bytes of a header are those of the next record's number."""
        if received != self.sequence_bytes(len(received)):
            raise VerificationError(f"sequence number of record {self._sequence}", (received,))

    def seal(self, header: bytes, payload: bytes) -> bytes:
        """Return the body of the next record, ``body_size(len(payload))`` bytes, and count it.

        Raises LocalProtocolError, having sealed nothing, if the key has reached its limit.
        """
        if not self.remaining:
            raise LocalProtocolError(f"sequence number {self._sequence}", "seal", "the key has reached its limit")
        nonce = record_nonce(self._iv.reveal(), self._sequence, self.orders[0])
        if self.protection is Protection.ENCRYPT_AND_MAC:
            body = self._aead.seal(nonce, payload, header)
        else:
            body = payload + self._aead.seal(nonce, b"", header + payload)
        self._sequence += 1
        self._has_sealed = True
        return body

    def open(self, header: bytes, body: bytes) -> bytes:
        """Return the payload of the next record, and count it.

        Raises VerificationError if the tag does not hold under any order that is still possible; RemoteProtocolError
        if the key has reached its limit. Either way the record is not counted.
        """
        if not self.remaining:
            raise RemoteProtocolError(f"sequence number {self._sequence}", "record", "the key has reached its limit")
        candidates = self.orders if self._sequence else self.orders[:1]
        for order in candidates[:-1]:
            try:
                return self._open(header, body, order)
            except VerificationError:
                continue
        return self._open(header, body, candidates[-1])

    def skip(self, records: int = 1) -> None:
        """Count records that were lost or that did not open, without opening them.

        Raises ValueError if ``records`` is negative: a number never comes back.
        """
        if records < 0:
            raise ValueError("sequence numbers only grow")
        self._sequence += records

    def _open(self, header: bytes, body: bytes, order: SequenceOrder) -> bytes:
        nonce = record_nonce(self._iv.reveal(), self._sequence, order)
        if self.protection is Protection.ENCRYPT_AND_MAC:
            payload = self._aead.open(nonce, body, header)
        else:
            split = max(len(body) - self._aead.tag_size, 0)
            payload = body[:split]
            self._aead.open(nonce, body[split:], header + payload)
        if self._sequence:
            self.orders = (order,)
        self._sequence += 1
        return payload

    def __repr__(self) -> str:
        """Say algorithm and sequence number, not the key."""
        return f"<RecordCipher {self._aead.algorithm}, {self.protection.value}, next record {self._sequence}>"


class RecordDirection:
    """One direction of a session: its secret, the cipher made of it, and during a key update the pair before.

    ``update`` moves on to the next secret; then either ``commit`` forgets the old one, or ``roll_back`` returns to it
    (DSP0274, KEY_UPDATE). A handshake direction is the same thing without updates. Performs no I/O.
    """

    __slots__ = ("_backup", "_cipher", "_exponent", "_schedule", "_secret")

    def __init__(
        self,
        schedule: KeySchedule,
        secret: Secret,
        *,
        protection: Protection = Protection.ENCRYPT_AND_MAC,
        orders: tuple[SequenceOrder, ...] = (SequenceOrder.LITTLE,),
        aead_limit_exponent: int = MAX_AEAD_LIMIT_EXPONENT,
        sequence: int = 0,
    ) -> None:
        """Derive the keys from the direction's handshake or data secret. Raises what ``RecordCipher`` raises."""
        self._schedule = schedule
        self._secret = secret
        self._exponent = aead_limit_exponent
        self._backup: tuple[Secret, RecordCipher] | None = None
        self._cipher = RecordCipher(
            schedule.record_keys(secret),
            protection=protection,
            orders=orders,
            aead_limit_exponent=aead_limit_exponent,
            sequence=sequence,
        )

    @property
    def secret(self) -> Secret:
        """The direction's present secret."""
        return self._secret

    @property
    def cipher(self) -> RecordCipher:
        """The cipher of the present secret."""
        return self._cipher

    @property
    def is_updating(self) -> bool:
        """Whether the secret before the present one is still kept."""
        return self._backup is not None

    def update(self) -> None:
        """Move on to the next secret, at sequence number 0, and keep the present one as backup.

        Raises LocalProtocolError if a backup is kept already.
        """
        if self._backup is not None:
            raise LocalProtocolError("key update", "update", "the update before is neither committed nor rolled back")
        secret = self._schedule.updated_secret(self._secret)
        cipher = RecordCipher(
            self._schedule.record_keys(secret),
            protection=self._cipher.protection,
            orders=self._cipher.orders,
            aead_limit_exponent=self._exponent,
        )
        self._backup = self._secret, self._cipher
        self._secret, self._cipher = secret, cipher

    def commit(self) -> None:
        """Forget the backup. Raises LocalProtocolError if there is none."""
        self._require_backup("commit")
        self._backup = None

    def roll_back(self) -> None:
        """Return to the backup, with its sequence number.

        Raises LocalProtocolError if there is none, or if a record has been sealed with the new key: the next update
        would derive that key again and repeat its nonces.
        """
        backup = self._require_backup("roll back")
        if self._cipher.has_sealed:
            raise LocalProtocolError("key update", "roll back", "the new key has already sealed a record")
        self._secret, self._cipher = backup
        self._backup = None

    def _require_backup(self, verb: str) -> tuple[Secret, RecordCipher]:
        if self._backup is None:
            raise LocalProtocolError("no key update", verb)
        return self._backup

    def __repr__(self) -> str:
        """Show the cipher and whether an update is under way."""
        return f"<RecordDirection {self._cipher!r}{', updating' if self.is_updating else ''}>"
