"""What the responder asks inside the encapsulated flow, and how it takes the answers (DSP0274)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from pytio.errors import RemoteProtocolError, VerificationError
from pytio.spdm.certificate_parts import digests_of, next_get_certificate
from pytio.spdm.codes import (
    NONCE_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    REQUESTER_CONTEXT_BYTES,
    KeyUpdateOperation,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.event_messages import subscribe_event_types
from pytio.spdm.events import (
    Authenticated,
    CertificateRead,
    Checked,
    EndpointInfoRead,
    KeysUpdated,
    Subscribed,
    SupportedEventTypesRead,
)
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.challenge import Challenge
from pytio.spdm.messages.digests import GetDigests
from pytio.spdm.messages.endpoint_info import GetEndpointInfo
from pytio.spdm.messages.events import GetSupportedEventTypes, SendEvent, SubscribeEventTypes
from pytio.spdm.messages.session import KeyUpdate
from pytio.spdm.peer_identity import ChainReading
from pytio.spdm.requests import (
    Authenticate,
    Intent,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    ReadEventTypes,
    Subscribe,
    TellEvents,
    UpdateKeys,
)
from pytio.spdm.responder.calls import Call
from pytio.spdm.session import Session, Side
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.responder.encapsulated import Flow, Question
    from pytio.spdm.responder.engine import Responder

__all__ = ("TAKERS", "Following", "InnerAnswer", "question")


@attrs.frozen
class Following:
    """The next question of the same intent."""

    request: SpdmMessage
    memory: Any


@attrs.frozen
class InnerAnswer:
    """An answer of the right code and shape, to be checked."""

    responder: Responder
    question: Question
    flow: Flow
    message: Any
    raw: bytes = attrs.field(repr=False)
    call: Call

    @property
    def request(self) -> Any:
        """The question that it answers."""
        return self.question.request

    @property
    def context(self) -> int | None:
        """What transcripts call the place."""
        return self.flow.place

    @property
    def session(self) -> Session:
        """The session. Raises RemoteProtocolError outside any."""
        if self.flow.session is None:
            raise RemoteProtocolError("outside a session", self.message.code)
        return self.flow.session

    def require(self, holds: object, detail: str) -> None:
        """Raise RemoteProtocolError unless a rule holds."""
        if not holds:
            raise RemoteProtocolError(self.request.code, self.message.code, detail)


# questions


def question(responder: Responder, intent: Intent) -> SpdmMessage:
    """Return the first question of an intent."""
    return _QUESTIONS[type(intent)](responder, intent)


def _get_digests(responder: Responder, intent: ReadDigests) -> SpdmMessage:
    return GetDigests(version=responder.version)


def _get_certificate(responder: Responder, intent: ReadCertificate) -> SpdmMessage:
    return next_get_certificate(responder.negotiated, ChainReading(intent.slot), None, to_requester=True)


def _challenge(responder: Responder, intent: Authenticate) -> SpdmMessage:
    context = responder.nonce(REQUESTER_CONTEXT_BYTES) if responder.version >= SpdmVersion.V1_3 else None
    return Challenge(
        version=responder.version,
        slot_id=intent.slot,
        nonce=responder.nonce(NONCE_BYTES),
        requester_context=context,
    )


def _key_update(responder: Responder, intent: UpdateKeys) -> SpdmMessage:
    return KeyUpdate(version=responder.version, key_operation=KeyUpdateOperation.UPDATE_KEY, tag=responder.nonce(1)[0])


def _get_endpoint_info(responder: Responder, intent: ReadEndpointInfo) -> SpdmMessage:
    is_signed = intent.slot is not None
    return GetEndpointInfo(
        version=responder.version,
        sub_code=intent.sub_code,
        slot_id=intent.slot or 0,
        signature_requested=is_signed,
        nonce=responder.nonce(NONCE_BYTES) if is_signed else None,
    )


def _send_event(responder: Responder, intent: TellEvents) -> SpdmMessage:
    return SendEvent(version=responder.version, events=intent.events)


def _get_event_types(responder: Responder, intent: ReadEventTypes) -> SpdmMessage:
    return GetSupportedEventTypes(version=responder.version)


def _subscribe(responder: Responder, intent: Subscribe) -> SpdmMessage:
    return subscribe_event_types(responder.version, intent.groups)


_Ask: TypeAlias = "Callable[[Responder, Any], SpdmMessage]"

_QUESTIONS: Final[Mapping[type[Intent], _Ask]] = MappingProxyType(
    {
        ReadDigests: _get_digests,
        ReadCertificate: _get_certificate,
        Authenticate: _challenge,
        UpdateKeys: _key_update,
        ReadEndpointInfo: _get_endpoint_info,
        TellEvents: _send_event,
        ReadEventTypes: _get_event_types,
        Subscribe: _subscribe,
    }
)


# answers


def _take_digests(answer: InnerAnswer) -> None:
    message, responder = answer.message, answer.responder
    slots, digests = digests_of(message)
    models = dict(zip(slots, (info.certificate_model for info in message.certificate_info or ()), strict=False))
    responder.peer.take_digests(digests, models, responder.hash_algorithm)
    if len(answer.flow.asked) == 1 and answer.flow.session is not None:
        responder.note_inner_digests(answer.flow.session, answer.raw)


def _take_certificate(answer: InnerAnswer) -> Following | None:
    message, request, responder = answer.message, answer.request, answer.responder
    answer.require(message.slot_id == request.slot_id, f"slot {message.slot_id} instead of {request.slot_id}")
    answer.require(message.large_cert_chain == request.large_cert_chain, "the other form of lengths")
    asked = request.large_length if request.large_cert_chain else request.length
    answer.require(len(message.cert_chain) <= (asked or 0), "more than was asked for")
    reading: ChainReading = answer.question.memory or ChainReading(request.slot_id)
    remainder = message.large_remainder_length if message.large_cert_chain else message.remainder_length
    objection = reading.take(message.cert_chain, remainder or 0)
    answer.require(not objection, objection)
    if remainder:
        following = next_get_certificate(responder.negotiated, reading, None, to_requester=True)
        return Following(following, reading)
    signer = responder.signer(of_requester=True)
    several = responder.negotiated.is_requester_multi_key
    found = responder.peer.take_chain(
        reading.slot,
        bytes(reading.data),
        version=responder.version,
        hash_algorithm=signer.hash_algorithm,
        algorithm=signer.algorithm,
        model=message.certificate_model if several else None,
    )
    answer.call.events.append(CertificateRead(reading.slot, found.chain, found.findings, answer.context))
    return None


def _take_challenge_auth(answer: InnerAnswer) -> None:
    message, request, responder = answer.message, answer.request, answer.responder
    slot = request.slot_id
    nibble = RAW_PUBLIC_KEY_SLOT_NIBBLE if slot == RAW_PUBLIC_KEY_SLOT else slot
    answer.require(message.slot_id == nibble, f"slot {message.slot_id} instead of {nibble}")
    answer.require(message.requester_context == request.requester_context, "another RequesterContext")
    known = responder.requester_chain_hash(slot, "CertChainHash")
    if message.cert_chain_hash != known.data:
        raise VerificationError(f"CertChainHash of the requester's slot {slot}", (known,))
    unsigned = answer.raw[: -len(message.signature)]
    check = responder.verify_signature(
        slot,
        message.signature,
        responder.transcript.m1m2(unsigned, encapsulated=True),
        what="encapsulated CHALLENGE_AUTH signature",
        context=SigningContext.REQUESTER_CHALLENGE_AUTH,
    )
    answer.call.events.append(Checked(check))
    answer.call.events.append(Authenticated(slot, message.slot_mask, b"", message.opaque_data))


def _take_key_update_ack(answer: InnerAnswer) -> Following | None:
    message, request, session = answer.message, answer.request, answer.session
    echoed = (message.key_operation, message.tag) == (request.key_operation, request.tag)
    answer.require(echoed, "an acknowledgement of something else")
    if request.key_operation == KeyUpdateOperation.VERIFY_NEW_KEY:
        updated = KeysUpdated(session.session_id, KeyUpdateOperation.UPDATE_KEY, is_by_responder=True)
        answer.call.events.append(updated)
        return None
    direction = session.direction(Side.RESPONSE)
    direction.update()  # the acknowledgement goes out under the new key
    direction.commit()
    tag = answer.responder.nonce(1)[0]
    verify = KeyUpdate(version=answer.responder.version, key_operation=KeyUpdateOperation.VERIFY_NEW_KEY, tag=tag)
    return Following(verify, None)


def _take_endpoint_info(answer: InnerAnswer) -> None:
    message, request, responder = answer.message, answer.request, answer.responder
    is_signed = request.signature_requested
    if is_signed:
        slot = request.slot_id
        answer.require(message.slot_id == slot, f"slot {message.slot_id} instead of {slot}")
        unsigned = answer.raw[: -len(message.signature)]
        pieces = responder.transcript.il1il2(unsigned, context=answer.context, encapsulated=True)
        check = responder.verify_signature(
            RAW_PUBLIC_KEY_SLOT if slot == RAW_PUBLIC_KEY_SLOT_NIBBLE else slot,
            message.signature,
            pieces,
            what="encapsulated ENDPOINT_INFO signature",
            context=SigningContext.REQUESTER_ENDPOINT_INFO,
        )
        answer.call.events.append(Checked(check))
    answer.call.events.append(EndpointInfoRead(message, is_signed, answer.context))


def _take_event_ack(answer: InnerAnswer) -> None:
    """The requester has been told."""


def _take_event_types(answer: InnerAnswer) -> None:
    groups = answer.message.event_groups()
    answer.call.events.append(SupportedEventTypesRead(groups, answer.session.session_id))


def _take_subscription(answer: InnerAnswer) -> None:
    request: SubscribeEventTypes = answer.request
    answer.call.events.append(Subscribed(request.event_groups(), answer.session.session_id))


_Take: TypeAlias = Callable[[InnerAnswer], Following | None]

TAKERS: Final[Mapping[SpdmCode, _Take]] = MappingProxyType(
    {
        SpdmCode.DIGESTS: _take_digests,
        SpdmCode.CERTIFICATE: _take_certificate,
        SpdmCode.CHALLENGE_AUTH: _take_challenge_auth,
        SpdmCode.KEY_UPDATE_ACK: _take_key_update_ack,
        SpdmCode.ENDPOINT_INFO: _take_endpoint_info,
        SpdmCode.EVENT_ACK: _take_event_ack,
        SpdmCode.SUPPORTED_EVENT_TYPES: _take_event_types,
        SpdmCode.SUBSCRIBE_EVENT_TYPES_ACK: _take_subscription,
    }
)
"""What takes each answer; it returns the next question of the same intent, if there is one."""
