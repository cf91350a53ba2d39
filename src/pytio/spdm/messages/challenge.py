"""CHALLENGE and CHALLENGE_AUTH: prove possession of the private key of a slot.

Document: DSP0274, "CHALLENGE request and CHALLENGE_AUTH response messages".
"""

from __future__ import annotations

from pytio.spdm.codes import (
    NONCE_BYTES,
    REQUESTER_CONTEXT_BYTES,
    MeasurementSummaryHashType,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, Bit, Bits, Byte, Bytes, OpenCode, Sized, fixed, message, this, wire

__all__ = ("Challenge", "ChallengeAuth")


@message
class Challenge(SpdmMessage):
    """CHALLENGE: demand a signature with the key of a slot (DSP0274, CHALLENGE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CHALLENGE)
    slot_id: int = wire(Byte, default=0)
    """0 to 7, or 0xFF for the public key that was provisioned out of band."""
    measurement_summary_hash_type: MeasurementSummaryHashType = wire(
        OpenCode(Byte, MeasurementSummaryHashType), default=MeasurementSummaryHashType.NONE
    )
    nonce: bytes = wire(Bytes(NONCE_BYTES))
    requester_context: bytes | None = wire(
        Bytes(REQUESTER_CONTEXT_BYTES),
        when=this.version >= SpdmVersion.V1_3,
        default=bytes(REQUESTER_CONTEXT_BYTES),
    )


@message
class ChallengeAuth(SpdmMessage):
    """CHALLENGE_AUTH: the signature (DSP0274, CHALLENGE_AUTH).

    The slot has four bits here; in 1.0 the whole byte is the slot. The nonce is the responder's own.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CHALLENGE_AUTH)
    slot_id: int = wire(Bits(4), default=0)
    reserved_param1: int = wire(Bits(3), default=0)
    # SPDM_U7: BasicMutAuthReq is deprecated from 1.2, and yet the reference emulator sets it.
    basic_mut_auth_req: bool = wire(Bit, default=False)
    """From 1.1: the responder asks for the requester's signature next."""
    slot_mask: int = wire(Byte, default=0)
    """Slots that hold a certificate chain, bit by slot."""
    cert_chain_hash: bytes = wire(Sized("digest"))
    """As in DIGESTS; of the public key, in DER, where it was provisioned out of band."""
    nonce: bytes = wire(Bytes(NONCE_BYTES))
    measurement_summary_hash: bytes = wire(Sized("summary"), default=b"")
    opaque_data_length: int = wire(U16, default=AUTO)
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")
    requester_context: bytes | None = wire(
        Bytes(REQUESTER_CONTEXT_BYTES),
        when=this.version >= SpdmVersion.V1_3,
        default=bytes(REQUESTER_CONTEXT_BYTES),
    )
    signature: bytes = wire(Sized("signature"))
