"""What the requester answers inside the encapsulated flow: its identity, key updates, endpoint information, events.

Document: DSP0274, "Encapsulated request flow". A question that cannot be answered gets an inner ERROR, and the flow
goes on as the responder likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from pytio.errors import RemoteProtocolError
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.codes import (
    NONCE_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    EndpointInfoSubCode,
    KeyUpdateOperation,
    KeyUsage,
    MeasurementSummaryHashType,
    SpdmCode,
    SpdmErrorCode,
)
from pytio.spdm.endpoint import HEADER_BYTES
from pytio.spdm.event_messages import accept_events, accept_subscription, supported_event_types
from pytio.spdm.events import Checked, Event, EventsReceived, KeysUpdated, Subscribed
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.endpoint_info import EndpointInfo, GetEndpointInfo
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.events import EventAck, SubscribeEventTypesAck
from pytio.spdm.messages.session import KeyUpdate, KeyUpdateAck
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.session import Session, Side
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester

__all__ = ("InnerCall", "answer_inner")

_CARRIER_BYTES: Final = 4


@attrs.define
class InnerCall:
    """One question of the responder."""

    requester: Requester
    raw: bytes
    session: Session | None
    """The session that the flow is in or belongs to."""
    now: float = 0.0
    is_first: bool = False
    """Whether it is the first of its flow."""
    is_outside: bool = True
    """Whether the flow belongs to no session."""
    request: Any = None
    events: list[Event] = attrs.field(factory=list)
    afterwards: list[Callable[[], None]] = attrs.field(factory=list)
    """What is to be done once the answer has been sealed: changes of keys."""

    @property
    def context(self) -> int | None:
        """What transcripts call the place."""
        return self.session.session_id if self.session is not None else None


def answer_inner(call: InnerCall) -> bytes:
    """Return the bytes of the answer, which may be an ERROR.

    Raises RemoteProtocolError for what is no request of this connection, SpdmDecodeError for what lacks its shape.
    """
    requester, raw = call.requester, call.raw
    if len(raw) < HEADER_BYTES or raw[0] != requester.version:
        raise RemoteProtocolError(requester.state, "encapsulated request", f"{raw[:HEADER_BYTES].hex()}")
    code = SpdmCode(raw[1])
    handle = _HANDLERS.get(code)
    if handle is None:
        return _error(requester, Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, code.name, int(code)))
    call.request, call.raw = requester.parse(MESSAGES[code], raw, None, from_requester=False)
    context = None if call.is_outside else call.context
    requester.transcript.request(call.raw, context=context, encapsulated=True)
    try:
        message = handle(call)
    except Refusal as refusal:
        return _error(requester, refusal)
    response = message.build()
    signature_size = len(getattr(message, "signature", None) or b"")
    requester.transcript.response(response, context=context, encapsulated=True, signature_size=signature_size)
    if code is SpdmCode.GET_DIGESTS and call.is_first and call.session is not None:
        requester.note_inner_digests(call.session, response)
    return response


def _error(requester: Requester, refusal: Refusal) -> bytes:
    return Error(version=requester.version, error_code=refusal.code, error_data=refusal.data).build()


def _digests(call: InnerCall) -> SpdmMessage:
    _require_certificates(call)
    return call.requester.identity.digests()


def _require_certificates(call: InnerCall) -> None:
    has = RequesterCapabilities.CERT_CAP in call.requester.negotiated.requester
    if not has:
        raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, "no CERT_CAP", call.raw[1])


def _certificate(call: InnerCall) -> SpdmMessage:
    _require_certificates(call)
    agreed = call.requester.negotiated
    size = agreed.message_size(to_requester=False) if agreed.can_chunk else agreed.transfer_size(to_requester=False)
    return call.requester.identity.certificate(call.request, None if size is None else size - _CARRIER_BYTES)


def _challenge(call: InnerCall) -> SpdmMessage:
    request: Challenge = call.request
    requester, number = call.requester, request.slot_id
    require(call.is_outside, "CHALLENGE in a session", SpdmErrorCode.UNEXPECTED_REQUEST)
    has = RequesterCapabilities.CHAL_CAP in requester.negotiated.requester
    if not has:
        raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, "no CHAL_CAP", call.raw[1])
    require(request.measurement_summary_hash_type == MeasurementSummaryHashType.NONE, "requesters do not measure")
    identity = requester.identity
    key = identity.signing_key(number, KeyUsage.CHALLENGE_USE)
    is_raw = number == RAW_PUBLIC_KEY_SLOT
    unsigned = ChallengeAuth(
        version=requester.version,
        slot_id=RAW_PUBLIC_KEY_SLOT_NIBBLE if is_raw else number,
        slot_mask=0 if is_raw else identity.chained_mask,
        cert_chain_hash=identity.chain_hash(number, "CertChainHash").data,
        nonce=requester.nonce(NONCE_BYTES),
        requester_context=request.requester_context,
        signature=b"",
    )
    pieces = requester.transcript.m1m2(unsigned.build(), encapsulated=True)
    check = requester.sign_by(
        key,
        pieces,
        number,
        what="encapsulated CHALLENGE_AUTH signature",
        context=SigningContext.REQUESTER_CHALLENGE_AUTH,
    )
    call.events.append(Checked(check))
    return unsigned.replace(signature=check.signature)


def _key_update(call: InnerCall) -> SpdmMessage:
    """Change the response direction's key once the acknowledgement has been sealed."""
    request: KeyUpdate = call.request
    session = call.session
    is_established = session is not None and not call.is_outside
    require(is_established, "KEY_UPDATE outside a session", SpdmErrorCode.UNEXPECTED_REQUEST)
    assert session is not None
    operation = KeyUpdateOperation(request.key_operation)
    if operation is KeyUpdateOperation.VERIFY_NEW_KEY:
        require(session.updating is not None, "there is no new key to verify")
        session.updating = None
        call.events.append(KeysUpdated(session.session_id, KeyUpdateOperation.UPDATE_KEY, is_by_responder=True))
    else:
        require(operation is KeyUpdateOperation.UPDATE_KEY, f"key operation {request.key_operation:#x}")
        require(session.updating is None, "a key update before the one before was verified")
        session.updating = operation
        call.afterwards.append(_ResponseKeyChange(session))
    return KeyUpdateAck(version=call.requester.version, key_operation=operation, tag=request.tag)


