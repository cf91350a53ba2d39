"""The four messages that carry requests of the responder and the requester's answers (DSP0274, from 1.1).

What they carry is a whole SPDM message without a length of its own: it runs to the end of the bytes, and where the
transport pads (DOE, to four bytes), the padding stays with it. Its true length follows from its own fields only. Get
it from its class, found by its second byte::

    inner, size = GetCertificate.parse_prefix(carrier.encapsulated_request)
    trimmed = carrier.encapsulated_request[:size]      # what enters a transcript

This file does not look inside.
"""

from __future__ import annotations

from pytio.spdm.codes import EncapsulatedPayloadType, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import REST, Byte, Bytes, OpenCode, fixed, message, this, wire

__all__ = (
    "DeliverEncapsulatedResponse",
    "EncapsulatedRequest",
    "EncapsulatedResponseAck",
    "GetEncapsulatedRequest",
)

_RESERVED_BYTES = 3


@message
class GetEncapsulatedRequest(SpdmMessage):
    """GET_ENCAPSULATED_REQUEST: ask what the responder wants to know (DSP0274, GET_ENCAPSULATED_REQUEST)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_ENCAPSULATED_REQUEST)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class EncapsulatedRequest(SpdmMessage):
    """ENCAPSULATED_REQUEST: the responder's request (DSP0274, ENCAPSULATED_REQUEST)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.ENCAPSULATED_REQUEST)
    request_id: int = wire(Byte)
    reserved_param2: int = wire(Byte, default=0)
    encapsulated_request: bytes = wire(Bytes(REST))
    """A whole SPDM request, and the transport's padding, if any."""


@message
class DeliverEncapsulatedResponse(SpdmMessage):
    """DELIVER_ENCAPSULATED_RESPONSE: the requester's answer or its ERROR (DSP0274, DELIVER_ENCAPSULATED_RESPONSE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.DELIVER_ENCAPSULATED_RESPONSE)
    request_id: int = wire(Byte)
    """Repeats that of the request; 0 for the implicit GET_DIGESTS of KEY_EXCHANGE_RSP."""
    reserved_param2: int = wire(Byte, default=0)
    encapsulated_response: bytes = wire(Bytes(REST))
    """A whole SPDM response, and the transport's padding, if any."""


@message
class EncapsulatedResponseAck(SpdmMessage):
    """ENCAPSULATED_RESPONSE_ACK: the answer has arrived; next request (DSP0274, ENCAPSULATED_RESPONSE_ACK).

    In 1.1 the payload follows the four-byte header. The reference implementation then writes the requester's slot where
    1.2 has it, beyond the end of the message that it sends, so ``req_slot_id`` reads 0.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.ENCAPSULATED_RESPONSE_ACK)
    request_id: int = wire(Byte, default=0)
    """Of the next request; 0 where the flow ends."""
    payload_type: EncapsulatedPayloadType = wire(
        OpenCode(Byte, EncapsulatedPayloadType), default=EncapsulatedPayloadType.ABSENT
    )
    ack_request_id: int | None = wire(Byte, when=this.version >= SpdmVersion.V1_2, default=0)
    """Of the request whose answer this acknowledges; from 1.2."""
    reserved: bytes | None = wire(
        Bytes(_RESERVED_BYTES), when=this.version >= SpdmVersion.V1_2, default=bytes(_RESERVED_BYTES)
    )
    req_slot_id: int | None = wire(
        Byte, when=this.payload_type == EncapsulatedPayloadType.REQ_SLOT_NUMBER, default=None
    )
    """The requester's slot to authenticate with."""
    encapsulated_request: bytes | None = wire(
        Bytes(REST),
        when=(this.payload_type != EncapsulatedPayloadType.ABSENT)
        & (this.payload_type != EncapsulatedPayloadType.REQ_SLOT_NUMBER),
        default=None,
    )
    """A whole SPDM request, and the transport's padding, if any; whatever follows where the payload type is unknown."""
