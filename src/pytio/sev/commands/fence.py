"""Command buffers of fences: what keeps a guest's traffic from passing after an error, or before all is set up.

Document: AMD 58271, "TIO_ASID_FENCE_CLEAR", "TIO_ASID_FENCE_STATUS". R1 and R2 name a root port, by its requester id;
later revisions name a device.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.sev.sla import Sla
from pytio.wire import U16, U32, U64, Byte, Bytes, Nested, WireStruct, message, wire

__all__ = ("TioAsidFenceClear", "TioAsidFenceClearR1", "TioAsidFenceStatus", "TioAsidFenceStatusR1")


@message
class TioAsidFenceClearR1(WireStruct, errors=SevDecodeError):
    """TIO_ASID_FENCE_CLEAR of R1 and R2, 32 bytes."""

    length: int = wire(U32, default=32)
    reserved: int = wire(U32, default=0)
    gctx_paddr: int = wire(U64)
    device_id: int = wire(U16)
    """Requester id of the root port."""
    segment_id: int = wire(Byte, default=0)
    reserved_end: bytes = wire(Bytes(13), default=bytes(13))


@message
class TioAsidFenceClear(WireStruct, errors=SevDecodeError):
    """TIO_ASID_FENCE_CLEAR, 32 bytes."""

    length: int = wire(U32, default=32)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class TioAsidFenceStatusR1(WireStruct, errors=SevDecodeError):
    """TIO_ASID_FENCE_STATUS of R1 and R2, 32 bytes: write a `pytio.sev.structures.AsidFenceR1`."""

    length: int = wire(U32, default=32)
    asid: int = wire(U32)
    status_paddr: int = wire(U64)
    device_id: int = wire(U16)
    """Requester id of the root port."""
    segment_id: int = wire(Byte, default=0)
    reserved_end: bytes = wire(Bytes(13), default=bytes(13))


@message
class TioAsidFenceStatus(WireStruct, errors=SevDecodeError):
    """TIO_ASID_FENCE_STATUS, 32 bytes: write a `pytio.sev.structures.AsidFence`; the address is not aligned."""

    length: int = wire(U32, default=32)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    asid: int = wire(U32)
    status_paddr: int = wire(U64)
    reserved_end: int = wire(U32, default=0)