@attrs.frozen
class _ResponseKeyChange:
    session: Session

    def __call__(self) -> None:
        direction = self.session.direction(Side.RESPONSE)
        direction.update()
        direction.commit()


def _endpoint_info(call: InnerCall) -> SpdmMessage:
    request: GetEndpointInfo = call.request
    requester, slot = call.requester, request.slot_id
    flags = requester.negotiated.requester
    kinds = RequesterCapabilities.EP_INFO_CAP_NO_SIG | RequesterCapabilities.EP_INFO_CAP_SIG
    if not flags & kinds:
        raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, "no EP_INFO_CAP", call.raw[1])
    require(request.sub_code == EndpointInfoSubCode.DEVICE_CLASS_IDENTIFIER, f"SubCode {request.sub_code:#x}")
    info = requester.config.endpoint_info.build()
    if not request.signature_requested:
        return EndpointInfo(version=requester.version, endpoint_info=info)
    require(RequesterCapabilities.EP_INFO_CAP_SIG in flags, "endpoint information is not signed")
    number = RAW_PUBLIC_KEY_SLOT if slot == RAW_PUBLIC_KEY_SLOT_NIBBLE else slot
    key = requester.identity.signing_key(number, KeyUsage.ENDPOINT_INFO_USE)
    size = requester.signer(of_requester=True).algorithm.signature_size
    unsigned = EndpointInfo(
        version=requester.version,
        slot_id=slot,
        nonce=requester.nonce(NONCE_BYTES),
        endpoint_info=info,
        signature=bytes(size),
    )
    context = None if call.is_outside else call.context
    pieces = requester.transcript.il1il2(unsigned.build()[:-size], context=context, encapsulated=True)
    check = requester.sign_by(
        key,
        pieces,
        number,
        what="encapsulated ENDPOINT_INFO signature",
        context=SigningContext.REQUESTER_ENDPOINT_INFO,
    )
    call.events.append(Checked(check))
    return unsigned.replace(signature=check.signature)


def _session_of(call: InnerCall) -> Session:
    is_inside = call.session is not None and not call.is_outside
    require(is_inside, "events outside a session", SpdmErrorCode.UNEXPECTED_REQUEST)
    assert call.session is not None
    return call.session


def _send_event(call: InnerCall) -> SpdmMessage:
    session = _session_of(call)
    call.events.append(EventsReceived(accept_events(call.request), session.session_id))
    return EventAck(version=call.requester.version)


def _require_events(call: InnerCall) -> None:
    if RequesterCapabilities.EVENT_CAP not in call.requester.negotiated.requester:
        raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, "no EVENT_CAP", call.raw[1])


def _supported_event_types(call: InnerCall) -> SpdmMessage:
    _require_events(call)
    _session_of(call)
    return supported_event_types(call.requester.version, call.requester.config.event_groups)


def _subscribe(call: InnerCall) -> SpdmMessage:
    _require_events(call)
    session = _session_of(call)
    groups = accept_subscription(call.request, call.requester.config.event_groups)
    session.subscription = groups
    call.events.append(Subscribed(groups, session.session_id))
    return SubscribeEventTypesAck(version=call.requester.version)


_Handle: TypeAlias = Callable[[InnerCall], SpdmMessage]

_HANDLERS: Final[Mapping[SpdmCode, _Handle]] = MappingProxyType(
    {
        SpdmCode.GET_DIGESTS: _digests,
        SpdmCode.GET_CERTIFICATE: _certificate,
        SpdmCode.CHALLENGE: _challenge,
        SpdmCode.KEY_UPDATE: _key_update,
        SpdmCode.GET_ENDPOINT_INFO: _endpoint_info,
        SpdmCode.SEND_EVENT: _send_event,
        SpdmCode.GET_SUPPORTED_EVENT_TYPES: _supported_event_types,
        SpdmCode.SUBSCRIBE_EVENT_TYPES: _subscribe,
    }
)
