"""`Requester`: one connection from the asking side. Here messages come and go; the phases are in files of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from pytio.crypto import ChainRole, Provider
from pytio.errors import (
    LocalProtocolError,
    ProtocolError,
    PytioError,
    RemoteProtocolError,
    SpdmPeerError,
    VerificationError,
)
from pytio.spdm import saving
from pytio.spdm.codes import (
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    KeyUsage,
    MutAuthRequested,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.configuration import RequesterConfig
from pytio.spdm.endpoint import HEADER_BYTES
from pytio.spdm.events import Event, OtherDataReceived, SessionEnded
from pytio.spdm.inner_framing import InnerFraming, NotSpdmError
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.chunk import ChunkSend
from pytio.spdm.messages.encapsulated import GetEncapsulatedRequest
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.key_exchange import KeyExchangeRsp
from pytio.spdm.peer_identity import PeerIdentity
from pytio.spdm.refusal import Refusal
from pytio.spdm.requester import chunks, encapsulated, handshake, refusals
from pytio.spdm.requester.exchange import Answer, Exchange
from pytio.spdm.requester.resources import RequesterResources
from pytio.spdm.requester.tables import BUILDERS, PREPARE, TAKERS, VERSION_OF
from pytio.spdm.requester.waiting import Waiting
from pytio.spdm.requests import Connect, Intent, KeepAlive
from pytio.spdm.secured import RECORD_FORMATS, RecordFormat, RecordTransport
from pytio.spdm.session import Session, Side, place_of, record_session_id
from pytio.spdm.slots import SlotStore
from pytio.spdm.state import REQUEST_RULES, ConnectionState, SessionState

__all__ = ("Requester",)

_REQUEST_BIT = 0x80
_CARRIERS = {SpdmCode.CHUNK_SEND_ACK: chunks.take_ack, SpdmCode.CHUNK_RESPONSE: chunks.take_part}
"""Messages that carry others, which belong to whatever exchange is on its way."""


class Requester(RequesterResources):
    """The requester's half of one SPDM connection. Performs no I/O, reads no clock, draws no entropy of its own.

    Ask with ``send``, fetch what goes over the wire with ``bytes_to_send``, hand in what comes with ``receive``. One
    request is on its way at a time; ``is_idle`` says that it is answered. A refusal by the peer raises SpdmPeerError
    and leaves the connection as it was. After a broken rule or a failed check the connection is in state ERROR, out of
    which only ``Connect`` leads; inside a session it is the session that ends.

    Attributes:
        config: what the requester is.
        slots: its own certificate slots.
        peer: what is known of the responder's identity.
    """

    def __init__(
        self,
        config: RequesterConfig | None = None,
        *,
        provider: Provider | None = None,
        record_format: RecordFormat = RECORD_FORMATS[RecordTransport.PCI_DOE],
        inner_framing: InnerFraming | None = None,
    ) -> None:
        """Start without a connection.

        ``record_format`` is the transport's, and ``inner_framing`` what it puts before messages in records, for
        transports whose inner header this package does not lay out. Raises ValueError where one would be needed.
        """
        self.config = config or RequesterConfig()
        self.slots = SlotStore(self.config)
        super().__init__(provider=provider, record_format=record_format, inner_framing=inner_framing)

    def _forget_connection(self) -> None:
        super()._forget_connection()
        self.peer = PeerIdentity(self.config.trust, ChainRole.RESPONDER)
        self._exchange: Exchange | None = None
        self._following: Exchange | None = None
        self._waiting: Waiting | None = None
        self._handle = 0

    def save(self, *, with_secrets: bool = False) -> bytes:
        """Return the connection's state for ``load``, in this process or another.

        Only with secrets it holds sessions; they end here then, so that no nonce is used twice. Raises
        LocalProtocolError while a request is on its way or a key update is not verified.
        """
        if not self.is_idle:
            raise LocalProtocolError(self.state, "save", "a request is unanswered")
        return self._hand_over(
            {"handle": self._handle, "slots": saving.slots_of(self.slots)}, with_secrets=with_secrets
        )

    @classmethod
    def load(
        cls,
        data: bytes,
        config: RequesterConfig | None = None,
        *,
        provider: Provider | None = None,
        record_format: RecordFormat = RECORD_FORMATS[RecordTransport.PCI_DOE],
        inner_framing: InnerFraming | None = None,
    ) -> Self:
        """Resume what ``save`` saved, with the same configuration on the same transport.

        Sessions are to be resumed once: who loads them twice repeats nonces. Raises DecodeError if the bytes are no
        saved requester.
        """
        made = cls(config, provider=provider, record_format=record_format, inner_framing=inner_framing)
        role = saving.restore(made, data)
        made._handle = int(role["handle"])
        saving.read_slots(made.slots, role["slots"])
        return made

    # asking

    @property
    def is_idle(self) -> bool:
        """Whether no request is on its way, and none is waiting to be repeated."""
        return self._exchange is None

    def send(self, request: Intent | SpdmMessage, *, session: int | None = None, now: float) -> None:
        """Ask for something, outside any session or in one.

        Raises LocalProtocolError, having sent nothing, where that is illegal now; KeyError if there is no such session.
        """
        if not self.is_idle:
            raise LocalProtocolError(self.state, request, "another request is unanswered")
        if isinstance(request, Connect):
            self._restart()
        elif self.state is ConnectionState.ERROR:
            raise LocalProtocolError(self.state, request, "only Connect is possible now")
        where = self.sessions[session] if session is not None else None
        intent = None if isinstance(request, SpdmMessage) else request
        if intent is not None:
            self._check_legal(BUILDERS[type(intent)].code, where)
        if isinstance(request, SpdmMessage):
            self._check_legal(SpdmCode(request.code), where)
            message, memory = request, None
        else:
            message, memory = BUILDERS[type(request)].build(self, request)
        self._issue(Exchange(message, b"", where, intent, memory), now)

    def _restart(self) -> None:
        """Begin a new connection; what was learnt of the peer's identity goes with the old one."""
        self._forget_connection()

    def _check_legal(self, code: SpdmCode, session: Session | None) -> None:
        rule = REQUEST_RULES.get(code)
        if rule is None:
            raise LocalProtocolError(self.state, code, "no request that this engine knows")
        place = place_of(session)
        if place not in rule.places:
            raise LocalProtocolError(place, code)
        if self.state not in rule.states:
            raise LocalProtocolError(self.state, code)
        if rule.since > self.version:
            raise LocalProtocolError(self.state, code, f"SPDM {self.version.name} lacks it")
        agreed = self._negotiated
        if agreed is not None and rule.responder and not rule.responder & agreed.responder:
            raise LocalProtocolError(self.state, code, f"the responder lacks {rule.responder.name}")
        if agreed is not None and rule.requester and not rule.requester & agreed.requester:
            raise LocalProtocolError(self.state, code, f"this requester lacks {rule.requester.name}")

    def _issue(self, exchange: Exchange, now: float) -> None:
        exchange.raw = exchange.request.build()
        exchange.busy_left = self.config.busy_retries
        self.transcript.request(exchange.raw, context=exchange.context)
        self._exchange = exchange
        try:
            if exchange.code in PREPARE:
                PREPARE[exchange.code](self, exchange)
            self._begin(exchange, now)
        except PytioError:
            self._exchange = None
            raise

    def _begin(self, exchange: Exchange, now: float) -> None:
        """Send a request, or its first chunk."""
        exchange.cut = chunks.cut(self, exchange)
        first = exchange.raw if exchange.cut is None else exchange.cut.next(ChunkSend).build()
        self.transmit(first, exchange.session, now)
        for change in exchange.afterwards:
            change()

    def transmit(self, raw: bytes, session: Session | None, now: float) -> None:
        """Send bytes, outside any session or in one."""
        if session is None:
            self._queue(raw)
            return
        self._queue(session.seal(Side.REQUEST, raw, self._provider), is_secured=True)
        session.touch(now, 1)

    def abandon(self) -> None:
        """Give up waiting: no answer came in time.

        In a session the records are out of step then, so the session ends; the connection is as it was. An answer that
        comes after all is met with RemoteProtocolError.
        """
        exchange = self._exchange
        self._exchange = self._waiting = None
        self._outbox.clear()
        concerned = (exchange.session or refusals.handshake_of(self, exchange)) if exchange is not None else None
        if concerned is not None:
            self._end_session(concerned)

    def finish(self, session: int, *, now: float) -> list[Event]:
        """Send FINISH or PSK_FINISH of a session that was left handshaking; return what was signed and MACed for it.

        Raises LocalProtocolError where that is illegal now; KeyError if there is no such session.
        """
        where = self.sessions[session]
        if not self.is_idle or where.state is not SessionState.HANDSHAKING:
            raise LocalProtocolError(where.state, "FINISH")
        message, events = handshake.finish(self, where)
        self._issue(self._finishing(message, where, None), now)
        return events

    def _finishing(self, message: SpdmMessage, session: Session, intent: Intent | None) -> Exchange:
        in_clear = self.negotiated.is_handshake_in_the_clear and not session.is_psk
        return Exchange(message, b"", None if in_clear else session, intent, session)

    def send_data(self, application_data: bytes, *, session: int, now: float) -> None:
        """Send application data that are no SPDM, their inner header included; an answer is an `OtherDataReceived`.

        Raises LocalProtocolError unless the session is established; KeyError if there is none.
        """
        where = self.sessions[session]
        if where.state is not SessionState.ESTABLISHED:
            raise LocalProtocolError(where.state, "application data")
        self._queue(where.seal_data(Side.REQUEST, application_data, self._provider), is_secured=True)
        where.touch(now, 1)

    # being answered

    def receive(self, message: bytes, *, now: float, is_secured: bool = False) -> list[Event]:
        """Take what came over the wire; ``is_secured`` is what its transport said.

        Raises SpdmPeerError if the peer refuses, RemoteProtocolError if it breaks a rule, VerificationError if a check
        fails, SpdmDecodeError if the bytes lack their shape.
        """
        if self.state is ConnectionState.ERROR:
            raise LocalProtocolError(self.state, "message", "only Connect is possible now")
        if is_secured:
            return self._receive_record(message, now)
        exchange = self._exchange
        if exchange is None or self._waiting is not None:
            raise RemoteProtocolError(self.state, "message", "nothing was asked")
        if exchange.session is not None:
            raise RemoteProtocolError(self.state, "message", "in clear, where a secured one has to come")
        return self._guarded(exchange, message, now)

    def _receive_record(self, record: bytes, now: float) -> list[Event]:
        session = self.sessions.get(record_session_id(record) or 0)
        if session is None:
            raise RemoteProtocolError(self.state, "secured record", "there is no such session")
        try:
            data = session.open(Side.RESPONSE, record)
        except (PytioError, ValueError):
            self._abandon(session)
            raise
        session.touch(now, 1)
        exchange = self._exchange
        try:
            message = session.rules.framing.unwrap(data)
        except NotSpdmError:
            return [OtherDataReceived(session.session_id, data)]
        if exchange is None or exchange.session is not session or self._waiting is not None:
            self._abandon(session)
            raise RemoteProtocolError(session.state, "message", "nothing was asked in this session")
        return self._guarded(exchange, message, now)

    def _abandon(self, session: Session) -> None:
        """End a session that failed a check, and whatever was asked in it."""
        if self._exchange is not None and self._exchange.session is session:
            self._exchange = self._waiting = None
        self._end_session(session)

    def _guarded(self, exchange: Exchange, message: bytes, now: float) -> list[Event]:
        """Take a message in clear text; whatever check it fails, it changes nothing but to end what it belongs to."""
        self._following = None
        try:
            events = self.take(exchange, message, now)
        except SpdmPeerError:
            raise
        except (ProtocolError, VerificationError, ValueError):
            self._fail(exchange)
            raise
        following = self._what_follows()
        if following is not None:
            self._issue(following, now)
        return events

    def _what_follows(self) -> Exchange | None:
        following, self._following = self._following, None
        return following

    def _fail(self, exchange: Exchange) -> None:
        self._exchange = self._waiting = None
        concerned = exchange.session or refusals.handshake_of(self, exchange)
        if concerned is not None:
            self._end_session(concerned)
        if exchange.session is None:
            self.state = ConnectionState.ERROR

    def take(self, exchange: Exchange, message: bytes, now: float) -> list[Event]:
        """Take a message in clear text, whole or a carrier. Raises what ``receive`` raises."""
        if len(message) < HEADER_BYTES:
            raise RemoteProtocolError(self.state, "message", f"{len(message)} bytes are no SPDM message")
        code = SpdmCode(message[1])
        if code is SpdmCode.ERROR:
            return self._take_error(exchange, message, now)
        if code in _CARRIERS:
            self._check_version(message, code)
            return _CARRIERS[code](self, exchange, message, now)
        expected = SpdmCode(exchange.code & ~_REQUEST_BIT)
        if code is not expected:
            raise RemoteProtocolError(exchange.code, code, f"{expected.name} was to come")
        self._check_version(message, code)
        taker = TAKERS[code]
        parsed, raw = self.parse(taker.cls, message, exchange.request, from_requester=False)
        self._exchange = None
        events = taker.take(self, Answer(exchange, parsed, raw, now))
        signature_size = len(getattr(parsed, "signature", None) or b"")
        self.transcript.response(raw, context=exchange.context, signature_size=signature_size)
        if exchange.session is None:
            self._advance(code)
        return events

    def _check_version(self, message: bytes, code: SpdmCode) -> None:
        if message[0] != VERSION_OF.get(code, self.version):
            raise RemoteProtocolError(self.version, code, f"SPDMVersion {message[0]:#x}")

    def _take_error(self, exchange: Exchange, message: bytes, now: float) -> list[Event]:
        if message[0] not in (self.version, SpdmVersion.V1_0):
            raise RemoteProtocolError(self.version, SpdmCode.ERROR, f"SPDMVersion {message[0]:#x}")
        error, size = Error.parse_prefix(message)
        return self.take_error(exchange, error, message[:size], now)

    def take_error(self, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
        """Take an ERROR. Raises SpdmPeerError where it is the last word."""
        return refusals.take(self, exchange, error, raw, now)

    # time

    def wake_at(self) -> float | None:
        """Return when to call ``wake``: a request is to be repeated, or a heartbeat is due; None if nothing is."""
        if self._waiting is not None:
            return self._waiting.until
        if not self.is_idle:
            return None
        deadlines = [session.deadline for session in self.sessions.values() if session.deadline is not None]
        return min(deadlines, default=None)

    def wake(self, now: float) -> list[Event]:
        """Do what is due. Raises LocalProtocolError where a session's key has reached its limit."""
        if self._waiting is not None:
            if now >= self._waiting.until and self._exchange is not None:
                raw, exchange = self._waiting.message, self._exchange
                self._waiting = None
                if raw is None:
                    self._begin(exchange, now)
                else:
                    self.transmit(raw, exchange.session, now)
            return []
        for session in list(self.sessions.values()):
            if self.is_idle and session.deadline is not None and now >= session.deadline:
                self.send(KeepAlive(), session=session.session_id, now=now)
        return []

    # for the phases

    def follow(
        self,
        answer: Answer,
        message: SpdmMessage,
        *,
        memory: Any = None,
        session: Session | None = None,
        afterwards: Iterable[Callable[[], None]] = (),
    ) -> None:
        """Ask for what comes next of the same intent, once the present response has passed."""
        where = session or answer.exchange.session
        self._following = Exchange(message, b"", where, answer.exchange.intent, memory, afterwards=list(afterwards))

    def follow_by_finish(self, answer: Answer, session: Session) -> list[Event]:
        """Confirm a handshake, once the present response has passed; return what was signed and MACed for that."""
        message, events = handshake.finish(self, session)
        self._following = self._finishing(message, session, answer.exchange.intent)
        return events

    def go_on_to_finish(self, answer: Answer, session: Session, response: KeyExchangeRsp) -> list[Event]:
        """Authenticate the requester, as the responder asks for it, and confirm the handshake."""
        wanted = response.mut_auth_requested
        where = None if self.negotiated.is_handshake_in_the_clear else session
        session.wants_mutual = bool(wanted)
        if not wanted:
            return self.follow_by_finish(answer, session)
        if wanted == MutAuthRequested.MUT_AUTH_REQUESTED:
            slot = response.req_slot_id
            return self.finish_authenticated(
                answer, session, RAW_PUBLIC_KEY_SLOT if slot == RAW_PUBLIC_KEY_SLOT_NIBBLE else slot
            )
        if wanted == MutAuthRequested.MUT_AUTH_REQUESTED_WITH_GET_DIGESTS:
            deliver, flow = encapsulated.begin_with_digests(self, session)
            self.follow(answer, deliver, memory=flow, session=where)
            return []
        question = GetEncapsulatedRequest(version=self.version)
        self.follow(answer, question, memory=encapsulated.Flow(session), session=where)
        return []

    def finish_authenticated(self, answer: Answer, session: Session, slot: int) -> list[Event]:
        """Confirm a handshake with a signature by the key of one of the requester's slots."""
        try:
            session.transcript.requester_chain = self.identity.chain_hash(slot, "CM")
            self.identity.signing_key(slot, KeyUsage.KEY_EX_USE)
        except Refusal as refusal:
            raise RemoteProtocolError(session.state, f"requester slot {slot}", refusal.reason) from None
        session.is_mutual, session.requester_slot = True, slot
        return self.follow_by_finish(answer, session)

    def expect_encapsulated_flow(self, answer: Answer) -> None:
        """Go on with the encapsulated flow: the responder asks for the requester's signature."""
        self.follow(answer, GetEncapsulatedRequest(version=self.version), memory=encapsulated.Flow())

    def wait(self, exchange: Exchange, message: bytes | None, until: float) -> None:
        """Keep a request waiting until a message about it is to be sent, or it is to be repeated."""
        self._exchange, self._waiting = exchange, Waiting(message, until)

    def drop(self, exchange: Exchange) -> None:
        """Forget a request that will get no other response."""
        self._exchange = self._waiting = None

    def end(self, session: Session, reason: str) -> SessionEnded:
        """End a session."""
        self._end_session(session)
        return SessionEnded(session.session_id, reason)
