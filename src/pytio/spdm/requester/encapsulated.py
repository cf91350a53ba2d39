"""The encapsulated flow, as the requester goes through it: the responder asks, and the requester answers (DSP0274).

GET_ENCAPSULATED_REQUEST asks what the responder wants to know, DELIVER_ENCAPSULATED_RESPONSE brings the answer, until
the responder has no more to ask. The answers are in `pytio.spdm.requester.inner_answers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from pytio.errors import LocalProtocolError, SpdmDecodeError
from pytio.spdm.codes import EncapsulatedPayloadType, SpdmCode, SpdmVersion
from pytio.spdm.events import EncapsulatedFlowEnded, Event
from pytio.spdm.messages.encapsulated import (
    DeliverEncapsulatedResponse,
    EncapsulatedRequest,
    EncapsulatedResponseAck,
    GetEncapsulatedRequest,
)
from pytio.spdm.requester.inner_answers import InnerCall, answer_inner
from pytio.spdm.requests import AnswerEncapsulated
from pytio.spdm.session import Session

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = (
    "Flow",
    "begin_with_digests",
    "build_get_encapsulated_request",
    "take_encapsulated_request",
    "take_encapsulated_response_ack",
)


@attrs.define
class Flow:
    """One run of questions."""

    handshake: Session | None = None
    """The session whose handshake goes on afterwards."""
    answered: list[SpdmCode] = attrs.field(factory=list)
    """What was asked so far."""
    request_id: int = 0
    """Of the question that was answered last."""


def build_get_encapsulated_request(
    requester: Requester, intent: AnswerEncapsulated
) -> tuple[GetEncapsulatedRequest, Flow]:
    """Ask what the responder wants to know."""
    if not requester.negotiated.can_encapsulate:
        raise LocalProtocolError(requester.state, intent, "the encapsulated flow needs ENCAP_CAP of both sides")
    return GetEncapsulatedRequest(version=requester.version), Flow()


def begin_with_digests(requester: Requester, session: Session) -> tuple[DeliverEncapsulatedResponse, Flow]:
    """Answer the GET_DIGESTS that KEY_EXCHANGE_RSP implies: request id 0, and no request in any transcript."""
    flow = Flow(session, [SpdmCode.GET_DIGESTS])
    digests = requester.identity.digests().build()
    requester.note_inner_digests(session, digests)
    deliver = DeliverEncapsulatedResponse(version=requester.version, request_id=0, encapsulated_response=digests)
    return deliver, flow


def take_encapsulated_request(requester: Requester, answer: Answer) -> list[Event]:
    """Answer the first question."""
    message: EncapsulatedRequest = answer.message
    return _deliver(requester, answer, message.request_id, message.encapsulated_request)


def take_encapsulated_response_ack(requester: Requester, answer: Answer) -> list[Event]:
    """Answer the next question, or be done."""
    message: EncapsulatedResponseAck = answer.message
    flow = _flow_of(answer)
    if requester.version >= SpdmVersion.V1_2:
        delivered = answer.request.request_id
        answer.require(message.ack_request_id == delivered, f"acknowledges {message.ack_request_id}, not {delivered}")
    kind = message.payload_type
    if kind == EncapsulatedPayloadType.PRESENT:
        answer.require(message.request_id, "a question without a number")
        return _deliver(requester, answer, message.request_id, message.encapsulated_request or b"")
    known = (EncapsulatedPayloadType.ABSENT, EncapsulatedPayloadType.REQ_SLOT_NUMBER)
    answer.require(kind in known, f"payload type {kind:#x}")
    events: list[Event] = [EncapsulatedFlowEnded(tuple(flow.answered), answer.context)]
    if flow.handshake is not None:
        slot = message.req_slot_id if kind == EncapsulatedPayloadType.REQ_SLOT_NUMBER else 0
        events += requester.finish_authenticated(answer, flow.handshake, slot or 0)
    return events


def _flow_of(answer: Answer) -> Flow:
    flow = answer.exchange.memory
    return flow if isinstance(flow, Flow) else Flow()


def _deliver(requester: Requester, answer: Answer, request_id: int, inner: bytes) -> list[Event]:
    flow = _flow_of(answer)
    call = InnerCall(requester, inner, answer.exchange.session or flow.handshake, now=answer.now)
    call.is_first = not flow.answered
    call.is_outside = answer.exchange.session is None and flow.handshake is None
    try:
        response = answer_inner(call)
    except SpdmDecodeError as error:
        answer.require(False, f"an encapsulated request that does not decode: {error}")
        raise
    flow.answered.append(SpdmCode(inner[1]))
    flow.request_id = request_id
    deliver = DeliverEncapsulatedResponse(
        version=requester.version, request_id=request_id, encapsulated_response=response
    )
    requester.follow(answer, deliver, memory=flow, afterwards=call.afterwards)
    return call.events
