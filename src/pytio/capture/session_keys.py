"""Opening the records of one captured session.

A listener is worse off than an endpoint: records may be missing or damaged, nobody says which secret is the session's,
nor when a key update took effect. So every step here is a trial that an authentication tag decides: the next expected
record first, then the records after it, then the same under the next key. What a tag has proven is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import attrs

from pytio import _accel
from pytio.capture.derivation import opener_maker
from pytio.capture.secrets import LoggedSecrets, SecretKind, SecretStore
from pytio.crypto import AeadAlgorithm, Secret, digest
from pytio.crypto.aead import Aead
from pytio.errors import VerificationError
from pytio.spdm.key_schedule import HandshakeSecrets, KeySchedule, Label
from pytio.spdm.records import Protection, SequenceOrder
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
_DATA: Final = (Label.REQUEST_DATA, Label.RESPONSE_DATA)


@cache
def _require(algorithm: AeadAlgorithm) -> None:
    """Raise UnsupportedAlgorithmError if the library lacks an AEAD, before a record has to find out."""
    Aead(algorithm, bytes(algorithm.key_size))


class _Direction:
    """One direction under one secret, and, after a key update, its successors."""

    def __init__(self, schedule: KeySchedule, make: Callable[[Secret], _accel.AnyRecordOpener], secret: Secret) -> None:
        self._schedule = schedule
        self._make = make
        self._secrets = [secret]  # of the present key, and as far as they were needed, of those that follow it
        self._openers: list[_accel.AnyRecordOpener] = []  # as far as they were needed

    @property
    def opener(self) -> _accel.AnyRecordOpener:
        """What opens records under the present key."""
        return self._at(0)

    def search(self, header: bytes, body: bytes, low: bytes) -> bytes | None:
        """Return the payload if this is a record that comes later, after losses or key updates."""
        for updates, sequence in _later(self.opener.sequence, low):
            payload = self._at(updates).open(header, body, sequence)
            if payload is not None:
                del self._secrets[:updates], self._openers[:updates]
                return payload
        return None

    def _at(self, updates: int) -> _accel.AnyRecordOpener:
        while len(self._secrets) <= updates:
            self._secrets.append(self._schedule.updated_secret(self._secrets[-1]))
        while len(self._openers) <= updates:
            self._openers.append(self._make(self._secrets[len(self._openers)]))
        return self._openers[updates]


class _Directions:
    """Both directions of a session; no key is made before a record asks for it."""

    def __init__(self, request: _Direction, response: _Direction, expected: int = 0) -> None:
        self._sides = (request, response)
        self._pair: _accel.AnySessionOpener | None = None
        self._expected = expected

    @property
    def pair(self) -> _accel.AnySessionOpener:
        """What opens the records that come next."""
        if self._pair is None:
            self._pair = _accel.chosen.session_opener(*(side.opener for side in self._sides))
            self._pair.expected = self._expected
        return self._pair

    @property
    def expected(self) -> int:
        """The side whose record is tried first."""
        return self._expected if self._pair is None else self._pair.expected

    def open_next(self, header: bytes, body: bytes, low: bytes) -> tuple[int, bytes] | None:
        """Open a record that comes next on either side; ``low`` is what it carries of its number."""
        return self.pair.open(header, body, low)

    def search(self, header: bytes, body: bytes, low: bytes) -> tuple[int, bytes] | None:
        """Open a record that comes later."""
        for side in (self.pair.expected, 1 - self.pair.expected):
            payload = self._sides[side].search(header, body, low)
            if payload is not None:
                self.pair[side] = self._sides[side].opener
                self.pair.expected, self.pair.failures = 1 - side, 0
                return side, payload
        return None


_ATTEMPTS: Final = (_Directions.open_next, _Directions.search)


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
    sides: _Directions | None
    logged: LoggedSecrets | None = None


class SessionKeys:
    """The keys of one session, as far as the reader's secrets give them.

    Attributes:
        transcript: the session's transcript, which FINISH and its response are added to from outside.
        schedule: the key schedule.
        th1_hash: the hash of TH1.
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
        is_handshake_in_the_clear: bool = False,
    ) -> None:
        """Start a session in its handshake phase; ``key`` is what key logs call it.

        Where the handshake is in the clear, no keys are made for records of it before there is one.

        Raises UnsupportedAlgorithmError if the library lacks the hash or the AEAD.
        """
        _require(schedule.aead)
        self.transcript = transcript
        self.schedule = schedule
        self.is_established = False
        self._kind = kind
        self._secrets = secrets
        self._key = key
        self.protection = protection
        self._make = opener_maker(schedule, protection, orders)
        self._awaits_records = not is_handshake_in_the_clear
        self._settled = False
        self._failures = 0
        self.th1_hash = digest(schedule.hash_algorithm, joined(transcript.th1()))
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
        directions = self.schedule.handshake_secrets(handshake_secret, self.th1_hash)
        return _KeySet(secret, handshake_secret, directions, self._directions(directions.request, directions.response))

    def _logged_key_set(self, logged: LoggedSecrets) -> _KeySet:
        directions = None
        if logged.handshake is not None:
            directions = self.schedule.handshake_secrets(logged.handshake, self.th1_hash)
        elif logged.request_handshake is not None and logged.response_handshake is not None:
            directions = HandshakeSecrets(logged.request_handshake, logged.response_handshake)
        sides = self._directions(directions.request, directions.response) if directions is not None else None
        return _KeySet(None, logged.handshake, directions, sides, logged)

    def _data_sides(self, key_set: _KeySet) -> _Directions | None:
        logged = key_set.logged or LoggedSecrets()
        expected = key_set.sides.expected if key_set.sides is not None else 0
        if logged.request_data is not None and logged.response_data is not None:
            return self._directions(logged.request_data, logged.response_data, expected)
        master = logged.master
        if master is None and key_set.handshake_secret is not None:
            master = self.schedule.master_secret(key_set.handshake_secret)
        if master is None or self._th2_hash is None:
            return None
        request, response = (self.schedule.derive(master, label, context=self._th2_hash) for label in _DATA)
        return self._directions(request, response, expected)

    def do_without_transcript(self) -> bool:
        """Give up what the transcript would be needed for, and return whether a key log's data secrets are left."""
        self._key_sets = [
            _KeySet(None, None, None, None, key_set.logged)
            for key_set in self._key_sets
            if key_set.logged is not None
            and key_set.logged.request_data is not None
            and key_set.logged.response_data is not None
        ]
        return bool(self._key_sets)

    def _directions(self, request: Secret, response: Secret, expected: int = 0) -> _Directions:
        return _Directions(
            _Direction(self.schedule, self._make, request),
            _Direction(self.schedule, self._make, response),
            expected,
        )

    def _settle(self, key_set: _KeySet) -> None:
        if self._settled:
            return
        self._settled = True
        self._key_sets = [key_set]
        if key_set.secret is not None:
            self._secrets.claim(self._kind, self._key, key_set.secret)
        else:
            self._secrets.claim_derived(self._key)

    def prove_by_verify_data(self, side: Side, covered_hash: bytes, received: bytes) -> bool | None:
        """Check verify data over a transcript, given its hash, with every secret that is still possible.

        Returns whether one of them made it, which settles the session's secret; None if there is no secret to try.
        """
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
        self.is_established = self._awaits_records = True
        self._failures = 0
        for key_set in self._key_sets:
            key_set.sides = self._data_sides(key_set)

    @property
    def pair(self) -> _accel.AnySessionOpener | None:
        """What opens the session's next records, once nothing but a record decides any more."""
        sides = self._key_sets[0].sides if self._settled and self._awaits_records else None
        return None if sides is None else sides.pair

    @property
    def has_candidates(self) -> bool:
        """Whether there is any secret to try."""
        return bool(self._key_sets)

    def open(self, header: bytes, body: bytes, low: bytes, *, is_next: bool = True) -> tuple[Side, bytes] | None:
        """Open a record: return who sent it and its payload, or None if no key opens it.

        Args:
            header: the record up to and including its Length field.
            body: the rest, ``Length`` bytes.
            low: the bytes of the sequence number that the header carries, if any.
            is_next: whether it may be the next one of either side; else that was tried with `pair` before.
        """
        pair = self.pair
        failures = self._failures if pair is None else pair.failures
        if not low and failures >= _HOPELESS:
            return None
        if not self.is_established and (early := self._open_early(header, body, low)) is not None:
            return early
        for attempt in _ATTEMPTS if is_next or pair is None else _ATTEMPTS[1:]:
            for key_set in self._key_sets:
                opened = attempt(key_set.sides, header, body, low) if key_set.sides is not None else None
                if opened is not None:
                    return self._opened(key_set, opened)
        self._failures += 1
        if pair is not None:
            pair.failures = failures + 1
        return None

    def _opened(self, key_set: _KeySet, opened: tuple[int, bytes]) -> tuple[Side, bytes]:
        self._settle(key_set)
        self._awaits_records = True
        self._failures = 0
        return _SIDES[opened[0]], opened[1]

    def _open_early(self, header: bytes, body: bytes, low: bytes) -> tuple[Side, bytes] | None:
        """Open a record with data secrets of a key log, where nobody can read that the handshake is over."""
        for key_set in self._key_sets:
            sides = self._data_sides(key_set) if key_set.logged is not None else None
            opened = sides.open_next(header, body, low) if sides is not None else None
            if opened is not None:
                key_set.sides = sides
                self.is_established = True
                return self._opened(key_set, opened)
        return None
