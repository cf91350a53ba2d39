"""KEY_EXCHANGE and FINISH with their responses: how a session starts from certificates (DSP0274, from 1.1).

This file knows layouts only. How long the exchange data, hashes and signatures are was negotiated; the caller of
``parse`` gives those sizes.
"""

from __future__ import annotations

from pytio.spdm.codes import (
    NONCE_BYTES,
    MeasurementSummaryHashType,
    MutAuthRequested,
    SessionPolicy,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, Bit, Bits, Byte, Bytes, Flags, OpenCode, Sized, fixed, message, this, wire

__all__ = ("Finish", "FinishRsp", "KeyExchange", "KeyExchangeRsp")


@message
class KeyExchange(SpdmMessage):
    """KEY_EXCHANGE: start a session that a certificate authenticates (DSP0274, KEY_EXCHANGE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.KEY_EXCHANGE)
    measurement_summary_hash_type: MeasurementSummaryHashType = wire(
        OpenCode(Byte, MeasurementSummaryHashType), default=MeasurementSummaryHashType.NONE
    )
    slot_id: int = wire(Byte, default=0)
    """The responder's slot, or 0xFF for its provisioned public key."""
    req_session_id: int = wire(U16)
    """The lower half of the session id."""
    session_policy: SessionPolicy = wire(Flags(Byte, SessionPolicy), default=SessionPolicy(0))
    """From 1.2; reserved before."""
    reserved: int = wire(Byte, default=0)
    random_data: bytes = wire(Bytes(NONCE_BYTES))
    exchange_data: bytes = wire(Sized("exchange"))
    """The DHE public value, or from 1.4 the KEM encapsulation key."""
    opaque_data_length: int = wire(U16, default=AUTO)
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")
    """Among others, the secured-message versions the requester supports (DSP0277)."""


@message
class KeyExchangeRsp(SpdmMessage):
    """KEY_EXCHANGE_RSP: the responder's part of the key exchange, signed (DSP0274, KEY_EXCHANGE_RSP)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.KEY_EXCHANGE_RSP)
    heartbeat_period_s: int = wire(Byte, default=0)
    """Seconds; 0 for no heartbeat."""
    reserved_param2: int = wire(Byte, default=0)
    rsp_session_id: int = wire(U16)
    """The upper half of the session id."""
    mut_auth_requested: MutAuthRequested = wire(Flags(Byte, MutAuthRequested), default=MutAuthRequested(0))
    req_slot_id: int = wire(Bits(4), default=0)
    """The requester's slot to authenticate with, or 0xF for its provisioned public key."""
    reserved: int = wire(Bits(4), default=0)
    random_data: bytes = wire(Bytes(NONCE_BYTES))
    exchange_data: bytes = wire(Sized("exchange"))
    """The DHE public value, or from 1.4 the KEM ciphertext."""
    measurement_summary_hash: bytes = wire(Sized("summary"), default=b"")
    opaque_data_length: int = wire(U16, default=AUTO)
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")
    """Among others, the secured-message version the responder selected (DSP0277)."""
    signature: bytes = wire(Sized("signature"))
    responder_verify_data: bytes = wire(Sized("verify_data"), default=b"")
    """Empty where both sides have HANDSHAKE_IN_THE_CLEAR_CAP."""


@message
class Finish(SpdmMessage):
    """FINISH: the requester confirms the handshake, and with mutual authentication signs it (DSP0274, FINISH)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.FINISH)
    signature_included: bool = wire(Bit, default=False)
    reserved_param1: int = wire(Bits(7), default=0)
    req_slot_id: int = wire(Byte, default=0)
    """The requester's slot, or 0xFF for its provisioned public key; 0 where nothing is signed."""
    opaque_data_length: int | None = wire(U16, when=this.version >= SpdmVersion.V1_4, default=AUTO)
    opaque_data: bytes | None = wire(Bytes(this.opaque_data_length), when=this.version >= SpdmVersion.V1_4, default=b"")
    signature: bytes | None = wire(Sized("signature"), when=this.signature_included, default=None)
    requester_verify_data: bytes = wire(Sized("verify_data"))


@message
class FinishRsp(SpdmMessage):
    """FINISH_RSP: the responder confirms; the session's data keys take over (DSP0274, FINISH_RSP)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.FINISH_RSP)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    opaque_data_length: int | None = wire(U16, when=this.version >= SpdmVersion.V1_4, default=AUTO)
    opaque_data: bytes | None = wire(Bytes(this.opaque_data_length), when=this.version >= SpdmVersion.V1_4, default=b"")
    responder_verify_data: bytes = wire(Sized("verify_data"), default=b"")
    """There only where both sides have HANDSHAKE_IN_THE_CLEAR_CAP."""
