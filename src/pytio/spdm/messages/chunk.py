"""CHUNK_SEND and CHUNK_GET with their responses: a message larger than the receiver takes at once (DSP0274, from 1.2).

The sequence number has 16 bits, and in the two messages with chunks 16 reserved ones, up to 1.3; from 1.4 it has 32.
Putting the chunks together is not this file's to do. The response inside CHUNK_SEND_ACK has no length of its own: see
`pytio.spdm.messages.encapsulated` for how to cut it.
"""

from __future__ import annotations

from typing import Final

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, REST, U16, U32, Bit, Bits, Byte, Bytes, Switch, fixed, message, this, wire

__all__ = ("ChunkGet", "ChunkResponse", "ChunkSend", "ChunkSendAck")

_CHUNK_SEQUENCE: Final = Switch(this.version >= SpdmVersion.V1_4, {False: U16, True: U32})
"""ChunkSeqNo: 2 bytes up to 1.3, 4 bytes from 1.4."""


@message
class ChunkSend(SpdmMessage):
    """CHUNK_SEND: a part of a large request (DSP0274, CHUNK_SEND)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CHUNK_SEND)
    last_chunk: bool = wire(Bit, default=False)
    reserved_param1: int = wire(Bits(7), default=0)
    handle: int = wire(Byte)
    """Names the large request; the requester's choice."""
    chunk_seq_no: int = wire(_CHUNK_SEQUENCE)
    reserved: int | None = wire(U16, when=this.version < SpdmVersion.V1_4, default=0)
    chunk_size: int = wire(U32, default=AUTO)
    large_message_size: int | None = wire(U32, when=this.chunk_seq_no == 0, default=None)
    """Bytes of the whole request; in the first chunk only."""
    spdm_chunk: bytes = wire(Bytes(this.chunk_size))


@message
class ChunkSendAck(SpdmMessage):
    """CHUNK_SEND_ACK: the part has arrived (DSP0274, CHUNK_SEND_ACK).

    After the last part it carries the response to the large request.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CHUNK_SEND_ACK)
    early_error_detected: bool = wire(Bit, default=False)
    """The transfer ends here, and the response is an ERROR that says why."""
    reserved_param1: int = wire(Bits(7), default=0)
    handle: int = wire(Byte)
    chunk_seq_no: int = wire(_CHUNK_SEQUENCE)
    response_to_large_request: bytes = wire(Bytes(REST), default=b"")
    """A whole SPDM response, and the transport's padding, if any."""


@message
class ChunkGet(SpdmMessage):
    """CHUNK_GET: ask for a part of a large response, after an ERROR LargeResponse (DSP0274, CHUNK_GET)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CHUNK_GET)
    reserved_param1: int = wire(Byte, default=0)
    handle: int = wire(Byte)
    """As in the ERROR."""
    chunk_seq_no: int = wire(_CHUNK_SEQUENCE)


@message
class ChunkResponse(SpdmMessage):
    """CHUNK_RESPONSE: a part of a large response (DSP0274, CHUNK_RESPONSE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CHUNK_RESPONSE)
    last_chunk: bool = wire(Bit, default=False)
    reserved_param1: int = wire(Bits(7), default=0)
    handle: int = wire(Byte)
    chunk_seq_no: int = wire(_CHUNK_SEQUENCE)
    reserved: int | None = wire(U16, when=this.version < SpdmVersion.V1_4, default=0)
    chunk_size: int = wire(U32, default=AUTO)
    large_message_size: int | None = wire(U32, when=this.chunk_seq_no == 0, default=None)
    """Bytes of the whole response; in the first chunk only."""
    spdm_chunk: bytes = wire(Bytes(this.chunk_size))
