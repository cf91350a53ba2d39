"""Opening the records of one captured session.

A listener is worse off than an endpoint: records may be missing or damaged, nobody says which secret is the session's,
nor when a key update took effect. So every step here is a trial that an authentication tag decides: the next expected
record first, then the records after it, then the same under the next key. What a tag has proven is settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import attrs

from pytio.capture.secrets import LoggedSecrets, SecretKind, SecretStore
from pytio.crypto import Secret, digest
from pytio.errors import PytioError, VerificationError
from pytio.spdm.key_schedule import HandshakeSecrets, KeySchedule
from pytio.spdm.records import Protection, RecordCipher, SequenceOrder
from pytio.spdm.transcript import SessionTranscript, joined

__all__ = ("SessionKeys", "Side")

_AHEAD: Final = 8
"""How many records in a row may be lost, where the record does not carry its number."""

_UPDATES_AHEAD: Final = 3
"""How many key updates may be lost with them."""

_HOPELESS: Final = 256
"""After how many records in a row that do not open the rest is not tried, where records do not carry their number."""

Side = str
"""Who sent a record: ``request`` or ``response``, as in the direction of a record."""

_SIDES: Final = ("request", "response")


class _Opener:
    """One direction under one secret, and, after a key update, its successors."""

    def __init__(
        self, schedule: KeySchedule, secret: Secret, protection: Protection, orders: tuple[SequenceOrder, ...]
    ) -> None:
        self._schedule = schedule
        self._secrets = [secret]  # of the present key, and as far as they were needed, of those that follow it
        self._keys = [schedule.record_keys(secret)]
        self._cipher = RecordCipher(self._keys[0], protection=protection, orders=orders)

    def open_next(self, header: bytes, body: bytes, low: bytes) -> bytes | None:
        """Return the payload if this is the record that comes next; ``low`` is what it carries of its number."""
        is_next = not low or self._cipher.sequence_bytes(len(low)) == low
        return _opened(self._cipher, header, body) if is_next else None

    def search(self, header: bytes, body: bytes, low: bytes) -> bytes | None:
        """Return the payload if this is a record that comes later, after losses or key updates."""
        for updates, sequence in _later(self._cipher.sequence, low):
            cipher = self._at(updates, sequence)
            payload = _opened(cipher, header, body)
            if payload is not None:
                self._cipher = cipher
                del self._secrets[:updates], self._keys[:updates]
                return payload
        return None

    def _at(self, updates: int, sequence: int) -> RecordCipher:
        while len(self._keys) <= updates:
            self._secrets.append(self._schedule.updated_secret(self._secrets[-1]))
            self._keys.append(self._schedule.record_keys(self._secrets[-1]))
        now = self._cipher
        return RecordCipher(self._keys[updates], protection=now.protection, orders=now.orders, sequence=sequence)


def _opened(cipher: RecordCipher, header: bytes, body: bytes) -> bytes | None:
    try:
        return cipher.open(header, body)
    except PytioError:
        return None


def _later(first: int, low: bytes) -> Iterator[tuple[int, int]]:
    """Yield what a record may be if it is not number ``first`` of its key: key updates until then, and its number."""
    if low:
        span, number = 1 << (8 * len(low)), int.from_bytes(low, "little")
        yield 1, number
        yield 0, first + (number - first) % span
        yield from ((updates, number) for updates in range(2, _UPDATES_AHEAD + 1))
        return
    yield 1, 0
    yield from ((0, first + lost) for lost in range(1, _AHEAD + 1))
    yield from ((1, lost) for lost in range(1, _AHEAD + 1))
    yield from ((updates, lost) for updates in range(2, _UPDATES_AHEAD + 1) for lost in range(_AHEAD + 1))


@attrs.define
class _KeySet:
    """Everything that follows from one candidate secret; from a later secret of a key log follows less."""

    secret: Secret | None
    handshake_secret: Secret | None
    directions: HandshakeSecrets | None
    openers: dict[Side, _Opener]
    logged: LoggedSecrets | None = None


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
        key: str,
        protection: Protection,
        orders: tuple[SequenceOrder, ...],
    ) -> None:
        """Start a session in its handshake phase; ``key`` is what key logs call it.

        Raises UnsupportedAlgorithmError if the library lacks the hash.
        """
        self.transcript = transcript
        self.schedule = schedule
        self.is_established = False
        self._kind = kind
        self._secrets = secrets
        self._key = key
        self.protection = protection
        self._orders = orders
        self._settled = False
        self._failures = 0
        self._last_side: Side = "response"
        self._th1_hash = digest(schedule.hash_algorithm, joined(transcript.th1()))
        self._th2_hash: bytes | None = None
        self._key_sets = [self._key_set(secret) for secret in secrets.candidates(kind, key)]
        if (logged := secrets.derived(key)) is not None:
            self._key_sets.append(self._logged_key_set(logged))
        self._possible = [key_set.directions for key_set in self._key_sets if key_set.directions is not None]

    @property
    def has_keys(self) -> bool:
        """Whether a secret has been proven to be this session's."""
        return self._settled

    @property
    def settled(self) -> tuple[Secret, Secret, HandshakeSecrets]:
        """The proven secret, the handshake secret and both directions' handshake secrets."""
        key_set = self._key_sets[0]
        if key_set.secret is None or key_set.handshake_secret is None or key_set.directions is None:
            raise LookupError("only later secrets of this session are known")
        return key_set.secret, key_set.handshake_secret, key_set.directions

    def finished_keys(self, side: Side) -> tuple[Secret, ...]:
        """Return the key of one side's verify data: the session's, or where nothing has proven it, all that may be."""
        possible = self._possible
        if self._settled:
            settled = self._key_sets[0].directions
            possible = [] if settled is None else [settled]
        sides = [made.request if side == "request" else made.response for made in possible]
        return tuple(self.schedule.finished_key(secret) for secret in sides)

    def _key_set(self, secret: Secret) -> _KeySet:
        is_psk = self._kind is SecretKind.PSK
        extract = self.schedule.psk_handshake_secret if is_psk else self.schedule.handshake_secret
        handshake_secret = extract(secret)
        directions = self.schedule.handshake_secrets(handshake_secret, self._th1_hash)
        openers = self._openers(directions.request, directions.response)
        return _KeySet(secret, handshake_secret, directions, openers)

    def _logged_key_set(self, logged: LoggedSecrets) -> _KeySet:
        directions = None
        if logged.handshake is not None:
            directions = self.schedule.handshake_secrets(logged.handshake, self._th1_hash)
        elif logged.request_handshake is not None and logged.response_handshake is not None:
            directions = HandshakeSecrets(logged.request_handshake, logged.response_handshake)
        openers = self._openers(directions.request, directions.response) if directions is not None else {}
        return _KeySet(None, logged.handshake, directions, openers, logged)

    def _data_openers(self, key_set: _KeySet) -> dict[Side, _Opener]:
        logged = key_set.logged or LoggedSecrets()
        if logged.request_data is not None and logged.response_data is not None:
            return self._openers(logged.request_data, logged.response_data)
        master = logged.master
        if master is None and key_set.handshake_secret is not None:
            master = self.schedule.master_secret(key_set.handshake_secret)
        if master is None or self._th2_hash is None:
            return {}
        data = self.schedule.data_secrets(master, self._th2_hash)
        return self._openers(data.request, data.response)

    def do_without_transcript(self) -> bool:
        """Give up what the transcript would be needed for, and return whether a key log's data secrets are left."""
        self._key_sets = [
            _KeySet(None, None, None, {}, key_set.logged)
            for key_set in self._key_sets
            if key_set.logged is not None
            and key_set.logged.request_data is not None
            and key_set.logged.response_data is not None
        ]
        return bool(self._key_sets)

    def _openers(self, request: Secret, response: Secret) -> dict[Side, _Opener]:
        return {
            side: _Opener(self.schedule, secret, self.protection, self._orders)
            for side, secret in zip(_SIDES, (request, response), strict=True)
        }

    def _settle(self, key_set: _KeySet) -> None:
        if self._settled:
            return
        self._settled = True
        self._key_sets = [key_set]
        if key_set.secret is not None:
            self._secrets.claim(self._kind, self._key, key_set.secret)
        else:
            self._secrets.claim_derived(self._key)

    def prove_by_verify_data(self, side: Side, covered: bytes, received: bytes) -> bool | None:
        """Check verify data over the transcript ``covered`` with every secret that is still possible.

        Returns whether one of them made it, which settles the session's secret; None if there is no secret to try.
        """
        covered_hash = digest(self.schedule.hash_algorithm, covered)
        for key_set in self._key_sets:
            if key_set.directions is None:
                continue
            secret = key_set.directions.request if side == "request" else key_set.directions.response
            try:
                key = self.schedule.finished_key(secret)
                self.schedule.verify_finished_hmac(key, covered_hash, received, "verify data")
            except VerificationError:
                continue
            self._settle(key_set)
            return True
        had_secrets = bool(self._key_sets)
        if not self._settled:
            # what does not prove here would open no record either
            self._key_sets = [key_set for key_set in self._key_sets if key_set.directions is None]
        return False if had_secrets else None

    def establish(self) -> None:
        """Move on to the data phase: the transcript is complete."""
        if self.is_established:
            return
        self._th2_hash = digest(self.schedule.hash_algorithm, joined(self.transcript.th2()))
        self.is_established = True
        self._failures = 0
        for key_set in self._key_sets:
            key_set.openers = self._data_openers(key_set)

    def open(self, header: bytes, body: bytes, low: bytes) -> tuple[Side, bytes] | None:
        """Open a record: return who sent it and its payload, or None if no key opens it.

        Args:
            header: the record up to and including its Length field.
            body: the rest, ``Length`` bytes.
            low: the bytes of the sequence number that the header carries, if any.
        """
        if not low and self._failures >= _HOPELESS:
            return None
        if not self.is_established and (opened := self._open_early(header, body, low)) is not None:
            return opened
        sides = _SIDES if self._last_side == "response" else _SIDES[::-1]
        for attempt in (_Opener.open_next, _Opener.search):
            for key_set, side in product(self._key_sets, sides):
                opener = key_set.openers.get(side)
                payload = attempt(opener, header, body, low) if opener is not None else None
                if payload is not None:
                    self._settle(key_set)
                    self._last_side, self._failures = side, 0
                    return side, payload
        self._failures += 1
        return None

    def _open_early(self, header: bytes, body: bytes, low: bytes) -> tuple[Side, bytes] | None:
        """Open a record with data secrets of a key log, where nobody can read that the handshake is over."""
        for key_set in self._key_sets:
            openers = self._data_openers(key_set) if key_set.logged is not None else {}
            for side, opener in openers.items():
                payload = opener.open_next(header, body, low)
                if payload is not None:
                    key_set.openers = openers
                    self.is_established = True
                    self._settle(key_set)
                    self._last_side, self._failures = side, 0
                    return side, payload
        return None
