"""`Responder`: one connection from the answering side. Messages come and go here; the phases have their own files."""

from __future__ import annotations

from typing import Any, ClassVar

from pytio.crypto import ChainRole, HashAlgorithm, Provider, SignatureAlgorithm, SigningKey, digest
from pytio.errors import EncodeError, LocalProtocolError, PytioError, SpdmDecodeError
from pytio.spdm import algorithms
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.checks import SignatureCheck
from pytio.spdm.codes import (
    RAW_PUBLIC_KEY_SLOT,
    KeyUsage,
    MeasurementSummaryHashType,
    MutAuthRequested,
    RegistryId,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import Measurement, ResponderConfig, Slot
from pytio.spdm.endpoint import HEADER_BYTES, Endpoint
from pytio.spdm.events import Dropped, Event, PeerAuthenticated, RequestAnswered, SessionEnded
from pytio.spdm.inner_framing import InnerFraming, NotSpdmError
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.error import Error
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.peer_identity import PeerIdentity
from pytio.spdm.responder import measurements as measuring
from pytio.spdm.responder.calls import Call, Refusal, VendorHandler, require
from pytio.spdm.responder.gate import admit
from pytio.spdm.responder.slots import SlotStore
from pytio.spdm.responder.tables import ANSWERS
from pytio.spdm.responder.vendor import VendorKey
from pytio.spdm.secured import RECORD_FORMATS, RecordFormat, RecordTransport
from pytio.spdm.session import RecordRules, Session, Side, record_session_id
from pytio.spdm.state import REQUEST_RULES, SessionState
from pytio.spdm.transcript import Piece, Pieces

__all__ = ("Responder",)

_CODE_OFFSET = 1
_HALF_SESSION_ID_BITS = 16
_MAX_HALF_SESSION_ID = 0xFFFF
_UNNOTED = (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_GET, SpdmCode.RESPOND_IF_READY)
"""Carriers of other requests, which no transcript takes note of."""


class Responder(Endpoint):
    """The responder's half of one SPDM connection. Performs no I/O, reads no clock, draws no entropy of its own.

    Hand in what comes with ``receive``, then fetch the answer with ``bytes_to_send``. A bad request is answered with
    ERROR and raises nothing; the events say what happened. ``wake`` lets sessions die of silence.

    Attributes:
        config: what the responder is.
        slots: its certificate slots, as SET_CERTIFICATE left them; they outlive connections.
        measurements: what it measures now; to be replaced when something changes.
        peer: what is known of the requester's identity.
        vendor_handlers: who registered for VENDOR_DEFINED.
        is_busy: set it to have every request answered Busy.
    """

    IS_REQUESTER: ClassVar[bool] = False

    def __init__(
        self,
        config: ResponderConfig | None = None,
        *,
        provider: Provider | None = None,
        record_format: RecordFormat = RECORD_FORMATS[RecordTransport.PCI_DOE],
        inner_framing: InnerFraming | None = None,
    ) -> None:
        """Start without a connection.

        ``record_format`` is the transport's, and ``inner_framing`` what it puts before messages in records, for
        transports whose inner header this package does not lay out. Raises ValueError where one would be needed.
        """
        self.config = config or ResponderConfig()
        self.slots = SlotStore(self.config)
        self.measurements: tuple[Measurement, ...] = self.config.measurements
        self.vendor_handlers: dict[VendorKey, VendorHandler] = {}
        self.is_busy = False
        super().__init__(provider=provider, record_format=record_format, inner_framing=inner_framing)

    def _forget_connection(self) -> None:
        super()._forget_connection()
        self.peer = PeerIdentity(self.config.trust, ChainRole.REQUESTER)
        self._capabilities: tuple[GetCapabilities, Capabilities] | None = None
        self._needs_resync = False
        self._clear_handshake: int | None = None

    def register(
        self, handler: VendorHandler, standard_id: RegistryId | int, vendor_id: bytes, protocol_id: int | None = None
    ) -> None:
        """Have a vendor's requests handled: those whose payload begins with ``protocol_id``, or all of the vendor's."""
        self.vendor_handlers[int(standard_id), vendor_id, protocol_id] = handler

    def require_resynchronization(self) -> None:
        """Lose the connection: every request is answered RequestResynch until GET_VERSION comes."""
        self._forget_connection()
        self._needs_resync = True

    def device_reset(self) -> None:
        """Lose connection and sessions, and let certificates that waited for it count."""
        self._forget_connection()
        self.slots.reset()

    # answering

    def receive(self, message: bytes, *, now: float, is_secured: bool = False) -> list[Event]:
        """Take a request that came over the wire; ``is_secured`` is what its transport said.

        Raises nothing for what a peer may send. What stays without an answer is a `Dropped` event.
        """
        if is_secured:
            return self._receive_record(message, now)
        events: list[Event] = []
        response, call = self._answer(message, None, now, events)
        self._queue(response)
        return [*events, *self._do_afterwards(call)]

    def _receive_record(self, record: bytes, now: float) -> list[Event]:
        session = self.sessions.get(record_session_id(record) or 0)
        if session is None:
            return [Dropped("a record of no session")]
        events: list[Event] = []
        try:
            data = session.open(Side.REQUEST, record)
        except (PytioError, ValueError) as error:
            return self._undecryptable(session, str(error))
        session.touch(now, 2)
        try:
            message = session.rules.framing.unwrap(data)
        except NotSpdmError as error:
            return [Dropped(str(error))]
        response, call = self._answer(message, session, now, events)
        events += self._send_in(session, response)
        return [*events, *self._do_afterwards(call)]

    def _do_afterwards(self, call: Call | None) -> list[Event]:
        """Change keys and end sessions, now that the response has been sealed."""
        events: list[Event] = []
        if call is None:
            return events
        for change in call.afterwards:
            events += change()
        for session, reason in call.ending:
            events += self._finish_session(session, reason)
        return events

    def _undecryptable(self, session: Session, reason: str) -> list[Event]:
        """Say DecryptError in the session, unless told to be silent; either way the session is over."""
        if not self.config.drops_after_decrypt_error:
            error = Error(version=self.version, error_code=SpdmErrorCode.DECRYPT_ERROR)
            self._send_in(session, error.build())
        return [*self._finish_session(session, reason)]

    def _send_in(self, session: Session, response: bytes) -> list[Event]:
        try:
            record = session.seal(Side.RESPONSE, response, self._provider)
        except (LocalProtocolError, EncodeError) as error:
            return self._finish_session(session, str(error))
        self._queue(record, is_secured=True)
        return []

    def _finish_session(self, session: Session, reason: str) -> list[Event]:
        self._end_session(session)
        return [SessionEnded(session.session_id, reason)]

    def _answer(
        self, message: bytes, session: Session | None, now: float, events: list[Event]
    ) -> tuple[bytes, Call | None]:
        """Return the bytes of the response to a request in clear text, and the call if it came to one."""
        code = message[_CODE_OFFSET] if len(message) > _CODE_OFFSET else 0
        context = session.session_id if session is not None else None
        call: Call | None = None
        try:
            call = self._examine(message, session, now, events)
            response = self.perform(call)
        except Refusal as refusal:
            response = self._refuse(refusal, code)
            events.append(RequestAnswered(code, refusal.code, refusal.reason, context))
        else:
            events.append(RequestAnswered(code, session=context))
        return response, call

    def _refuse(self, refusal: Refusal, code: int) -> bytes:
        version = SpdmVersion.V1_0 if code == SpdmCode.GET_VERSION else self.version
        error = Error(
            version=version,
            error_code=refusal.code,
            error_data=refusal.data,
            extended_error_data=refusal.extended,
        )
        return error.build()

    def _examine(self, message: bytes, session: Session | None, now: float, events: list[Event]) -> Call:
        """Return a request of the right place, version and shape. Raises Refusal for any other."""
        require(len(message) >= HEADER_BYTES, f"{len(message)} bytes are no SPDM message")
        code = SpdmCode(message[_CODE_OFFSET])
        admit(self, code, message[0], session)
        answer = ANSWERS.get(code)
        if answer is None:
            raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, f"{code.name} is not answered", int(code))
        try:
            request, raw = self.parse(answer.cls, message, None, from_requester=True)
        except SpdmDecodeError as error:
            raise Refusal(SpdmErrorCode.INVALID_REQUEST, str(error)) from error
        exact = session is not None and REQUEST_RULES[code].is_exact
        require(not exact or len(raw) == len(message), f"{len(message) - len(raw)} bytes after the message")
        return Call(request, raw, session, now, events)

    def perform(self, call: Call) -> bytes:
        """Let the handler answer a request, and take note of both in the transcript."""
        context = call.context
        if call.code not in _UNNOTED:
            self.transcript.request(call.raw, context=context)
        try:
            response: SpdmMessage = ANSWERS[call.code].answer(self, call)
        except Refusal as refusal:
            if call.code not in _UNNOTED:
                self.transcript.response(self._refuse(refusal, call.code), context=context)
            raise
        raw = response.build()
        if call.code not in _UNNOTED:
            signature_size = len(getattr(response, "signature", None) or b"")
            self.transcript.response(raw, context=context, signature_size=signature_size)
        if call.session is None:
            self._advance(SpdmCode(response.code))
        return raw

    # time

    def wake_at(self) -> float | None:
        """Return when to call ``wake``: a session may have died of silence; None if none can."""
        deadlines = [session.deadline for session in self.sessions.values() if session.deadline is not None]
        return min(deadlines, default=None)

    def wake(self, now: float) -> list[Event]:
        """End the sessions that were silent for two heartbeat periods."""
        silent = [s for s in self.sessions.values() if s.deadline is not None and now >= s.deadline]
        return [event for session in silent for event in self._finish_session(session, "no heartbeat")]

    # for the phases

    @property
    def needs_resynchronization(self) -> bool:
        """Whether only GET_VERSION is answered."""
        return self._needs_resync

    def restart(self) -> None:
        """Begin a new connection: GET_VERSION has come. What waits to be sent is not sent any more."""
        asked = self.transcript
        self._forget_connection()
        self.transcript = asked

    def settle_capabilities(self, version: SpdmVersion, request: GetCapabilities, response: Capabilities) -> None:
        """Take the version that GET_CAPABILITIES fixed, and what both sides can do."""
        self._version = version
        self._capabilities = request, response

    @property
    def capabilities_exchange(self) -> tuple[GetCapabilities, Capabilities]:
        """GET_CAPABILITIES and its response. Raises LocalProtocolError as long as there is none."""
        if self._capabilities is None:
            raise LocalProtocolError(self.state, "capabilities")
        return self._capabilities

    def settle(self, agreed: Negotiated) -> None:
        """Take what ALGORITHMS settled."""
        self._negotiated = agreed

    def nonce(self, size: int) -> bytes:
        """Draw a nonce."""
        return self._provider.nonce(size)

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """The negotiated base hash. Raises ValueError if there is none."""
        return algorithms.hash_algorithm(self.negotiated.base_hash)

    @property
    def algorithm(self) -> SignatureAlgorithm | None:
        """What the responder signs by; None where nothing was negotiated for that."""
        selected = self.negotiated.base_asym or self.negotiated.pqc_asym
        return algorithms.signature_algorithm(selected) if selected else None

    @property
    def provisioned_slots(self) -> dict[int, Slot]:
        """The slots that count on this connection, ascending."""
        return self.slots.provisioned(self.algorithm, with_keys_only=self.negotiated.is_responder_multi_key)

    @property
    def supported_slot_mask(self) -> int:
        """The slots that exist, bit by slot; reserved before 1.3."""
        return sum(1 << number for number in self.slots.slots) if self.version >= SpdmVersion.V1_3 else 0

    @property
    def has_slot_sizes(self) -> bool:
        """Whether GET_CERTIFICATE may ask for a slot's size."""
        return self.version >= SpdmVersion.V1_3

    @property
    def has_large_vendor_form(self) -> bool:
        """Whether the version has a large form of vendor-defined messages."""
        return self.version >= SpdmVersion.V1_4

    @property
    def response_room(self) -> int | None:
        """The bytes of the largest response, whole or in chunks, that the requester takes; None if it has not said."""
        agreed = self.negotiated
        return agreed.message_size(to_requester=True) if agreed.can_chunk else agreed.transfer_size(to_requester=True)

    @property
    def provider(self) -> Provider:
        """Where everything is drawn from."""
        return self._provider

    @property
    def record_rules(self) -> RecordRules:
        """How the transport has records."""
        return self._record_rules

    def new_session_half(self, req_half: int) -> int:
        """Return the responder's half of a session id that is free, counting down as the reference implementation.

        Raises Refusal where there are as many sessions as are allowed.
        """
        is_free = len(self.sessions) < self.config.limits.max_sessions
        require(is_free, "as many sessions as are allowed", SpdmErrorCode.SESSION_LIMIT_EXCEEDED)
        taken = {number >> _HALF_SESSION_ID_BITS for number in self.sessions}
        return next(half for half in range(_MAX_HALF_SESSION_ID, 0, -1) if half not in taken)

    def mutual_authentication(self) -> tuple[MutAuthRequested, int]:
        """Return what KEY_EXCHANGE_RSP asks of the requester, and of which of its slots, in four bits."""
        return MutAuthRequested(0), 0

    def begin_session(self, session: Session, mutual: MutAuthRequested, slot: int) -> None:
        """Keep a session whose handshake begins."""
        self.sessions[session.session_id] = session
        if not session.is_psk:
            self._clear_handshake = session.session_id

    @property
    def handshake_in_the_clear(self) -> Session | None:
        """The session that FINISH outside any session refers to: the one that was started last, if it waits for it."""
        session = self.sessions.get(self._clear_handshake or 0)
        return session if session is not None and session.state is SessionState.HANDSHAKING else None

    def require_mutual_authentication(self, session: Session) -> None:
        """Raise Refusal where FINISH comes before the requester has authenticated itself."""

    def verify_requester(self, session: Session, signature: bytes, pieces: Pieces) -> SignatureCheck:
        """Check the requester's signature in FINISH. Raises CheckFailedError."""
        raise LocalProtocolError(session.state, "signature")

    def peer_authenticated(self, session: Session) -> PeerAuthenticated:
        """Return the event that says who the requester is."""
        return PeerAuthenticated(session.requester_slot, b"", session.session_id)

    def signing_key(self, number: int, use: KeyUsage) -> SigningKey:
        """Return the key of a slot, or for 0xFF the provisioned one.

        Raises Refusal where there is none, or where it is not to be used for that.
        """
        algorithm = self.algorithm
        if number == RAW_PUBLIC_KEY_SLOT:
            can = ResponderCapabilities.PUB_KEY_ID_CAP in self.negotiated.responder
            pair = self.config.key_pair(self.config.raw_public_key_pair or 0) if can else None
            if pair is not None and algorithm is not None and pair.serves(algorithm):
                return pair.key
            raise Refusal(SpdmErrorCode.INVALID_REQUEST, "no public key was provisioned")
        slot = self.provisioned_slots.get(number)
        pair = self.slots.key_pair(slot) if slot is not None and slot.certificates else None
        if slot is None or pair is None or algorithm is None or not pair.serves(algorithm):
            raise Refusal(SpdmErrorCode.INVALID_REQUEST, f"slot {number} is not provisioned")
        several = self.negotiated.is_responder_multi_key
        require(not several or use & self.slots.usage(slot), f"the key of slot {number} is not for {use.name}")
        return pair.key

    def chain_hash(self, number: int, rule: str) -> Piece:
        """Return the hash of a slot's chain, or for 0xFF of the provisioned public key's DER."""
        if number == RAW_PUBLIC_KEY_SLOT:
            spki = self.signing_key(number, KeyUsage(0)).public_key.to_spki()
            return Piece("Hash(public key)", digest(self.hash_algorithm, spki), rule)
        slot = self.provisioned_slots[number]
        return Piece("Hash(certificate chain)", self.slots.digest(slot, self.hash_algorithm), rule)

    def sign(self, key: SigningKey, pieces: Pieces, number: int, **account: Any) -> SignatureCheck:
        """Sign a transcript with the key of a slot."""
        account["slot"] = None if number == RAW_PUBLIC_KEY_SLOT else number
        return self.signer(of_requester=False).sign(self._provider, key, pieces, **account)

    def summary_hash(self, kind: MeasurementSummaryHashType) -> bytes:
        """Return the measurement summary hash. Raises Refusal for a kind that there is not."""
        return measuring.summary_hash(self, kind)

    @property
    def wants_basic_mutual_authentication(self) -> bool:
        """Whether CHALLENGE_AUTH asks for the requester's signature (SPDM_U7: in 1.2, too, where it is deprecated)."""
        return False

    def begin_basic_mutual_authentication(self) -> None:
        """CHALLENGE_AUTH has asked for it: the encapsulated flow is to follow."""

    def check_in_flight(self, code: SpdmCode, session: Session | None) -> None:
        """Raise Refusal where another exchange has to be completed first."""
