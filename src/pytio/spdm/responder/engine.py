"""`Responder`: one connection from the answering side. Messages come and go here; the phases have their own files."""

from __future__ import annotations

from collections import deque
from typing import Self

from pytio.crypto import ChainRole, Provider, UnsupportedAlgorithmError
from pytio.errors import (
    DecodeError,
    EncodeError,
    LocalProtocolError,
    PytioError,
    SpdmDecodeError,
    VerificationError,
)
from pytio.spdm import saving
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import (
    MeasurementSummaryHashType,
    MutAuthRequested,
    RegistryId,
    SessionPolicy,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import Measurement, ResponderConfig
from pytio.spdm.endpoint import HEADER_BYTES
from pytio.spdm.events import Dropped, Event, RequestAnswered, SessionEnded
from pytio.spdm.inner_framing import InnerFraming, NotSpdmError
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.error import Error
from pytio.spdm.peer_identity import PeerIdentity
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.requests import Intent
from pytio.spdm.responder import encapsulated as flows
from pytio.spdm.responder import measurements as measuring
from pytio.spdm.responder.calls import Call, VendorHandler
from pytio.spdm.responder.chunks import Transfers
from pytio.spdm.responder.deferral import Deferred, defer
from pytio.spdm.responder.gate import admit
from pytio.spdm.responder.resources import ResponderResources
from pytio.spdm.responder.tables import ANSWERS
from pytio.spdm.responder.vendor import VendorKey
from pytio.spdm.secured import RECORD_FORMATS, RecordFormat, RecordTransport
from pytio.spdm.session import Session, Side, record_session_id
from pytio.spdm.slots import SlotStore
from pytio.spdm.state import REQUEST_RULES

__all__ = ("Responder",)

_CODE_OFFSET = 1
_UNNOTED = (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_GET, SpdmCode.RESPOND_IF_READY)
"""Carriers of other requests, which no transcript takes note of."""


class Responder(ResponderResources):
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
        transfers: the large message that is on its way in chunks, if any.
        deferred: the request that was answered ResponseNotReady, if any.
        last_token: the token that was given to it.
        flows: what the responder will ask when the requester comes for it.
        active_flow: what it is asking now, if anything.
    """

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
        self._needs_resync = False
        self._clear_handshake: int | None = None
        self.transfers = Transfers()
        self.deferred: Deferred | None = None
        self.last_token = 0
        self.flows: list[flows.Flow] = []
        self.active_flow: flows.Flow | None = None

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

    def save(self, *, with_secrets: bool = False) -> bytes:
        """Return the connection's state and that of the slots for ``load``, in this process or another.

        Only with secrets it holds sessions; they end here then, so that no nonce is used twice. Raises
        LocalProtocolError while a transfer, a deferred request, an encapsulated flow or a key update is under way, or
        a change waits for a reset.
        """
        is_quiet = not self.transfers.is_busy and self.deferred is None and not self.flows and self.active_flow is None
        if not is_quiet or self.slots.at_reset:
            raise LocalProtocolError(self.state, "save", "an exchange is not complete")
        role = {
            "handle": self.transfers.handle,
            "token": self.last_token,
            "needs_resync": self._needs_resync,
            "clear_handshake": self._clear_handshake,
            "slots": saving.slots_of(self.slots),
        }
        return self._hand_over(role, with_secrets=with_secrets)

    @classmethod
    def load(
        cls,
        data: bytes,
        config: ResponderConfig | None = None,
        *,
        provider: Provider | None = None,
        record_format: RecordFormat = RECORD_FORMATS[RecordTransport.PCI_DOE],
        inner_framing: InnerFraming | None = None,
    ) -> Self:
        """Resume what ``save`` saved, with the same configuration on the same transport.

        Sessions are to be resumed once: who loads them twice repeats nonces. Raises DecodeError if the bytes are no
        saved responder.
        """
        made = cls(config, provider=provider, record_format=record_format, inner_framing=inner_framing)
        role = saving.restore(made, data)
        made.transfers.handle, made.last_token = int(role["handle"]), int(role["token"])
        made._needs_resync, made._clear_handshake = bool(role["needs_resync"]), role["clear_handshake"]
        saving.read_slots(made.slots, role["slots"])
        return made

    # answering

    def receive(self, message: bytes, *, now: float, is_secured: bool = False) -> list[Event]:
        """Take a request that came over the wire; ``is_secured`` is what its transport said.

        Raises nothing for what a peer may send. What stays without an answer is a `Dropped` event.
        """
        if is_secured:
            return self._receive_record(message, now)
        events: list[Event] = []
        response, call = self._answer(message, None, now, events)
        if response:
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
        events += self._send_in(session, response) if response else []
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
        self.flows = [flow for flow in self.flows if flow.session is not session]
        if self.active_flow is not None and self.active_flow.session is session:
            self.active_flow = None
        if self.transfers.context == session.session_id:
            self.transfers.close()
        if self.deferred is not None and self.deferred.call.context == session.session_id:
            self.deferred = None
        self._end_session(session)
        return [SessionEnded(session.session_id, reason)]

    def _answer(
        self, message: bytes, session: Session | None, now: float, events: list[Event], *, is_whole: bool = False
    ) -> tuple[bytes, Call | None]:
        """Return the response to a request in clear text, empty for silence, and the call if it came to one.

        ``is_whole`` is for a request that came in chunks: whether its response fits is the carrier's affair.
        """
        code = message[_CODE_OFFSET] if len(message) > _CODE_OFFSET else 0
        context = session.session_id if session is not None else None
        call: Call | None = None
        try:
            call = self._examine(message, session, now, events)
            response = self.perform(call)
            if not is_whole:
                response = self._within_room(response, call)
        except Refusal as refusal:
            response = self.error_of(refusal, code)
            events.append(RequestAnswered(code, refusal.code, refusal.reason, context))
        else:
            events.append(RequestAnswered(code, session=context))
        return response, call

    def error_of(self, refusal: Refusal, code: int) -> bytes:
        """Return the ERROR that refuses a request."""
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
            self._defer_if_told(call)
            response, raw = self._handled(call)
        except Refusal as refusal:
            if call.code not in _UNNOTED and refusal.code != SpdmErrorCode.RESPONSE_NOT_READY:
                self.transcript.response(self.error_of(refusal, call.code), context=context)
            raise
        if isinstance(response, bytes):  # the response of another request, which has been taken note of
            return response
        if call.code not in _UNNOTED:
            signature_size = len(getattr(response, "signature", None) or b"")
            self.transcript.response(raw, context=context, signature_size=signature_size)
        if call.session is None:
            self._advance(SpdmCode(response.code))
        return raw

    def _handled(self, call: Call) -> tuple[SpdmMessage | bytes, bytes]:
        """Return a handler's response, and its bytes. Raises Refusal, as Unspecified for what no handler foresaw."""
        try:
            response = ANSWERS[call.code].answer(self, call)
            return response, response if isinstance(response, bytes) else response.build()
        except (VerificationError, DecodeError, EncodeError, UnsupportedAlgorithmError) as error:
            raise Refusal(SpdmErrorCode.UNSPECIFIED, f"{type(error).__name__}: {error}") from error

    def _defer_if_told(self, call: Call) -> None:
        seconds = self.config.deferred_s.get(call.code)
        if seconds is not None and not call.is_ready:
            raise defer(self, call, seconds)

    def answer_inner(self, message: bytes, carrier: Call) -> bytes:
        """Return the response to a request that came in chunks."""
        response, call = self._answer(message, carrier.session, carrier.now, carrier.events, is_whole=True)
        if call is not None:
            carrier.afterwards.extend(call.afterwards)
            carrier.ending.extend(call.ending)
        return response or self.error_of(
            Refusal(SpdmErrorCode.INVALID_REQUEST, "silence in chunks"), message[_CODE_OFFSET]
        )

    def _within_room(self, response: bytes, call: Call) -> bytes:
        """Return a response if the requester takes it in one message. Raises Refusal to have it fetched in chunks."""
        room = self.send_room(call.session)
        if room is None or len(response) <= room or call.code in (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_GET):
            return response
        raise self.too_large(response, call.session)

    def too_large(self, response: bytes, session: Session | None) -> Refusal:
        """Keep a response to be fetched in chunks, if the requester can; return the ERROR that says so."""
        request, capabilities = self.capabilities_exchange
        can_chunk = bool((request.flags or 0) & RequesterCapabilities.CHUNK_CAP) and bool(
            capabilities.flags & ResponderCapabilities.CHUNK_CAP
        )
        room, context = self.send_room(session), session.session_id if session is not None else None
        if can_chunk and room is not None and len(response) <= (request.max_spdm_msg_size or 0):
            return self.transfers.offer(response, context, room, self)
        reason = f"{len(response)} bytes"
        return Refusal(SpdmErrorCode.RESPONSE_TOO_LARGE, reason, extended=len(response))

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

    def mutual_authentication(self) -> tuple[MutAuthRequested, int]:
        """Return what KEY_EXCHANGE_RSP asks of the requester, and of which of its slots, in four bits.

        Raises Refusal where it has to authenticate itself and cannot.
        """
        wanted, slot = flows.mutual_request(self)
        if not wanted and self.config.is_mutual_authentication_mandatory:
            since_1_3 = self.version >= SpdmVersion.V1_3
            error = SpdmErrorCode.INVALID_POLICY if since_1_3 else SpdmErrorCode.UNSPECIFIED
            raise Refusal(error, "mutual authentication is mandatory, and not possible")
        return wanted, slot

    def begin_session(self, session: Session, mutual: MutAuthRequested, slot: int) -> None:
        """Keep a session whose handshake begins, and have the requester authenticate itself as it was asked to."""
        self.sessions[session.session_id] = session
        if not session.is_psk:
            self._clear_handshake = session.session_id
        session.wants_mutual = bool(mutual)
        if self.version >= SpdmVersion.V1_3 and SessionPolicy.EVENT_ALL_POLICY in session.policy:
            session.subscription = self.config.event_groups
        flows.begin_mutual(self, session, mutual)

    def ask(self, *intents: Intent, session: int | None = None) -> None:
        """Have the requester asked, when it comes for it: by GET_ENCAPSULATED_REQUEST, outside any session or in one.

        Takes what has a question in the encapsulated flow: `ReadDigests`, `ReadCertificate`, `Authenticate`,
        `UpdateKeys`, `ReadEndpointInfo`, `TellEvents`, `ReadEventTypes`, `Subscribe`. Raises LocalProtocolError if the
        connection has no such flow; KeyError if there is no such session.
        """
        if self._negotiated is None or not self._negotiated.can_encapsulate:
            raise LocalProtocolError(self.state, "question", "the encapsulated flow needs ENCAP_CAP of both sides")
        where = self.sessions[session] if session is not None else None
        self.flows.append(flows.Flow(deque(intents), session, where))

    def summary_hash(self, kind: MeasurementSummaryHashType) -> bytes:
        """Return the measurement summary hash. Raises Refusal for a kind that there is not."""
        return measuring.summary_hash(self, kind)

    @property
    def wants_basic_mutual_authentication(self) -> bool:
        """Whether CHALLENGE_AUTH asks for the requester's signature (SPDM_U7: in 1.2, too, where it is deprecated)."""
        return self.config.has_basic_mutual_authentication and flows.can_challenge(self.negotiated)

    def begin_basic_mutual_authentication(self) -> None:
        """CHALLENGE_AUTH has asked for it: the encapsulated flow is to follow."""
        flows.begin_basic(self)

    def check_in_flight(self, code: SpdmCode, session: Session | None) -> None:
        """Raise Refusal where another exchange has to be completed first."""
        flow = self.active_flow
        if flow is not None and flow.is_mandatory and code not in flows.IN_FLOW:
            raise Refusal(SpdmErrorCode.REQUEST_IN_FLIGHT, f"{code.name} during mutual authentication")
        if self.transfers.is_busy and code not in (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_GET):
            raise Refusal(SpdmErrorCode.UNEXPECTED_REQUEST, f"{code.name} during a transfer in chunks")
        if code is not SpdmCode.RESPOND_IF_READY and code not in (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_GET):
            self.deferred = None  # whoever asks for something else does not want the answer any more
