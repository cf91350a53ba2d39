"""PSK_EXCHANGE and PSK_FINISH with their responses: how a session starts from a pre-shared key (DSP0274, from 1.1).

This file knows layouts only; hash sizes were negotiated, and the caller of ``parse`` gives them.
"""

from __future__ import annotations

from pytio.spdm.codes import MeasurementSummaryHashType, SessionPolicy, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, Byte, Bytes, Flags, OpenCode, Sized, fixed, message, this, wire

__all__ = ("PskExchange", "PskExchangeRsp", "PskFinish", "PskFinishRsp")


@message
class PskExchange(SpdmMessage):
    """PSK_EXCHANGE: start a session from a key that both sides hold (DSP0274, PSK_EXCHANGE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.PSK_EXCHANGE)
    measurement_summary_hash_type: MeasurementSummaryHashType = wire(
        OpenCode(Byte, MeasurementSummaryHashType), default=MeasurementSummaryHashType.NONE
    )
    session_policy: SessionPolicy = wire(Flags(Byte, SessionPolicy), default=SessionPolicy(0))
    """From 1.2; reserved before."""
    req_session_id: int = wire(U16)
    """The lower half of the session id."""
    psk_hint_length: int = wire(U16, default=AUTO)
    requester_context_length: int = wire(U16, default=AUTO)
    opaque_data_length: int = wire(U16, default=AUTO)
    psk_hint: bytes = wire(Bytes(this.psk_hint_length), default=b"")
    """Tells the responder which key."""
    requester_context: bytes = wire(Bytes(this.requester_context_length))
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")
    """Among others, the secured-message versions the requester supports (DSP0277)."""


@message
class PskExchangeRsp(SpdmMessage):
    """PSK_EXCHANGE_RSP: the responder shows that it holds the key (DSP0274, PSK_EXCHANGE_RSP)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.PSK_EXCHANGE_RSP)
    heartbeat_period_s: int = wire(Byte, default=0)
    """Seconds; 0 for no heartbeat."""
    reserved_param2: int = wire(Byte, default=0)
    rsp_session_id: int = wire(U16)
    """The upper half of the session id."""
    reserved: int = wire(U16, default=0)
    responder_context_length: int = wire(U16, default=AUTO)
    opaque_data_length: int = wire(U16, default=AUTO)
    measurement_summary_hash: bytes = wire(Sized("summary"), default=b"")
    responder_context: bytes = wire(Bytes(this.responder_context_length), default=b"")
    """Empty where the responder has PSK_CAP without context; then PSK_FINISH does not follow."""
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")
    """Among others, the secured-message version the responder selected (DSP0277)."""
    responder_verify_data: bytes = wire(Sized("verify_data"))


@message
class PskFinish(SpdmMessage):
    """PSK_FINISH: the requester shows that it holds the key (DSP0274, PSK_FINISH)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.PSK_FINISH)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    opaque_data_length: int | None = wire(U16, when=this.version >= SpdmVersion.V1_4, default=AUTO)
    opaque_data: bytes | None = wire(Bytes(this.opaque_data_length), when=this.version >= SpdmVersion.V1_4, default=b"")
    requester_verify_data: bytes = wire(Sized("verify_data"))


@message
class PskFinishRsp(SpdmMessage):
    """PSK_FINISH_RSP: the responder confirms; the session's data keys take over (DSP0274, PSK_FINISH_RSP)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.PSK_FINISH_RSP)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    opaque_data_length: int | None = wire(U16, when=this.version >= SpdmVersion.V1_4, default=AUTO)
    opaque_data: bytes | None = wire(Bytes(this.opaque_data_length), when=this.version >= SpdmVersion.V1_4, default=b"")
