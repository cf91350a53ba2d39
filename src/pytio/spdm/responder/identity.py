"""GET_DIGESTS, GET_CERTIFICATE, CHALLENGE: who the responder is, as it answers (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytio.spdm.codes import (
    MAX_SMALL_CERTIFICATE_CHAIN_BYTES,
    NONCE_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    CertificateModel,
    KeyUsage,
    SpdmErrorCode,
)
from pytio.spdm.events import Checked
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.digests import CertificateInfo, Digests
from pytio.spdm.responder.calls import Call, Refusal, require
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.configuration import Slot
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_challenge", "answer_get_certificate", "answer_get_digests")

_HEADER_BYTES: Final = 8
_LARGE_HEADER_BYTES: Final = 16


def _slot_mask(slots: dict[int, Slot]) -> int:
    """Return slots as a mask, bit by slot."""
    return sum(1 << number for number in slots)


def answer_get_digests(responder: Responder, call: Call) -> Digests:
    """Tell the digest of every provisioned slot."""
    slots = responder.provisioned_slots
    require(slots, "no slot is provisioned", SpdmErrorCode.UNSPECIFIED)
    for number in slots:
        _require_no_reset(responder, number)
    several = responder.negotiated.is_responder_multi_key
    hash_algorithm = responder.hash_algorithm
    return Digests(
        version=responder.version,
        supported_slot_mask=responder.supported_slot_mask,
        provisioned_slot_mask=_slot_mask(slots),
        digests=tuple(responder.slots.digest(slot, hash_algorithm) for slot in slots.values()),
        key_pair_ids=tuple(slot.key_pair_id for slot in slots.values()) if several else None,
        certificate_info=tuple(CertificateInfo(certificate_model=_model(slot)) for slot in slots.values())
        if several
        else None,
        key_usage_masks=tuple(responder.slots.usage(slot) for slot in slots.values()) if several else None,
    )


def _model(slot: Slot) -> CertificateModel:
    return slot.model if slot.certificates else CertificateModel.NONE


def _require_no_reset(responder: Responder, number: int) -> None:
    require(
        not responder.slots.waits_for_reset(number), f"slot {number} waits for a reset", SpdmErrorCode.RESET_REQUIRED
    )


def answer_get_certificate(responder: Responder, call: Call) -> Certificate:
    """Send a part of a chain."""
    request: GetCertificate = call.request
    number = request.slot_id
    require(not request.large_cert_chain or responder.negotiated.has_large_forms, "a large form that was not agreed on")
    _require_no_reset(responder, number)
    if request.slot_size_requested and responder.has_slot_sizes:
        return _slot_size(responder, request)
    slot = responder.provisioned_slots.get(number)
    chain = slot.chain(responder.hash_algorithm) if slot is not None else b""
    require(chain, f"slot {number} holds no chain")
    is_large = request.large_cert_chain
    if len(chain) > MAX_SMALL_CERTIFICATE_CHAIN_BYTES and not is_large:
        reason = f"a chain of {len(chain)} bytes in the small form"
        if responder.negotiated.has_large_forms:
            raise Refusal(SpdmErrorCode.DATA_TOO_LARGE, reason, extended=len(chain))
        raise Refusal(SpdmErrorCode.UNSPECIFIED, reason)
    offset, length = (
        (request.large_offset or 0, request.large_length or 0) if is_large else (request.offset, request.length)
    )
    require(offset < len(chain) and length, f"{length} bytes at {offset} of a chain of {len(chain)}")
    portion = chain[offset : offset + min(length, _room(responder, is_large))]
    remainder = len(chain) - offset - len(portion)
    several = responder.negotiated.is_responder_multi_key
    return Certificate(
        version=responder.version,
        slot_id=number,
        large_cert_chain=is_large,
        certificate_model=_model(slot) if several and slot is not None else CertificateModel.NONE,
        portion_length=0 if is_large else len(portion),
        remainder_length=0 if is_large else remainder,
        large_portion_length=len(portion) if is_large else None,
        large_remainder_length=remainder if is_large else None,
        cert_chain=portion,
    )


def _slot_size(responder: Responder, request: GetCertificate) -> Certificate:
    """Tell how much a slot can hold; offset and length do not count."""
    slot = responder.slots.slots.get(request.slot_id)
    require(slot is not None, f"there is no slot {request.slot_id}")
    size = slot.storage_bytes if slot is not None else 0
    is_large = request.large_cert_chain
    return Certificate(
        version=responder.version,
        slot_id=request.slot_id,
        large_cert_chain=is_large,
        portion_length=0,
        remainder_length=0 if is_large else min(size, MAX_SMALL_CERTIFICATE_CHAIN_BYTES),
        large_portion_length=0 if is_large else None,
        large_remainder_length=size if is_large else None,
    )


def _room(responder: Responder, is_large: bool) -> int:
    """Return how much of a chain one response may hold."""
    room = responder.response_room
    return max((room or MAX_SMALL_CERTIFICATE_CHAIN_BYTES) - (_LARGE_HEADER_BYTES if is_large else _HEADER_BYTES), 1)


def answer_challenge(responder: Responder, call: Call) -> ChallengeAuth:
    """Prove to hold the key of a slot."""
    request: Challenge = call.request
    number = request.slot_id
    is_raw = number == RAW_PUBLIC_KEY_SLOT
    key = responder.signing_key(number, KeyUsage.CHALLENGE_USE)
    summary = responder.summary_hash(request.measurement_summary_hash_type)
    chained = {n: slot for n, slot in responder.provisioned_slots.items() if slot.certificates}
    unsigned = ChallengeAuth(
        version=responder.version,
        slot_id=RAW_PUBLIC_KEY_SLOT_NIBBLE if is_raw else number,
        basic_mut_auth_req=responder.wants_basic_mutual_authentication,
        slot_mask=0 if is_raw else _slot_mask(chained),
        cert_chain_hash=responder.chain_hash(number, "CertChainHash").data,
        nonce=responder.nonce(NONCE_BYTES),
        measurement_summary_hash=summary,
        opaque_data=responder.config.challenge_opaque_data,
        requester_context=request.requester_context,
        signature=b"",
    )
    pieces = responder.transcript.m1m2(unsigned.build())
    check = responder.sign(
        key, pieces, number, what="CHALLENGE_AUTH signature", context=SigningContext.RESPONDER_CHALLENGE_AUTH
    )
    call.events.append(Checked(check))
    if unsigned.basic_mut_auth_req:
        responder.begin_basic_mutual_authentication()
    return unsigned.replace(signature=check.signature)
