"""Command buffers of devices: make a context, connect, ask, disconnect.

Document: AMD 58271, "TIO_DEV_…", "TIO_ROLL_KEY"; where revisions differ, the older one's class is named after it.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SevDecodeError
from pytio.sev.data_objects import SpdmControl
from pytio.sev.sla import Sla
from pytio.wire import U16, U32, U64, Array, Bit, Bits, Byte, Bytes, Nested, WireStruct, message, wire

__all__ = (
    "TRAFFIC_CLASSES",
    "UNUSED_STREAM",
    "TioDevCertificates",
    "TioDevConnect",
    "TioDevCreate",
    "TioDevDisconnect",
    "TioDevMeasurements",
    "TioDevMeasurementsR1",
    "TioDevReclaim",
    "TioDevStatus",
    "TioDevStatusR1",
    "TioRollKey",
)

TRAFFIC_CLASSES: Final = 8
"""Traffic classes, each of which may have an IDE stream."""
UNUSED_STREAM: Final = 0xFF
"""The stream of a traffic class that has none, from U on; R1 and R2 write 0."""


@message
class TioDevCreate(WireStruct, errors=SevDecodeError):
    """TIO_DEV_CREATE, 32 bytes: make a device's context in pages that the host gives away."""

    length: int = wire(U32, default=32)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    """The context, and from then on the device's handle: the very same value is passed again (`SEV_A18`)."""
    device_id: int = wire(U16)
    """Requester id of the function with the DOE mailbox."""
    root_port_id: int = wire(U16, default=0)
    """Port Number of the root port's Link Capabilities (bits 31:24), no requester id; 0 in R1."""
    segment_id: int = wire(Byte, default=0)
    reserved_end: bytes = wire(Bytes(11), default=bytes(11))


@message
class TioDevReclaim(WireStruct, errors=SevDecodeError):
    """TIO_DEV_RECLAIM, 16 bytes: give the context's pages back."""

    length: int = wire(U32, default=16)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))


@message
class TioDevConnect(WireStruct, errors=SevDecodeError):
    """TIO_DEV_CONNECT, 80 bytes: authenticate the device, start a session, program IDE keys."""

    length: int = wire(U32, default=80)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    reserved_1: bytes = wire(Bytes(8), default=bytes(8))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tc_mask: int = wire(Byte, default=1)
    """Traffic classes that get an IDE stream; bit 0 is mandatory."""
    cert_slot: int = wire(Byte, default=0)
    reserved_2: bytes = wire(Bytes(6), default=bytes(6))
    ide_stream_id: tuple[int, ...] = wire(Array(TRAFFIC_CLASSES, Byte), default=(0, *[UNUSED_STREAM] * 7))
    """Stream of each traffic class."""
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class TioDevDisconnect(WireStruct, errors=SevDecodeError):
    """TIO_DEV_DISCONNECT, 48 bytes."""

    length: int = wire(U32, default=48)
    force: bool = wire(Bit, default=False)
    """Without a word to the device."""
    reserved_flags: int = wire(Bits(31), default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))


@message
class TioDevStatusR1(WireStruct, errors=SevDecodeError):
    """TIO_DEV_STATUS of R1 and R2, 28 bytes: packed, so that the address is not aligned."""

    length: int = wire(U32, default=28)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    status_length: int = wire(U32)
    """Bytes there are for the status."""
    status_paddr: int = wire(U64)


@message
class TioDevStatus(WireStruct, errors=SevDecodeError):
    """TIO_DEV_STATUS, 32 bytes: write a `pytio.sev.structures.DeviceStatus`."""

    length: int = wire(U32, default=32)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    status_paddr: int = wire(U64)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class TioDevMeasurementsR1(WireStruct, errors=SevDecodeError):
    """TIO_DEV_MEASUREMENTS of R1, 48 bytes: the nonce is the firmware's."""

    length: int = wire(U32, default=48)
    raw_bitstream: bool = wire(Bit, default=False)
    """Ask for raw bit streams instead of digests."""
    reserved_flags: int = wire(Bits(31), default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))


@message
class TioDevMeasurements(WireStruct, errors=SevDecodeError):
    """TIO_DEV_MEASUREMENTS, 80 bytes."""

    length: int = wire(U32, default=80)
    raw_bitstream: bool = wire(Bit, default=False)
    """Ask for raw bit streams instead of digests."""
    reserved_flags: int = wire(Bits(31), default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    meas_nonce: bytes = wire(Bytes(32))
    """The nonce of GET_MEASUREMENTS."""


@message
class TioDevCertificates(WireStruct, errors=SevDecodeError):
    """TIO_DEV_CERTIFICATES, 48 bytes: read the certificates again."""

    length: int = wire(U32, default=48)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))


@message
class TioRollKey(WireStruct, errors=SevDecodeError):
    """TIO_ROLL_KEY, 48 bytes: refresh the IDE keys of all streams."""

    length: int = wire(U32, default=48)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
