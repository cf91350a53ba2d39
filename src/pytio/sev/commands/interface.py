"""Command buffers of interfaces: make a context, bind, run, report, unbind; and requests of guests.

Document: AMD 58271, "TIO_TDI_…", "TIO_GUEST_REQUEST"; where revisions differ, the older one's class is named after it.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.ids import InterfaceId
from pytio.sev.data_objects import SpdmControl
from pytio.sev.sla import Sla
from pytio.wire import U16, U32, U64, Bit, Bits, Bytes, Nested, WireStruct, message, wire

__all__ = (
    "LockFlags",
    "TioGuestRequest",
    "TioTdiBind",
    "TioTdiBindR1",
    "TioTdiBindR2",
    "TioTdiCreate",
    "TioTdiInfo",
    "TioTdiInfoR1",
    "TioTdiReclaim",
    "TioTdiReport",
    "TioTdiStatus",
    "TioTdiUnbind",
    "TioTdiUnbindR1",
)


@message
class LockFlags(WireStruct, errors=SevDecodeError):
    """TDISP_LOCK_IF_FLAGS, 2 bytes: what the interface is locked with (`SEV_A17` says what a firmware refuses)."""

    no_fw_update: bool = wire(Bit, default=False)
    cache_line_size: bool = wire(Bit, default=False)
    """0 in a command."""
    lock_msix: bool = wire(Bit, default=False)
    bind_p2p: bool = wire(Bit, default=False)
    """0 in a command."""
    all_request_redirect: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(11), default=0)


@message
class TioTdiCreate(WireStruct, errors=SevDecodeError):
    """TIO_TDI_CREATE, 48 bytes: make an interface's context in pages that the host gives away."""

    length: int = wire(U32, default=48)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    interface_id: InterfaceId = wire(Nested(InterfaceId))
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))


@message
class TioTdiReclaim(WireStruct, errors=SevDecodeError):
    """TIO_TDI_RECLAIM, 32 bytes: give the context's pages back."""

    length: int = wire(U32, default=32)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class TioTdiBindR1(WireStruct, errors=SevDecodeError):
    """TIO_TDI_BIND of R1, 70 bytes: locks and starts at once (`SEV_A14`)."""

    length: int = wire(U32, default=70)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)
    """The guest's context page, which names the guest."""
    guest_device_id: int = wire(U16)
    """The interface's name inside the guest."""
    tdisp_lock_if_flags: LockFlags = wire(Nested(LockFlags), default=LockFlags())
    reserved_end: int = wire(U16, default=0)


@message
class TioTdiBindR2(WireStruct, errors=SevDecodeError):
    """TIO_TDI_BIND of R2, 72 bytes."""

    length: int = wire(U32, default=72)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)
    """The guest's context page, which names the guest."""
    guest_device_id: int = wire(U16)
    """The interface's name inside the guest."""
    tdisp_lock_if_flags: LockFlags = wire(Nested(LockFlags), default=LockFlags())
    run: bool = wire(Bit, default=False)
    """Start the interface, which was locked before; without it, lock."""
    reserved_run: int = wire(Bits(15), default=0)
    reserved_end: int = wire(U16, default=0)


@message
class TioTdiBind(WireStruct, errors=SevDecodeError):
    """TIO_TDI_BIND, 80 bytes: lock an interface for a guest, or start it."""

    length: int = wire(U32, default=80)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)
    """The guest's context page, which names the guest."""
    guest_device_id: int = wire(U16)
    """The interface's name inside the guest."""
    tdisp_lock_if_flags: LockFlags = wire(Nested(LockFlags), default=LockFlags())
    run: bool = wire(Bit, default=False)
    """Start the interface, which was locked before; without it, lock."""
    reserved_run: int = wire(Bits(15), default=0)
    reserved_end: bytes = wire(Bytes(10), default=bytes(10))


@message
class TioTdiUnbindR1(WireStruct, errors=SevDecodeError):
    """TIO_TDI_UNBIND of R1 and R2, 64 bytes."""

    length: int = wire(U32, default=64)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)


@message
class TioTdiUnbind(WireStruct, errors=SevDecodeError):
    """TIO_TDI_UNBIND, 64 bytes."""

    length: int = wire(U32, default=64)
    force: bool = wire(Bit, default=False)
    """Without a word to the device."""
    reserved_flags: int = wire(Bits(31), default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)


@message
class TioTdiReport(WireStruct, errors=SevDecodeError):
    """TIO_TDI_REPORT, 64 bytes: read the interface report again."""

    length: int = wire(U32, default=64)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)


@message
class TioTdiStatus(WireStruct, errors=SevDecodeError):
    """TIO_TDI_STATUS, 64 bytes: ask the device; write a `pytio.sev.structures.TdiStatus`."""

    length: int = wire(U32, default=64)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    status_paddr: int = wire(U64)


@message
class TioTdiInfoR1(WireStruct, errors=SevDecodeError):
    """TIO_TDI_INFO of R1, 40 bytes."""

    length: int = wire(U32, default=40)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    status_length: int = wire(U32)
    """Bytes there are for the information."""
    reserved_1: int = wire(U32, default=0)
    status_paddr: int = wire(U64)


@message
class TioTdiInfo(WireStruct, errors=SevDecodeError):
    """TIO_TDI_INFO, 48 bytes: write a `pytio.sev.structures.TdiInfo`."""

    length: int = wire(U32, default=48)
    reserved: int = wire(U32, default=0)
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    status_paddr: int = wire(U64)
    reserved_end: bytes = wire(Bytes(16), default=bytes(16))


@message
class TioGuestRequest(WireStruct, errors=SevDecodeError):
    """TIO_GUEST_REQUEST, 80 bytes: hand a guest's encrypted message over, and its answer back."""

    length: int = wire(U32, default=80)
    reserved: int = wire(U32, default=0)
    spdm_ctrl: SpdmControl = wire(Nested(SpdmControl))
    dev_ctx_sla: Sla = wire(Nested(Sla))
    tdi_ctx_sla: Sla = wire(Nested(Sla))
    gctx_paddr: int = wire(U64)
    req_paddr: int = wire(U64)
    res_paddr: int = wire(U64)
