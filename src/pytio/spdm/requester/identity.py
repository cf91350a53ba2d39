"""GET_DIGESTS, GET_CERTIFICATE, CHALLENGE: who the responder is, as the requester asks (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.errors import LocalProtocolError, VerificationError
from pytio.spdm.certificate_parts import digests_of, next_get_certificate
from pytio.spdm.codes import (
    NONCE_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    CertificateModel,
    SpdmVersion,
)
from pytio.spdm.events import Authenticated, CertificateRead, Checked, DigestsRead, Event, MessageReceived
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.digests import Digests, GetDigests
from pytio.spdm.peer_identity import ChainReading
from pytio.spdm.requests import Authenticate, ReadCertificate, ReadDigests
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = (
    "build_challenge",
    "build_get_certificate",
    "build_get_digests",
    "take_certificate",
    "take_challenge_auth",
    "take_digests",
)


def build_get_digests(requester: Requester, intent: ReadDigests) -> GetDigests:
    """Ask for the digests of all slots."""
    return GetDigests(version=requester.version)


def take_digests(requester: Requester, answer: Answer) -> list[Event]:
    """Take note of the slots."""
    message: Digests = answer.message
    slots, digests = digests_of(message)
    provisioned, supported = message.provisioned_slot_mask, message.supported_slot_mask
    if requester.version >= SpdmVersion.V1_3:
        answer.require(not provisioned & ~supported, "a provisioned slot that is not supported")
    models = dict(zip(slots, (info.certificate_model for info in message.certificate_info or ()), strict=False))
    answer.require(models.get(0) != CertificateModel.GENERIC_CERT, "a generic certificate in slot 0")
    requester.peer.take_digests(digests, models, requester.hash_algorithm)
    mask = supported if requester.version >= SpdmVersion.V1_3 else provisioned
    return [
        DigestsRead(
            digests=digests,
            supported_slots=tuple(slot for slot in range(8) if mask >> slot & 1),
            key_pair_ids=dict(zip(slots, message.key_pair_ids or (), strict=False)),
            models=models,
            usages=dict(zip(slots, message.key_usage_masks or (), strict=False)),
            session=answer.context,
        )
    ]


def build_get_certificate(requester: Requester, intent: ReadCertificate) -> GetCertificate:
    """Ask for the first part of a chain."""
    return next_get_certificate(
        requester.negotiated, ChainReading(intent.slot), requester.portion_bytes, to_requester=False
    )


def take_certificate(requester: Requester, answer: Answer) -> list[Event]:
    """Add a part to the chain; once it is whole, examine it."""
    message: Certificate = answer.message
    request: GetCertificate = answer.request
    answer.require(message.slot_id == request.slot_id, f"slot {message.slot_id} instead of {request.slot_id}")
    answer.require(message.large_cert_chain == request.large_cert_chain, "the other form of lengths")
    asked = request.large_length if request.large_cert_chain else request.length
    answer.require(len(message.cert_chain) <= (asked or 0) or request.slot_size_requested, "more than was asked for")
    if not isinstance(answer.exchange.intent, ReadCertificate):
        return [MessageReceived(answer.raw, answer.context)]
    reading: ChainReading = answer.exchange.memory or ChainReading(request.slot_id)
    remainder = message.large_remainder_length if message.large_cert_chain else message.remainder_length
    objection = reading.take(message.cert_chain, remainder or 0)
    answer.require(not objection, objection)
    if remainder:
        following = next_get_certificate(requester.negotiated, reading, requester.portion_bytes, to_requester=False)
        requester.follow(answer, following, memory=reading)
        return []
    chain = bytes(reading.data)
    found = requester.peer.take_chain(
        reading.slot,
        chain,
        version=requester.version,
        hash_algorithm=requester.hash_algorithm,
        algorithm=requester.responder_algorithm,
        model=message.certificate_model if requester.negotiated.is_responder_multi_key else None,
    )
    return [CertificateRead(reading.slot, chain, found.findings, answer.context)]


def build_challenge(requester: Requester, intent: Authenticate) -> Challenge:
    """Demand a signature."""
    if not requester.knows_key_of(intent.slot):
        raise LocalProtocolError(requester.state, intent, "the key of the slot is not known; read its chain first")
    return Challenge(
        version=requester.version,
        slot_id=intent.slot,
        measurement_summary_hash_type=intent.summary,
        nonce=requester.nonce(NONCE_BYTES),
        requester_context=requester.new_context(),
    )


def take_challenge_auth(requester: Requester, answer: Answer) -> list[Event]:
    """Check the signature; the connection is authenticated."""
    message: ChallengeAuth = answer.message
    slot = answer.request.slot_id
    is_raw = slot == RAW_PUBLIC_KEY_SLOT
    answer.require(
        message.slot_id == (RAW_PUBLIC_KEY_SLOT_NIBBLE if is_raw else slot), f"slot {message.slot_id} instead of {slot}"
    )
    answer.require(is_raw or message.slot_mask >> slot & 1, "a slot mask without the slot")
    answer.require(message.requester_context == answer.request.requester_context, "another RequesterContext")
    known = requester.chain_hash(slot, "CertChainHash")
    if message.cert_chain_hash != known.data:
        raise VerificationError(f"CertChainHash of slot {slot}", (known,))
    pieces = requester.transcript.m1m2(answer.unsigned(message.signature))
    check = requester.verify(
        answer, pieces, slot, what="CHALLENGE_AUTH signature", context=SigningContext.RESPONDER_CHALLENGE_AUTH
    )
    is_mutual = requester.version >= SpdmVersion.V1_1 and message.basic_mut_auth_req
    answer.require(
        not is_mutual or requester.negotiated.can_authenticate_requester, "BasicMutAuth without MUT_AUTH_CAP"
    )
    if is_mutual:
        requester.expect_encapsulated_flow(answer)
    return [
        Checked(check),
        Authenticated(slot, message.slot_mask, message.measurement_summary_hash, message.opaque_data, is_mutual),
    ]
