"""One session: its id, its secrets, its records in both directions, and how its keys change (DSP0274, DSP0277).

Role-neutral: a requester seals in the request direction and opens in the response direction, a responder the other way
round. This file knows no message and no order of messages; it draws its padding from the provider it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

import attrs

from pytio.crypto import Secret, digest
from pytio.errors import LocalProtocolError, VerificationError
from pytio.spdm.codes import KeyUpdateOperation, SessionPolicy
from pytio.spdm.inner_framing import INNER_FRAMINGS, InnerFraming
from pytio.spdm.key_schedule import HandshakeSecrets, KeySchedule
from pytio.spdm.messages.events import EventGroup
from pytio.spdm.records import Protection, RecordDirection, SequenceOrder
from pytio.spdm.secured import (
    MAC_BYTES,
    MAX_RECORD_LENGTH,
    RecordFormat,
    RecordHeader,
    RecordPlaintext,
)
from pytio.spdm.state import Place, SessionState
from pytio.spdm.transcript import SessionTranscript, joined

if TYPE_CHECKING:
    from pytio.crypto import Provider

__all__ = ("RecordRules", "Session", "Side", "place_of", "record_session_id")

_SESSION_ID_BYTES: Final = 4
_LENGTH_BYTES: Final = 2
_INNER_LENGTH_BYTES: Final = 2


class Side(Enum):
    """A direction of a session: what the requester sends, what the responder sends."""

    REQUEST = "request"
    RESPONSE = "response"


@attrs.frozen
class RecordRules:
    """How the records of a connection look: what the transport says, and what was negotiated."""

    form: RecordFormat
    """The transport's."""
    framing: InnerFraming
    """What it puts before a message inside."""
    protection: Protection = Protection.ENCRYPT_AND_MAC
    """Whether records are encrypted."""
    orders: tuple[SequenceOrder, ...] = (SequenceOrder.LITTLE,)
    """The byte orders of sequence numbers that are possible."""
    aead_limit_exponent: int = 64
    """Sequence numbers stay below 2 to this."""

    @classmethod
    def of(cls, form: RecordFormat, framing: InnerFraming | None) -> RecordRules:
        """Return the rules of a transport.

        Raises ValueError if the transport's inner header is none that this package lays out, and no framing is given.
        """
        found = framing or INNER_FRAMINGS.get(form.inner_header)
        if found is None:
            raise ValueError(f"a {form.inner_header.value} needs a framing of its own")
        return cls(form, found)


def record_session_id(record: bytes) -> int | None:
    """Return the session id that a record begins with, None where there are too few bytes."""
    return int.from_bytes(record[:_SESSION_ID_BYTES], "little") if len(record) >= _SESSION_ID_BYTES else None


@attrs.define
class _Direction:
    """One direction's finished key and records."""

    finished_key: Secret
    records: RecordDirection


