"""One SPDM connection as overheard: what was negotiated, who asked what, which sessions run.

A message needs its context to be read: the negotiated sizes, the request that it answers, the session that it travels
in. This file keeps that context and hands every message to `pytio.spdm`; what a message changes is in tables, one
handler for each message class that changes anything. Transports are decided outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

import attrs

from pytio.capture.chains import ChainStore
from pytio.capture.checks import Checker
from pytio.capture.decoding import (
    HEADER_BYTES,
    REQUEST_BIT,
    Asked,
    Context,
    Facts,
    decode,
    decode_vendors,
    is_request,
    parsed,
)
from pytio.capture.derivation import heard_schedule
from pytio.capture.draft import UNHEARD, Draft
from pytio.capture.keylog import session_key
from pytio.capture.reassembly import ChunkTransfer, LostChunkError
from pytio.capture.records import Direction
from pytio.capture.secrets import SecretKind, SecretStore
from pytio.capture.session_keys import SessionKeys, Side
from pytio.capture.unsigned_transcript import UnsignedTranscript
from pytio.crypto import UnsupportedAlgorithmError, digest
from pytio.errors import DecodeError
from pytio.spdm.codes import SpdmCode, SpdmErrorCode
from pytio.spdm.key_schedule import KeySchedule
from pytio.spdm.messages.algorithms import Algorithms, NegotiateAlgorithms
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend, ChunkSendAck
from pytio.spdm.messages.digests import Digests
from pytio.spdm.messages.encapsulated import (
    DeliverEncapsulatedResponse,
    EncapsulatedRequest,
    EncapsulatedResponseAck,
)
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.key_exchange import Finish, FinishRsp, KeyExchange, KeyExchangeRsp
from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp, PskFinish, PskFinishRsp
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.opaque import selected_secured_version
from pytio.spdm.records import Protection, sequence_orders
from pytio.spdm.transcript import Piece, Pieces, SessionTranscript, Transcript, joined, piece_of
from pytio.wire import WireStruct

__all__ = ("Channel", "Conversation", "Said", "Session", "Signed")

_RSP_SESSION_ID_SHIFT: Final = 16
_MOST_LAYERS: Final = 8
"""Transport, record, and the deepest that is legal: a message that is encapsulated and comes in chunks; and some."""

Signed = Callable[[str, Pieces, Draft], None]
"""Told of every value that is signed or MACed: its name, what it covers, and the record that carries it."""

_OUTSIDE_TRANSCRIPTS: Final = frozenset(
    {
        SpdmCode.CHUNK_SEND,
        SpdmCode.CHUNK_SEND_ACK,
        SpdmCode.CHUNK_GET,
        SpdmCode.CHUNK_RESPONSE,
        SpdmCode.RESPOND_IF_READY,
    }
)
_KEPT_REQUESTS: Final = frozenset({SpdmCode.GET_CAPABILITIES, SpdmCode.NEGOTIATE_ALGORITHMS})
_DEFERRED: Final = frozenset({SpdmErrorCode.RESPONSE_NOT_READY, SpdmErrorCode.LARGE_RESPONSE})
"""Errors that only put the answer off."""
_SIGNED: Final = {
    SpdmCode.CHALLENGE_AUTH: "CHALLENGE_AUTH signature",
    SpdmCode.MEASUREMENTS: "MEASUREMENTS signature",
    SpdmCode.ENDPOINT_INFO: "ENDPOINT_INFO signature",
}


class Said(NamedTuple):
    """A message, its bytes without padding, and the record that completed it."""

    message: SpdmMessage
    raw: bytes
    number: int

    def piece(self, rule: str) -> Piece:
        """Return the message as a piece of a transcript."""
        return piece_of(self.message.NAME, self.raw, rule, self.number)


@attrs.define(eq=False)
class Channel:
    """One place to talk in: the connection outside any session, or one session."""

    session: Session | None = None
    request: Asked | None = None
    encapsulated_request: Said | None = None
    sending: ChunkTransfer = attrs.field(factory=ChunkTransfer)
    getting: ChunkTransfer = attrs.field(factory=ChunkTransfer)


@attrs.define(eq=False)
class Session:
    """One session: its keys, as far as they are known, and what it still waits for."""

    session_id: int
    keys: SessionKeys | None
    channel: Channel = attrs.field(factory=Channel)
    awaits_encapsulated_digests: bool = True

    def __attrs_post_init__(self) -> None:
        """Let the channel know its session."""
        self.channel.session = self

    @property
    def is_encrypted(self) -> bool:
        """Whether records are encrypted, and not only authenticated."""
        return self.keys is None or self.keys.protection is Protection.ENCRYPT_AND_MAC


class Conversation:
    """Reads one connection's messages in the order in which they were captured."""

    def __init__(self, secrets: SecretStore, signed: Signed | None = None, *, verify: bool = False) -> None:
        """Start with nothing known. ``signed`` is told of every value that is signed or MACed; ``verify`` checks it."""
        self._secrets = secrets
        self._signed = signed
        self._checker = Checker(self) if verify else None
        self._listens = signed is not None or verify
        self._restart()

    def _restart(self) -> None:
        self.transcript = Transcript() if self._listens else UnsignedTranscript()
        self.negotiated: Negotiated | None = None
        self.facts: Facts | None = None
        self._schedule: KeySchedule | None = None
        self.sessions: dict[int, Session] = {}
        self.outside = Channel()
        self._newest: Session | None = None
        self._vca: dict[type[SpdmMessage], SpdmMessage] = {}
        self._chains = {False: ChainStore(), True: ChainStore()}  # by whether they are the requester's

    def chains(self, *, by_requester: bool) -> ChainStore:
        """Return the certificate chains that one side has shown on this connection."""
        return self._chains[by_requester]

    # reading one message

    def read(
        self, draft: Draft, raw: bytes, channel: Channel, *, base: int, padding: int, encapsulated: bool = False
    ) -> None:
        """Read an SPDM message at offset ``base`` that may be followed by up to ``padding`` zero bytes."""
        if draft.direction is None and not encapsulated and len(raw) >= HEADER_BYTES:
            draft.direction = Direction.REQUEST if is_request(raw) else Direction.RESPONSE
        waiting = channel.encapsulated_request if encapsulated else channel.request
        asked = waiting.message if waiting is not None else None
        context = Context(self.facts, asked, channel.session is not None, encapsulated, padding)
        decoded = decode(draft, raw, context, base)
        if decoded is not None:
            message, size = decoded
            said = Said(message, raw[:size], draft.frame.number)
            carried = self._follow(draft, said, channel, encapsulated=encapsulated)
            if carried is not None:
                inner, is_encapsulated = carried
                if len(draft.layers) > _MOST_LAYERS:
                    draft.fail(DecodeError("messages inside messages, too deep", inner), base)
                elif len(inner) > padding or any(inner):
                    at = base + size - len(inner) if said.raw.endswith(inner) else 0
                    self.read(draft, inner, channel, base=at, padding=padding, encapsulated=is_encapsulated)
            decode_vendors(draft, message, base + size)

    def hear(self, raw: bytes, channel: Channel, *, padding: int, draft: Draft = UNHEARD) -> Said | None:
        """Follow a message as `read` does, and return it if it decodes; no layers are made, only remarks."""
        return self._hear(raw, channel, padding, draft, encapsulated=False, depth=0)

    def _hear(
        self, raw: bytes, channel: Channel, padding: int, draft: Draft, *, encapsulated: bool, depth: int
    ) -> Said | None:
        waiting = channel.encapsulated_request if encapsulated else channel.request
        decoded = parsed(raw, self.facts, waiting, encapsulated=encapsulated)
        if decoded is None:
            return None
        said = Said(decoded[0], raw[: decoded[1]], 0)
        carried = self._follow(draft, said, channel, encapsulated=encapsulated)
        if carried is not None and depth < _MOST_LAYERS:
            inner, is_encapsulated = carried
            if len(inner) > padding or any(inner):
                self._hear(inner, channel, padding, draft, encapsulated=is_encapsulated, depth=depth + 1)
        return said

    def ask(self, raw: bytes, channel: Channel) -> None:
        """Follow a request that changes nothing but how its response is read."""
        decoded = parsed(raw, self.facts, None, encapsulated=False)
        if decoded is None or decoded[0].code in _OUTSIDE_TRANSCRIPTS:
            return
        message, size = decoded
        channel.request = said = Said(message, raw[:size], 0)
        self.transcript.request(said.raw, context=channel.session)
        if message.code in _KEPT_REQUESTS:
            self._on_version(UNHEARD, said, channel)

    # what a message changes

    def _follow(self, draft: Draft, said: Said, channel: Channel, *, encapsulated: bool) -> tuple[bytes, bool] | None:
        """Let a message change what it changes.

        Returns what it carries, if it is a carrier, and whether that is encapsulated; one that carries nothing keeps
        the transport's padding.
        """
        kind, code = type(said.message), said.message.code
        if code is SpdmCode.GET_VERSION and not encapsulated:
            self._restart()
            channel = self.outside
        if self._listens:
            self._report_signed(draft, said, channel, encapsulated)
        if code not in _OUTSIDE_TRANSCRIPTS:
            self._note_in_transcript(said, channel, encapsulated)
        try:
            if encapsulated:
                self._on_encapsulated_response(said, channel)
            elif handler := self._HANDLERS.get(kind):
                handler(self, draft, said, channel)
        except (UnsupportedAlgorithmError, ValueError) as error:
            draft.notes.append(f"{said.message.NAME} cannot be followed: {error}")
        carried = self._CARRIED.get(kind)
        return carried(self, draft, said, channel) if carried is not None else None

    def _note_in_transcript(self, said: Said, channel: Channel, encapsulated: bool) -> None:
        context = channel.session
        code = said.message.code
        if code & REQUEST_BIT:
            self.transcript.request(said.raw, context=context, encapsulated=encapsulated, source=said.number)
            if encapsulated:
                channel.encapsulated_request = said
            else:
                channel.request = said
        elif not self._listens:
            self.transcript.response(said.raw, context=context, encapsulated=encapsulated, source=said.number)
        elif not (isinstance(said.message, Error) and said.message.error_code in _DEFERRED):
            self.transcript.response(
                said.raw,
                context=context,
                encapsulated=encapsulated,
                signature_size=len(getattr(said.message, "signature", None) or b""),
                source=said.number,
            )

    def _report_signed(self, draft: Draft, said: Said, channel: Channel, encapsulated: bool) -> None:
        signature = getattr(said.message, "signature", None)
        what = _SIGNED.get(said.message.code)
        if what is None or not signature:
            return
        unsigned = said.raw[: len(said.raw) - len(signature)]
        if said.message.code is SpdmCode.CHALLENGE_AUTH:
            pieces = self.transcript.m1m2(unsigned, encapsulated=encapsulated, source=said.number)
        elif said.message.code is SpdmCode.MEASUREMENTS:
            pieces = self.transcript.l1l2(unsigned, context=channel.session, source=said.number)
        else:
            pieces = self.transcript.il1il2(
                unsigned, context=channel.session, encapsulated=encapsulated, source=said.number
            )
        self._report(what, pieces, draft)
        if self._checker is not None:
            message: Any = said.message
            self._checker.signature(
                draft,
                message.code,
                pieces,
                signature,
                slot=message.slot_id,
                by_requester=encapsulated,
                session=channel.session,
            )

    def _report(self, what: str, pieces: Pieces, draft: Draft) -> None:
        if self._signed is not None:
            self._signed(what, pieces, draft)

    def _prove(self, draft: Draft, what: str, covered: Pieces, received: bytes, keys: SessionKeys, side: Side) -> None:
        """Report verify data, and let it prove the secret of its session."""
        self._report(what, covered, draft)
        if self._checker is not None and keys.transcript.is_known:
            self._checker.verify_data(draft, what, covered, received, keys, side)
        keys.prove_by_verify_data(side, digest(keys.schedule.hash_algorithm, joined(covered)), received)

    def _prove_exchange(self, draft: Draft, response: KeyExchangeRsp | PskExchangeRsp, keys: SessionKeys) -> None:
        """The same for what the responder shows at once: it covers TH1, whose hash is there already."""
        if self._listens:
            what = f"{response.NAME} ResponderVerifyData"
            self._prove(draft, what, keys.transcript.th1(), response.responder_verify_data, keys, "response")
        else:
            keys.prove_by_verify_data("response", keys.th1_hash, response.responder_verify_data)

    def _on_version(self, draft: Draft, said: Said, channel: Channel) -> None:
        self._vca[type(said.message)] = said.message

    def _on_algorithms(self, draft: Draft, said: Said, channel: Channel) -> None:
        self._vca[Algorithms] = said.message
        wanted = (GetCapabilities, Capabilities, NegotiateAlgorithms, Algorithms)
        found: list[Any] = [self._vca[cls] for cls in wanted if cls in self._vca]
        if len(found) == len(wanted):
            self.negotiated = Negotiated.from_messages(*found)
            self.facts = Facts(self.negotiated)
            self._schedule = None

    def _on_digests(self, draft: Draft, said: Said, channel: Channel) -> None:
        assert isinstance(said.message, Digests)
        self._chains[False].take_digests(said.message)

    def _on_certificate(self, draft: Draft, said: Said, channel: Channel) -> None:
        assert isinstance(said.message, Certificate)
        if channel.request is not None and isinstance(channel.request.message, GetCertificate):
            self._chains[False].take_certificate(channel.request.message, said.message, said.number)

    def _on_encapsulated_response(self, said: Said, channel: Channel) -> None:
        """Take what the requester shows of itself."""
        message = said.message
        if message.code & REQUEST_BIT:
            return
        if isinstance(message, Digests):
            self._chains[True].take_digests(message)
        asked = channel.encapsulated_request
        if isinstance(message, Certificate) and asked is not None and isinstance(asked.message, GetCertificate):
            self._chains[True].take_certificate(asked.message, message, said.number)
        session = channel.session or self._newest
        if session is None or not session.awaits_encapsulated_digests:
            return
        session.awaits_encapsulated_digests = False
        if isinstance(message, Digests) and session.keys and self.negotiated and self.negotiated.is_requester_multi_key:
            session.keys.transcript.encapsulated_digests = said.piece("ED")

    # sessions

    def _on_key_exchange_rsp(self, draft: Draft, said: Said, channel: Channel) -> None:
        request, message = channel.request, said.message
        assert isinstance(message, KeyExchangeRsp)
        if not isinstance(request, Said) or not isinstance(request.message, KeyExchange) or self.negotiated is None:
            draft.notes.append("the session cannot be followed: its KEY_EXCHANGE was not captured")
            return
        schedule = self._key_schedule(self.negotiated)
        slot = request.message.slot_id
        chain = self._chains[False].piece(slot, schedule.hash_algorithm, "Ct")
        transcript = SessionTranscript(
            vca=self.transcript.vca,
            exchange=request.piece("K"),
            response=said.piece("K"),
            signature_size=len(message.signature),
            verify_size=len(message.responder_verify_data),
            digests=self.transcript.first_digests if self.negotiated.is_responder_multi_key else None,
            chain=chain,
        )
        if self._signed is not None:
            self._signed("KEY_EXCHANGE_RSP signature", transcript.exchange_signature(), draft)
        if self._checker is not None and chain is not None:
            covered = transcript.exchange_signature()
            self._checker.signature(draft, message.code, covered, message.signature, slot=slot)
        kind = SecretKind.KEM if self.negotiated.kem else SecretKind.DHE
        session = self._start(draft, kind, request.message, message, transcript)
        if chain is None and session.keys is not None and not session.keys.do_without_transcript():
            draft.notes.append(f"the session cannot be followed: the certificate chain of slot {slot} is not known")
            session.keys = None

    def _key_schedule(self, negotiated: Negotiated) -> KeySchedule:
        if self._schedule is None:
            self._schedule = heard_schedule(negotiated.key_schedule())
        return self._schedule

    def _on_psk_exchange_rsp(self, draft: Draft, said: Said, channel: Channel) -> None:
        request, message = channel.request, said.message
        assert isinstance(message, PskExchangeRsp)
        if not isinstance(request, Said) or not isinstance(request.message, PskExchange) or self.negotiated is None:
            draft.notes.append("the session cannot be followed: its PSK_EXCHANGE was not captured")
            return
        transcript = SessionTranscript(
            vca=self.transcript.vca,
            exchange=request.piece("K"),
            response=said.piece("K"),
            verify_size=len(message.responder_verify_data),
        )
        session = self._start(draft, SecretKind.PSK, request.message, message, transcript)
        if not self.negotiated.has_psk_finish and session.keys is not None:
            session.keys.establish()

    def _start(
        self,
        draft: Draft,
        kind: SecretKind,
        request: KeyExchange | PskExchange,
        response: KeyExchangeRsp | PskExchangeRsp,
        transcript: SessionTranscript,
    ) -> Session:
        assert self.negotiated is not None
        session_id = response.rsp_session_id << _RSP_SESSION_ID_SHIFT | request.req_session_id
        session = Session(session_id, None)
        self.sessions[session_id] = self._newest = session
        session.keys = SessionKeys(
            kind,
            self._key_schedule(self.negotiated),
            transcript,
            self._secrets,
            key=session_key(request.random_data if isinstance(request, KeyExchange) else request.requester_context),
            protection=Protection.ENCRYPT_AND_MAC if self.negotiated.is_encrypted else Protection.MAC_ONLY,
            orders=sequence_orders(selected_secured_version(response.opaque_data) or 0),
            is_handshake_in_the_clear=self.negotiated.is_handshake_in_the_clear and kind is not SecretKind.PSK,
        )
        if response.responder_verify_data:
            self._prove_exchange(draft, response, session.keys)
        return session

    def _on_finish(self, draft: Draft, said: Said, channel: Channel) -> None:
        session = channel.session or self._newest
        message = said.message
        assert isinstance(message, Finish | PskFinish)
        if session is None or session.keys is None:
            self._leave_unchecked(draft, message)
            return
        keys = session.keys
        if isinstance(message, Finish) and message.signature_included:
            slot = message.req_slot_id
            keys.transcript.requester_chain = self._chains[True].piece(slot, keys.schedule.hash_algorithm, "CM")
            if keys.transcript.requester_chain is None:
                draft.notes.append(f"the session cannot be followed: the requester's chain in slot {slot} is not known")
            if self._listens:
                self._check_finish_signature(draft, said, message, keys, slot)
        if self._listens or not keys.has_keys:
            unverified = said.raw[: len(said.raw) - len(message.requester_verify_data)]
            covered = keys.transcript.finish_hmac(unverified, said.number)
            what = f"{message.NAME} RequesterVerifyData"
            self._prove(draft, what, covered, message.requester_verify_data, keys, "request")
        keys.transcript.finish = said.piece("F")

    def _check_finish_signature(self, draft: Draft, said: Said, message: Finish, keys: SessionKeys, slot: int) -> None:
        value = message.signature or b""
        signed = len(said.raw) - len(message.requester_verify_data) - len(value)
        covered = keys.transcript.finish_signature(said.raw[:signed], said.number)
        self._report("FINISH signature", covered, draft)
        if self._checker is not None and keys.transcript.requester_chain is not None:
            self._checker.signature(draft, message.code, covered, value, slot=slot, by_requester=True)

    def _leave_unchecked(self, draft: Draft, message: SpdmMessage) -> None:
        if self._checker is not None:
            draft.notes.append(f"{message.NAME} is not checked: its session cannot be followed")

    def _on_finish_rsp(self, draft: Draft, said: Said, channel: Channel) -> None:
        session = channel.session or self._newest
        message = said.message
        assert isinstance(message, FinishRsp | PskFinishRsp)
        if session is None or session.keys is None:
            self._leave_unchecked(draft, message)
            return
        keys = session.keys
        is_proof = isinstance(message, FinishRsp) and message.responder_verify_data
        if is_proof and (self._listens or not keys.has_keys):
            assert isinstance(message, FinishRsp)
            assert message.responder_verify_data is not None
            unverified = said.raw[: len(said.raw) - len(message.responder_verify_data)]
            covered = keys.transcript.finish_response_hmac(unverified, said.number)
            what = f"{message.NAME} ResponderVerifyData"
            self._prove(draft, what, covered, message.responder_verify_data, keys, "response")
        keys.transcript.finish_response = said.piece("F")
        keys.establish()

    # messages inside messages

    def _chunk(self, draft: Draft, said: Said, channel: Channel) -> tuple[bytes, bool]:
        assert isinstance(said.message, ChunkSend | ChunkResponse)
        transfer = channel.sending if isinstance(said.message, ChunkSend) else channel.getting
        try:
            return transfer.take(said.message) or b"", False
        except LostChunkError as error:
            draft.notes.append(f"{said.message.NAME}: {error}")
            return b"", False

    def _chunk_answer(self, draft: Draft, said: Said, channel: Channel) -> tuple[bytes, bool]:
        assert isinstance(said.message, ChunkSendAck)
        if said.message.early_error_detected:
            channel.sending = ChunkTransfer()
        return said.message.response_to_large_request, False

    def _encapsulated(self, draft: Draft, said: Said, channel: Channel) -> tuple[bytes, bool]:
        message = said.message
        if isinstance(message, DeliverEncapsulatedResponse):
            return message.encapsulated_response, True
        assert isinstance(message, EncapsulatedRequest | EncapsulatedResponseAck)
        return message.encapsulated_request or b"", True

    _HANDLERS: ClassVar[dict[type[WireStruct], Callable[[Conversation, Draft, Said, Channel], None]]] = {
        GetCapabilities: _on_version,
        Capabilities: _on_version,
        NegotiateAlgorithms: _on_version,
        Algorithms: _on_algorithms,
        Digests: _on_digests,
        Certificate: _on_certificate,
        KeyExchangeRsp: _on_key_exchange_rsp,
        PskExchangeRsp: _on_psk_exchange_rsp,
        Finish: _on_finish,
        PskFinish: _on_finish,
        FinishRsp: _on_finish_rsp,
        PskFinishRsp: _on_finish_rsp,
    }
    _CARRIED: ClassVar[dict[type[WireStruct], Callable[[Conversation, Draft, Said, Channel], tuple[bytes, bool]]]] = {
        ChunkSend: _chunk,
        ChunkResponse: _chunk,
        ChunkSendAck: _chunk_answer,
        EncapsulatedRequest: _encapsulated,
        DeliverEncapsulatedResponse: _encapsulated,
        EncapsulatedResponseAck: _encapsulated,
    }
