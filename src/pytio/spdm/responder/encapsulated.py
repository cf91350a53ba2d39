"""The encapsulated flow, as the responder leads it: it asks, inside the requester's own exchanges (DSP0274).

What is to be asked is a list of intents, the same ones that a requester knows. Mutual authentication has its flow at
once, and nothing else is answered until it is over; what the responder asks of its own accord waits until the requester
comes for it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio.errors import DecodeError, PytioError
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.codes import (
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    EncapsulatedPayloadType,
    MutAuthRequested,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import MutualAuthentication
from pytio.spdm.endpoint import HEADER_BYTES
from pytio.spdm.events import EncapsulatedFlowEnded
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.digests import GetDigests
from pytio.spdm.messages.encapsulated import (
    DeliverEncapsulatedResponse,
    EncapsulatedRequest,
    EncapsulatedResponseAck,
)
from pytio.spdm.messages.error import Error
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.requests import Authenticate, Intent, ReadCertificate, ReadDigests
from pytio.spdm.responder.calls import Call
from pytio.spdm.responder.inner_questions import TAKERS, InnerAnswer, question
from pytio.spdm.session import Session

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = (
    "IN_FLOW",
    "Flow",
    "Question",
    "answer_deliver_encapsulated_response",
    "answer_get_encapsulated_request",
    "begin_basic",
    "begin_mutual",
    "can_challenge",
    "complete_flow",
    "end_flow",
    "flow_for",
    "implicit_question",
    "mutual_request",
)

IN_FLOW: Final = (
    SpdmCode.GET_VERSION,
    SpdmCode.GET_ENCAPSULATED_REQUEST,
    SpdmCode.DELIVER_ENCAPSULATED_RESPONSE,
    SpdmCode.CHUNK_SEND,
    SpdmCode.CHUNK_GET,
)
"""What is answered during mutual authentication."""

_E = SpdmErrorCode
_REQUEST_BIT: Final = 0x80
_LAST_REQUEST_ID: Final = 0xFF


@attrs.frozen
class Question:
    """An inner request that waits for its answer."""

    request: SpdmMessage
    raw: bytes = attrs.field(repr=False)
    intent: Intent
    memory: Any = None


@attrs.define
class Flow:
    """One run of questions."""

    intents: deque[Intent]
    """What is still to be asked."""
    context: int | None = None
    """The session that its messages travel in."""
    session: Session | None = None
    """The session that it is about; for a handshake in the clear its messages travel outside."""
    is_mandatory: bool = False
    """Whether nothing else is answered meanwhile: mutual authentication."""
    slot: int = 0
    """The requester's slot that is authenticated, or 0xFF."""
    request_id: int = 0
    """Of the question that waits for its answer."""
    pending: Question | None = None
    """The question that waits for its answer."""
    asked: list[SpdmCode] = attrs.field(factory=list)
    """What was asked so far."""
    has_digests_first: bool = False
    """Whether it begins with a GET_DIGESTS that nobody sends: request id 0."""

    @property
    def place(self) -> int | None:
        """What transcripts call the place of its inner messages: the session that it is about."""
        return self.session.session_id if self.session is not None else None


def can_challenge(agreed: Negotiated) -> bool:
    """Say whether the requester can be asked to prove who it is outside any session."""
    needed = RequesterCapabilities.CHAL_CAP
    return agreed.version >= SpdmVersion.V1_1 and agreed.can_authenticate_requester and needed in agreed.requester


def _identity_intents(agreed: Negotiated, slot: int) -> list[Intent]:
    """Return the questions after the requester's identity: none for a key that was provisioned out of band."""
    has_certificates = RequesterCapabilities.CERT_CAP in agreed.requester
    return [ReadDigests(), ReadCertificate(slot)] if has_certificates and slot != RAW_PUBLIC_KEY_SLOT else []


def begin_basic(responder: Responder) -> None:
    """Have the requester prove who it is, after CHALLENGE_AUTH has asked for it."""
    agreed, slot = responder.negotiated, _slot(responder)
    intents = [*_identity_intents(agreed, slot), Authenticate(slot)]
    responder.active_flow = Flow(deque(intents), is_mandatory=True, slot=slot)


def _slot(responder: Responder) -> int:
    """Return the requester's slot to ask for: 0xFF where it has no certificates."""
    has_raw_key = RequesterCapabilities.PUB_KEY_ID_CAP in responder.negotiated.requester
    return RAW_PUBLIC_KEY_SLOT if has_raw_key else responder.config.requester_slot