@attrs.define(eq=False)
class Session:
    """The state of one session. Performs no I/O; made when KEY_EXCHANGE or PSK_EXCHANGE is answered.

    Attributes:
        session_id: the requester's half below the responder's.
        schedule: the key schedule.
        transcript: what TH covers.
        rules: how records look.
        is_psk: whether a pre-shared key made it.
        secured_version: the version of secured messages, as 0x12.
        state: how far it has come.
        policy: SessionPolicy, as the requester sent it (SPDM_U4: passed through).
        heartbeat_period_s: seconds, 0 for none.
        deadline: when silence becomes too long; None without a heartbeat.
        is_mutual: whether the requester authenticates itself in it, by a signature in FINISH.
        requester_slot: the slot whose key it does that with, or 0xFF.
        updating: the key update that has not been verified yet.
        wants_mutual: whether the responder has asked the requester to authenticate itself.
        subscription: the events that the peer wants to be told of.
    """

    session_id: int
    schedule: KeySchedule
    transcript: SessionTranscript
    rules: RecordRules
    is_psk: bool = False
    secured_version: int = 0x12
    state: SessionState = SessionState.HANDSHAKING
    policy: SessionPolicy = SessionPolicy(0)
    heartbeat_period_s: int = 0
    deadline: float | None = None
    is_mutual: bool = False
    requester_slot: int = 0
    updating: KeyUpdateOperation | None = None
    wants_mutual: bool = False
    subscription: tuple[EventGroup, ...] = ()
    _handshake_secret: Secret | None = attrs.field(default=None, repr=False)
    _export_master: Secret | None = attrs.field(default=None, repr=False)
    _directions: dict[Side, _Direction] = attrs.field(factory=dict, repr=False)

    def start(self, handshake_secret: Secret) -> None:
        """Derive handshake keys; TH1 is complete."""
        self._handshake_secret = handshake_secret
        th1 = digest(self.schedule.hash_algorithm, joined(self.transcript.th1()))
        secrets: HandshakeSecrets = self.schedule.handshake_secrets(handshake_secret, th1)
        self._install(secrets.request, secrets.response, finished=True)

    def establish(self) -> None:
        """Derive data keys; TH2 is complete, and the handshake's secrets are forgotten."""
        if self._handshake_secret is None:
            raise LocalProtocolError(self.state, "data keys", "the handshake has no secret")
        th2 = digest(self.schedule.hash_algorithm, joined(self.transcript.th2()))
        secrets = self.schedule.data_secrets(self.schedule.master_secret(self._handshake_secret), th2)
        self._install(secrets.request, secrets.response, finished=False)
        self._export_master = secrets.export_master
        self._handshake_secret = None
        self.state = SessionState.ESTABLISHED

    def end(self) -> None:
        """Forget every key."""
        self.state = SessionState.ENDED
        self.deadline = None
        self._handshake_secret = self._export_master = None
        self._directions.clear()

    def resume(
        self,
        handshake_secret: Secret | None,
        export_master: Secret | None,
        directions: Mapping[Side, tuple[Secret, RecordDirection]],
    ) -> None:
        """Take keys and sequence numbers of a session that was saved."""
        self._handshake_secret, self._export_master = handshake_secret, export_master
        self._directions = {side: _Direction(key, records) for side, (key, records) in directions.items()}

    @property
    def handshake_secret(self) -> Secret | None:
        """The handshake secret, as long as the handshake lasts."""
        return self._handshake_secret

    @property
    def exported(self) -> Secret | None:
        """The export master secret, once there is one."""
        return self._export_master

    def _install(self, request: Secret, response: Secret, *, finished: bool) -> None:
        for side, secret in ((Side.REQUEST, request), (Side.RESPONSE, response)):
            key = self.schedule.finished_key(secret) if finished else self._directions[side].finished_key
            self._directions[side] = _Direction(key, self._direction(secret))

    def _direction(self, secret: Secret, sequence: int = 0) -> RecordDirection:
        return RecordDirection(
            self.schedule,
            secret,
            protection=self.rules.protection,
            orders=self.rules.orders,
            aead_limit_exponent=self.rules.aead_limit_exponent,
            sequence=sequence,
        )

    @property
    def export_master_secret(self) -> Secret:
        """What applications may derive keys from. Raises LocalProtocolError unless the session is established."""
        if self._export_master is None:
            raise LocalProtocolError(self.state, "export master secret")
        return self._export_master

    def finished_key(self, side: Side) -> Secret:
        """Return the key of one side's verify data."""
        return self._directions[side].finished_key

    def direction(self, side: Side) -> RecordDirection:
        """Return one direction's records. Raises LocalProtocolError if the session has ended."""
        try:
            return self._directions[side].records
        except KeyError:
            raise LocalProtocolError(self.state, f"{side.value} record") from None

    def touch(self, now: float, periods: int) -> None:
        """Start the heartbeat's timer again: something was said in the session."""
        self.deadline = now + periods * self.heartbeat_period_s if self.heartbeat_period_s else None

    def room(self) -> int:
        """Return the bytes of the largest message that one record holds."""
        framing = len(self.rules.framing.wrap(b""))
        return MAX_RECORD_LENGTH - MAC_BYTES - _INNER_LENGTH_BYTES - self.rules.form.max_padding_bytes - framing

    def seal(self, side: Side, message: bytes, provider: Provider) -> bytes:
        """Return the record of an SPDM message. Raises LocalProtocolError if the key has reached its limit."""
        return self.seal_data(side, self.rules.framing.wrap(message), provider)

    def seal_data(self, side: Side, application_data: bytes, provider: Provider) -> bytes:
        """Return the record of application data that carry their inner header. Raises LocalProtocolError, as above."""
        cipher = self.direction(side).cipher
        payload = application_data
        if cipher.protection is Protection.ENCRYPT_AND_MAC:
            padding = self._padding(provider)
            payload = RecordPlaintext(application_data=application_data, random_padding=padding).build()
        header = RecordHeader(
            session_id=self.session_id,
            sequence_number=cipher.sequence_bytes(self.rules.form.sequence_bytes),
            length=cipher.body_size(len(payload)),
        ).build()
        return header + cipher.seal(header, payload)

    def _padding(self, provider: Provider) -> bytes:
        most = self.rules.form.max_padding_bytes
        if not most:
            return b""
        size = 1 + provider.nonce(1)[0] % most
        return provider.nonce(size)

    def open(self, side: Side, record: bytes) -> bytes:
        """Return the application data of a record, inner header included; whatever follows the record is ignored.

        Raises VerificationError if sequence number or tag do not hold, SpdmDecodeError if the record lacks its shape.
        During a key update the record may still be under the key before; then the update is undone.
        """
        direction = self.direction(side)
        header, at = RecordHeader.parse_prefix(record, sequence=self.rules.form.sequence_bytes)
        header_bytes, body = record[:at], record[at : at + header.length]
        if header.session_id != self.session_id or len(body) != header.length:
            raise VerificationError(f"header of a record of session {self.session_id:#x}", (record,))
        try:
            payload = self._open(direction, header, header_bytes, body)
        except VerificationError:
            if not direction.is_updating or direction.cipher.has_sealed or direction.cipher.sequence:
                raise
            direction.roll_back()
            payload = self._open(direction, header, header_bytes, body)
        if direction.cipher.protection is Protection.MAC_ONLY:
            return payload
        return RecordPlaintext.parse(payload).application_data

    def _open(self, direction: RecordDirection, header: RecordHeader, header_bytes: bytes, body: bytes) -> bytes:
        direction.cipher.verify_sequence(header.sequence_number)
        return direction.cipher.open(header_bytes, body)


def place_of(session: Session | None) -> Place:
    """Say where a message travels."""
    if session is None:
        return Place.OUTSIDE
    return Place.ESTABLISHED if session.state is SessionState.ESTABLISHED else Place.HANDSHAKING
