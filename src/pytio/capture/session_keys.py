"""Opening the records of one captured session.

A listener is worse off than an endpoint: records may be missing or damaged, nobody says which secret is the session's,
nor when a key update took effect. So every step here is a trial that an authentication tag decides: the next expected
record first, then the records after it, then the same under the next key. What a tag has proven is settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from pytio.capture.secrets import SecretKind, SecretStore
from pytio.crypto import Secret, digest
from pytio.errors import PytioError, VerificationError
from pytio.spdm.key_schedule import HandshakeSecrets, KeySchedule
from pytio.spdm.records import Protection, RecordCipher, SequenceOrder
from pytio.spdm.transcript import SessionTranscript, joined

__all__ = ("SessionKeys", "Side")

_AHEAD: Final = 8
"""How many records in a row may be lost, where the record does not carry its number."""

Side = str
"""Who sent a record: ``request`` or ``response``, as in the direction of a record."""

_SIDES: Final = ("request", "response")


class _Opener:
    """One direction under one secret, and, after a key update, its successors."""

    def __init__(
        self, schedule: KeySchedule, secret: Secret, protection: Protection, orders: tuple[SequenceOrder, ...]
    ) -> None:
        self._schedule = schedule
        self._secret = secret
        self._protection = protection
        self._orders = orders
        self._cipher = self._at(secret, 0)
        self._successor: Secret | None = None

    def _at(self, secret: Secret, sequence: int) -> RecordCipher:
        keys = self._schedule.record_keys(secret)
        return RecordCipher(keys, protection=self._protection, orders=self._orders, sequence=sequence)

    def open(self, header: bytes, body: bytes, low: bytes) -> bytes | None:
        """Return the payload, or None if no tag holds; ``low`` is what the header carries of the sequence number."""
        try:
            if not low or self._cipher.sequence_bytes(len(low)) == low:
                return self._cipher.open(header, body)
        except PytioError:
            pass
        return self._search(header, body, low)

    def _search(self, header: bytes, body: bytes, low: bytes) -> bytes | None:
        if self._successor is None:
            self._successor = self._schedule.updated_secret(self._secret)
        for secret, first in ((self._secret, self._cipher.sequence), (self._successor, 0)):
            for sequence in _possible(first, low):
                cipher = self._at(secret, sequence)
                try:
                    payload = cipher.open(header, body)
                except PytioError:
                    continue
                if secret is self._successor:
                    self._secret, self._successor = secret, None
                self._cipher = cipher
                return payload
        return None


def _possible(first: int, low: bytes) -> Iterator[int]:
    if not low:
        return iter(range(first, first + _AHEAD + 1))
    span = 1 << (8 * len(low))
    return iter((first + (int.from_bytes(low, "little") - first) % span,))


@attrs.define
class _KeySet:
    """Everything that follows from one candidate secret."""

    secret: Secret
    handshake_secret: Secret
    directions: HandshakeSecrets
    openers: dict[Side, _Opener]


class SessionKeys:
    """The keys of one session, as far as the reader's secrets give them.

    Attributes:
        transcript: the session's transcript, which FINISH and its response are added to from outside.
        schedule: the key schedule.
        protection: whether records are encrypted.
        is_established: whether records are under data keys.
    """

    def __init__(
        self,
        kind: SecretKind,
        schedule: KeySchedule,
        transcript: SessionTranscript,
        secrets: SecretStore,
        *,
        protection: Protection,
        orders: tuple[SequenceOrder, ...],
    ) -> None:
        """Start a session in its handshake phase. Raises UnsupportedAlgorithmError if the library lacks the hash."""
        self.transcript = transcript
        self.schedule = schedule
        self.is_established = False
        self._kind = kind
        self._secrets = secrets
        self.protection = protection
        self._orders = orders
        self._settled = False
        self._last_side: Side = "response"
        self._th1_hash = digest(schedule.hash_algorithm, joined(transcript.th1()))
        self._th2_hash: bytes | None = None
        self._key_sets = [self._key_set(secret) for secret in secrets.candidates(kind)]

    @property
    def has_keys(self) -> bool:
        """Whether a secret has been proven to be this session's."""
        return self._settled

    @property
    def settled(self) -> tuple[Secret, Secret, HandshakeSecrets]:
        """The proven secret, the handshake secret and both directions' handshake secrets."""
        key_set = self._key_sets[0]
        return key_set.secret, key_set.handshake_secret, key_set.directions

    def _key_set(self, secret: Secret) -> _KeySet:
        is_psk = self._kind is SecretKind.PSK
        extract = self.schedule.psk_handshake_secret if is_psk else self.schedule.handshake_secret
        handshake_secret = extract(secret)
        directions = self.schedule.handshake_secrets(handshake_secret, self._th1_hash)
        openers = self._openers(directions.request, directions.response)
        return _KeySet(secret, handshake_secret, directions, openers)

    def _openers(self, request: Secret, response: Secret) -> dict[Side, _Opener]:
        return {
            side: _Opener(self.schedule, secret, self.protection, self._orders)
            for side, secret in zip(_SIDES, (request, response), strict=True)
        }

    def _settle(self, key_set: _KeySet) -> None:
        if not self._settled:
            self._settled = True
            self._key_sets = [key_set]
            self._secrets.claim(self._kind, key_set.secret)

    def prove_by_verify_data(self, side: Side, covered: bytes, received: bytes) -> bool | None:
        """Check verify data over the transcript ``covered`` with every secret that is still possible.

        Returns whether one of them made it, which settles the session's secret; None if there is no secret to try.
        """
        covered_hash = digest(self.schedule.hash_algorithm, covered)
        for key_set in self._key_sets:
            secret = key_set.directions.request if side == "request" else key_set.directions.response
            try:
                key = self.schedule.finished_key(secret)
                self.schedule.verify_finished_hmac(key, covered_hash, received, "verify data")
            except VerificationError:
                continue
            self._settle(key_set)
            return True
        return False if self._key_sets else None

    def establish(self) -> None:
        """Move on to the data phase: the transcript is complete."""
        self._th2_hash = digest(self.schedule.hash_algorithm, joined(self.transcript.th2()))
        self.is_established = True
        for key_set in self._key_sets:
            data = self.schedule.data_secrets(self.schedule.master_secret(key_set.handshake_secret), self._th2_hash)
            key_set.openers = self._openers(data.request, data.response)

    def open(self, header: bytes, body: bytes, low: bytes) -> tuple[Side, bytes] | None:
        """Open a record: return who sent it and its payload, or None if no key opens it.

        Args:
            header: the record up to and including its Length field.
            body: the rest, ``Length`` bytes.
            low: the bytes of the sequence number that the header carries, if any.
        """
        expected = _SIDES if self._last_side == "response" else _SIDES[::-1]
        for key_set in self._key_sets:
            for side in expected:
                payload = key_set.openers[side].open(header, body, low)
                if payload is not None:
                    self._settle(key_set)
                    self._last_side = side
                    return side, payload
        return None