_REQUESTS: Final = {
    MutualAuthentication.WITHOUT_ENCAPSULATION: MutAuthRequested.MUT_AUTH_REQUESTED,
    MutualAuthentication.WITH_ENCAPSULATION: MutAuthRequested.MUT_AUTH_REQUESTED_WITH_ENCAP_REQUEST,
    MutualAuthentication.WITH_DIGESTS: MutAuthRequested.MUT_AUTH_REQUESTED_WITH_GET_DIGESTS,
}


def mutual_request(responder: Responder) -> tuple[MutAuthRequested, int]:
    """Return MutAuthRequested, one bit or none (SPDM_U6), and the requester's slot in four bits.

    What needs no encapsulation needs a key that is known already; who has a raw public key is asked for nothing else.
    """
    agreed, wanted = responder.negotiated, responder.config.mutual_authentication
    nothing = MutAuthRequested(0), 0
    if wanted is MutualAuthentication.NONE or not agreed.can_authenticate_requester:
        return nothing
    slot = _slot(responder)
    if wanted is not MutualAuthentication.WITHOUT_ENCAPSULATION and slot != RAW_PUBLIC_KEY_SLOT:
        return (_REQUESTS[wanted], 0) if agreed.can_encapsulate else nothing
    try:
        responder.requester_chain_hash(slot, "CM")
    except KeyError:
        return nothing
    return MutAuthRequested.MUT_AUTH_REQUESTED, RAW_PUBLIC_KEY_SLOT_NIBBLE if slot == RAW_PUBLIC_KEY_SLOT else slot


def begin_mutual(responder: Responder, session: Session, mutual: MutAuthRequested) -> None:
    """Have the requester authenticate itself in a handshake, as KEY_EXCHANGE_RSP has asked it to."""
    if not mutual:
        return
    slot = _slot(responder)
    if mutual == MutAuthRequested.MUT_AUTH_REQUESTED:
        _accept(responder, session, slot)
        return
    context = None if responder.negotiated.is_handshake_in_the_clear else session.session_id
    with_digests = mutual == MutAuthRequested.MUT_AUTH_REQUESTED_WITH_GET_DIGESTS
    intents = _identity_intents(responder.negotiated, slot)
    responder.active_flow = Flow(
        deque(intents[with_digests:]), context, session, is_mandatory=True, slot=slot, has_digests_first=with_digests
    )


def _accept(responder: Responder, session: Session, slot: int) -> None:
    """The requester's key is known: FINISH has to be signed with it."""
    session.transcript.requester_chain = responder.requester_chain_hash(slot, "CM")
    session.is_mutual, session.requester_slot = True, slot


def flow_for(responder: Responder, context: int | None) -> Flow | None:
    """Return what is to be asked in a place: what is mandatory, or what waits there."""
    active = responder.active_flow
    if active is not None and active.is_mandatory:
        return active if active.context == context and active.pending is None else None
    return next((flow for flow in responder.flows if flow.context == context), None)


def end_flow(responder: Responder, flow: Flow) -> None:
    """Ask no more."""
    responder.active_flow = None
    responder.flows = [other for other in responder.flows if other is not flow]


def complete_flow(responder: Responder, flow: Flow, call: Call) -> None:
    """Every question was answered."""
    end_flow(responder, flow)
    if not flow.is_mandatory:
        return
    if flow.session is None:
        call.events.append(responder.peer_authenticated(None, flow.slot))
    else:
        _accept(responder, flow.session, flow.slot)


def implicit_question(responder: Responder) -> Question:
    """Return the GET_DIGESTS that KEY_EXCHANGE_RSP implies."""
    request = GetDigests(version=responder.version)
    return Question(request, request.build(), ReadDigests())


def answer_get_encapsulated_request(responder: Responder, call: Call) -> EncapsulatedRequest:
    """Ask the first question."""
    flow = flow_for(responder, call.context)
    if flow is None or not responder.negotiated.can_encapsulate:
        no_pending = _E.NO_PENDING_REQUESTS if responder.version >= SpdmVersion.V1_3 else _E.UNEXPECTED_REQUEST
        raise Refusal(no_pending, "there is nothing to ask")
    require(not flow.has_digests_first, "digests were to be delivered", _E.UNEXPECTED_REQUEST)
    responder.active_flow = flow
    flow.request_id = 0
    inner = _ask_next(responder, flow, call)
    if inner is None:
        end_flow(responder, flow)
        raise Refusal(_E.UNSPECIFIED, "there is nothing to ask")
    return EncapsulatedRequest(version=responder.version, request_id=flow.request_id, encapsulated_request=inner)


def _ask_next(responder: Responder, flow: Flow, call: Call) -> bytes | None:
    """Return the next question, None where there is none."""
    if not flow.intents:
        return None
    intent = flow.intents.popleft()
    return _put(responder, flow, question(responder, intent), intent, None)


