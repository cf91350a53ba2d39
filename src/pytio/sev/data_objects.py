"""What host and firmware pass to one another beside a command: buffers, and the objects in them.

Document: AMD 58271, "SPDM control", "Buffer header", "Data objects". The firmware writes a request for the device, the
host carries it and writes the response, the firmware writes a result. The size of a response is rounded up by the
host, so that the firmware has to find its end by reading the message.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SevDecodeError
from pytio.sev.sla import NULL, Sla
from pytio.sev.tio_codes import BUFFER_GRANULE_BYTES, DataObjectId, DataObjectType, SpdmDataType
from pytio.wire import AUTO, U16, U32, Bit, Bits, Byte, Bytes, Nested, OpenCode, WireStruct, message, this, wire

__all__ = (
    "BUFFER_HEADER_BYTES",
    "RESULT_HEADER_BYTES",
    "SPDM_HEADER_BYTES",
    "BufferHeader",
    "DataObjectHeader",
    "ResultObject",
    "SpdmControl",
    "SpdmObject",
    "padded_size",
)

BUFFER_HEADER_BYTES: Final = 64
"""What stands before the payload of every buffer."""
SPDM_HEADER_BYTES: Final = 16
"""What stands before an SPDM message in a request or response object."""
RESULT_HEADER_BYTES: Final = 32
"""What stands before a result's data."""


def padded_size(size: int) -> int:
    """Return a payload's size, rounded up as PAYLOAD_SZ is."""
    return -(-size // BUFFER_GRANULE_BYTES) * BUFFER_GRANULE_BYTES


@message
class SpdmControl(WireStruct, errors=SevDecodeError):
    """SPDM_CTRL, 32 bytes: the four buffers of a device, the same for all of its connection."""

    spdm_req: Sla = wire(Nested(Sla))
    """The firmware writes requests for the device here."""
    spdm_rsp: Sla = wire(Nested(Sla))
    """The host writes the device's responses here."""
    spdm_scratch: Sla = wire(Nested(Sla))
    """The firmware's own."""
    spdm_output: Sla = wire(Nested(Sla), default=NULL)
    """The firmware writes results here; NULL where a command has none (`SEV_A5`)."""


@message
class BufferHeader(WireStruct, errors=SevDecodeError):
    """The first 64 bytes of a buffer."""

    capacity_sz: int = wire(U32)
    """Bytes of the buffer with this header; the firmware raises it where it wants a larger one."""
    payload_sz: int = wire(U32, default=0)
    """Bytes of payload, a multiple of 32."""
    is_encrypted: bool = wire(Bit, default=False)
    """The firmware parked something of its own here; requests, responses and results never are (`SEV_A6`)."""
    reserved_flags: int = wire(Bits(31), default=0)
    reserved: int = wire(U32, default=0)
    iv: bytes = wire(Bytes(16), default=bytes(16))
    authtag: bytes = wire(Bytes(16), default=bytes(16))
    reserved_end: bytes = wire(Bytes(16), default=bytes(16))


@message
class DataObjectHeader(WireStruct, errors=SevDecodeError):
    """What every data object begins with, 10 bytes: enough to tell which it is."""

    object_id: DataObjectId = wire(OpenCode(U32, DataObjectId))
    length: int = wire(U32)
    """Bytes of the object with its header."""
    version_minor: int = wire(Byte, default=0)
    version_major: int = wire(Byte, default=1)


@message
class SpdmObject(WireStruct, errors=SevDecodeError):
    """A request for a device or its response: 16 bytes, and the message without the header of its DOE object."""

    object_id: DataObjectId = wire(OpenCode(U32, DataObjectId))
    length: int = wire(U32, default=AUTO)
    version_minor: int = wire(Byte, default=0)
    version_major: int = wire(Byte, default=1)
    data_type: SpdmDataType = wire(OpenCode(Byte, SpdmDataType), default=SpdmDataType.PLAIN)
    reserved: bytes = wire(Bytes(5), default=bytes(5))
    message: bytes = wire(Bytes(this.length - SPDM_HEADER_BYTES), default=b"")


@message
class ResultObject(WireStruct, errors=SevDecodeError):
    """Certificates, measurements or an interface report: 32 bytes, and the data, whose size is exact (`SEV_A7`)."""

    object_id: DataObjectId = wire(OpenCode(U32, DataObjectId))
    length: int = wire(U32, default=AUTO)
    version_minor: int = wire(Byte, default=0)
    version_major: int = wire(Byte, default=1)
    reserved: bytes = wire(Bytes(6), default=bytes(6))
    device_id: int = wire(U16)
    """Requester id of the device, of an interface for its report."""
    segment_id: int = wire(Byte, default=0)
    data_object_type: DataObjectType = wire(OpenCode(Byte, DataObjectType), default=DataObjectType.RECORD)
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))
    data: bytes = wire(Bytes(this.length - RESULT_HEADER_BYTES), default=b"")
