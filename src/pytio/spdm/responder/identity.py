"""GET_DIGESTS, GET_CERTIFICATE, CHALLENGE: who the responder is, as it answers (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.spdm.codes import NONCE_BYTES, RAW_PUBLIC_KEY_SLOT, RAW_PUBLIC_KEY_SLOT_NIBBLE, KeyUsage
from pytio.spdm.events import Checked
from pytio.spdm.messages.certificate import Certificate
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.digests import Digests
from pytio.spdm.responder.calls import Call
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_challenge", "answer_get_certificate", "answer_get_digests")


def answer_get_digests(responder: Responder, call: Call) -> Digests:
    """Tell the digest of every provisioned slot."""
    return responder.identity.digests()


def answer_get_certificate(responder: Responder, call: Call) -> Certificate:
    """Send a part of a chain."""
    return responder.identity.certificate(call.request, responder.response_room)


def answer_challenge(responder: Responder, call: Call) -> ChallengeAuth:
    """Prove to hold the key of a slot."""
    request: Challenge = call.request
    number, identity = request.slot_id, responder.identity
    is_raw = number == RAW_PUBLIC_KEY_SLOT
    key = identity.signing_key(number, KeyUsage.CHALLENGE_USE)
    summary = responder.summary_hash(request.measurement_summary_hash_type)
    unsigned = ChallengeAuth(
        version=responder.version,
        slot_id=RAW_PUBLIC_KEY_SLOT_NIBBLE if is_raw else number,
        basic_mut_auth_req=responder.wants_basic_mutual_authentication,
        slot_mask=0 if is_raw else identity.chained_mask,
        cert_chain_hash=identity.chain_hash(number, "CertChainHash").data,
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