def _put(responder: Responder, flow: Flow, message: SpdmMessage, intent: Intent, memory: Any) -> bytes:
    raw = message.build()
    flow.pending = Question(message, raw, intent, memory)
    flow.request_id = flow.request_id % _LAST_REQUEST_ID + 1
    flow.asked.append(SpdmCode(message.code))
    responder.transcript.request(raw, context=flow.place, encapsulated=True)
    return raw


def answer_deliver_encapsulated_response(responder: Responder, call: Call) -> EncapsulatedResponseAck:
    """Take an answer, and ask the next question or be done."""
    request: DeliverEncapsulatedResponse = call.request
    flow = responder.active_flow
    is_here = flow is not None and flow.context == call.context
    require(is_here, "no answer was to come", _E.UNEXPECTED_REQUEST)
    assert flow is not None
    if flow.has_digests_first:
        flow.has_digests_first = False
        flow.pending = implicit_question(responder)
        flow.asked.append(SpdmCode.GET_DIGESTS)
    require(request.request_id == flow.request_id, f"answers {request.request_id}, not {flow.request_id}")
    delivered = request.request_id
    try:
        following = _take(responder, flow, call, request.encapsulated_response)
    except _FlowOver:
        end_flow(responder, flow)
        return _acknowledge(responder, delivered, None, 0)
    except Refusal:
        end_flow(responder, flow)
        raise
    if following is not None:
        return _acknowledge(responder, delivered, following, flow.request_id)
    complete_flow(responder, flow, call)
    call.events.append(EncapsulatedFlowEnded(tuple(flow.asked), call.context))
    names_slot = flow.is_mandatory and flow.session is not None and flow.slot not in (0, RAW_PUBLIC_KEY_SLOT)
    return _acknowledge(responder, delivered, None, 0, slot=flow.slot if names_slot else None)


class _FlowOver(Exception):  # noqa: N818  no error: the requester asks to be left alone
    """The requester's answer is not ready: the flow ends."""


def _take(responder: Responder, flow: Flow, call: Call, inner: bytes) -> bytes | None:
    """Take an answer; return the next question, None where there is none. Raises Refusal for a bad answer."""
    pending = flow.pending
    if pending is None:
        raise Refusal(_E.UNEXPECTED_REQUEST, "no answer was to come")
    _check_inner(responder, pending, inner)
    code = SpdmCode(inner[1])
    try:
        message, raw = responder.parse(MESSAGES[code], inner, pending.request, from_requester=True)
        answer = InnerAnswer(responder, pending, flow, message, raw, call)
        following = TAKERS[code](answer)
    except (PytioError, ValueError, KeyError) as error:
        raise Refusal(_E.INVALID_RESPONSE_CODE, f"{type(error).__name__}: {error}") from error
    signature_size = len(getattr(message, "signature", None) or b"")
    responder.transcript.response(raw, context=flow.place, encapsulated=True, signature_size=signature_size)
    flow.pending = None
    if following is not None:
        return _put(responder, flow, following.request, pending.intent, following.memory)
    return _ask_next(responder, flow, call)


def _check_inner(responder: Responder, pending: Question, inner: bytes) -> None:
    is_message = len(inner) >= HEADER_BYTES and inner[0] == responder.version
    require(is_message, "no SPDM message of this connection", _E.INVALID_RESPONSE_CODE)
    code = SpdmCode(inner[1])
    if code is SpdmCode.ERROR:
        try:
            error, _ = Error.parse_prefix(inner)
        except DecodeError as problem:
            raise Refusal(_E.INVALID_RESPONSE_CODE, str(problem)) from problem
        if error.error_code == _E.RESPONSE_NOT_READY:
            raise _FlowOver
        raise Refusal(_E.INVALID_RESPONSE_CODE, f"the requester refuses: {error.error_code.name}")
    expected = SpdmCode(pending.request.code & ~_REQUEST_BIT)
    require(code is expected, f"{code.name} instead of {expected.name}", _E.INVALID_RESPONSE_CODE)


def _acknowledge(
    responder: Responder, delivered: int, inner: bytes | None, request_id: int, slot: int | None = None
) -> EncapsulatedResponseAck:
    kind = EncapsulatedPayloadType.ABSENT if inner is None else EncapsulatedPayloadType.PRESENT
    if slot is not None:
        kind = EncapsulatedPayloadType.REQ_SLOT_NUMBER
    return EncapsulatedResponseAck(
        version=responder.version,
        request_id=request_id,
        payload_type=kind,
        ack_request_id=delivered if responder.version >= SpdmVersion.V1_2 else None,
        req_slot_id=slot,
        encapsulated_request=inner,
    )
