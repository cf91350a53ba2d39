"""Command buffers around a guest: its context, its launch and its ASID, as far as SEV-TIO needs a guest.

Documents: AMD 56860, "SNP_GCTX_CREATE", "SNP_LAUNCH_…", "SNP_ACTIVATE", "SNP_GUEST_STATUS", "SNP_DECOMMISSION"; the
kernel's ``psp-sev.h``. None of them begins with a LENGTH.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.sev.tio_codes import GuestState, LaunchPageType
from pytio.wire import U16, U32, U64, Bit, Bits, Byte, Bytes, OpenCode, WireStruct, message, wire

__all__ = (
    "GuestStatus",
    "PageInfo",
    "SnpActivate",
    "SnpDecommission",
    "SnpGctxCreate",
    "SnpGuestRequest",
    "SnpGuestStatusCommand",
    "SnpLaunchFinish",
    "SnpLaunchStart",
    "SnpLaunchUpdate",
)

_DIGEST_BYTES = 48


@message
class SnpGctxCreate(WireStruct, errors=SevDecodeError):
    """SNP_GCTX_CREATE, 8 bytes: make a page of the firmware the context of a guest."""

    gctx_paddr: int = wire(U64)


@message
class SnpDecommission(WireStruct, errors=SevDecodeError):
    """SNP_DECOMMISSION, 8 bytes: forget a guest; its context page is an ordinary one of the firmware again."""

    gctx_paddr: int = wire(U64)


@message
class SnpActivate(WireStruct, errors=SevDecodeError):
    """SNP_ACTIVATE, 12 bytes: give a guest its ASID."""

    gctx_paddr: int = wire(U64)
    asid: int = wire(U32)


@message
class SnpGuestStatusCommand(WireStruct, errors=SevDecodeError):
    """SNP_GUEST_STATUS, 16 bytes: write a `GuestStatus`."""

    gctx_paddr: int = wire(U64)
    status_paddr: int = wire(U64)


@message
class GuestStatus(WireStruct, errors=SevDecodeError):
    """What SNP_GUEST_STATUS writes, 32 bytes; what is behind STATE is not public (`SEV_A39`)."""

    policy: int = wire(U64, default=0)
    asid: int = wire(U32, default=0)
    """0 while the guest has none."""
    state: GuestState = wire(OpenCode(Byte, GuestState), default=GuestState.INIT)
    reserved: bytes = wire(Bytes(19), default=bytes(19))


@message
class SnpLaunchStart(WireStruct, errors=SevDecodeError):
    """SNP_LAUNCH_START, 48 bytes: begin the launch of a guest, draw its keys."""

    gctx_paddr: int = wire(U64)
    policy: int = wire(U64, default=0)
    """A `pytio.sev.GuestPolicy`, as an integer."""
    ma_gctx_paddr: int = wire(U64, default=0)
    """Context of the migration agent."""
    ma_en: bool = wire(Bit, default=False)
    imi_en: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(30), default=0)
    desired_tsc_khz: int = wire(U32, default=0)
    gosvw: bytes = wire(Bytes(16), default=bytes(16))
    """What the hypervisor says about the processor's errata; it is copied into the secrets page."""


@message
class SnpLaunchUpdate(WireStruct, errors=SevDecodeError):
    """SNP_LAUNCH_UPDATE, 32 bytes: measure a page, encrypt it in place, give it to the guest."""

    gctx_paddr: int = wire(U64)
    is_2mib: bool = wire(Bit, default=False)
    page_type: LaunchPageType = wire(Bits(3, LaunchPageType), default=LaunchPageType.NORMAL)
    imi_page: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(27), default=0)
    reserved_1: int = wire(U32, default=0)
    page_paddr: int = wire(U64)
    """The page, whose guest physical address is that of its RMP entry."""
    reserved_vmpl: int = wire(Byte, default=0)
    vmpl1_perms: int = wire(Byte, default=0)
    vmpl2_perms: int = wire(Byte, default=0)
    vmpl3_perms: int = wire(Byte, default=0)
    reserved_end: int = wire(U32, default=0)


@message
class SnpLaunchFinish(WireStruct, errors=SevDecodeError):
    """SNP_LAUNCH_FINISH, 64 bytes: the guest may run."""

    gctx_paddr: int = wire(U64)
    id_block_paddr: int = wire(U64, default=0)
    id_auth_paddr: int = wire(U64, default=0)
    id_block_en: bool = wire(Bit, default=False)
    auth_key_en: bool = wire(Bit, default=False)
    vcek_disabled: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(61), default=0)
    host_data: bytes = wire(Bytes(32), default=bytes(32))


@message
class SnpGuestRequest(WireStruct, errors=SevDecodeError):
    """SNP_GUEST_REQUEST, 24 bytes: hand over a guest's message that is not about an interface."""

    gctx_paddr: int = wire(U64)
    req_paddr: int = wire(U64)
    res_paddr: int = wire(U64)


@message
class PageInfo(WireStruct, errors=SevDecodeError):
    """PAGE_INFO, 112 bytes: its SHA-384 is the launch digest after a page."""

    digest_current: bytes = wire(Bytes(_DIGEST_BYTES))
    """The launch digest before."""
    contents: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    """SHA-384 of the page where it is measured, else zeros."""
    length: int = wire(U16, default=112)
    page_type: LaunchPageType = wire(OpenCode(Byte, LaunchPageType))
    imi_page: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)
    vmpl3_perms: int = wire(Byte, default=0)
    vmpl2_perms: int = wire(Byte, default=0)
    vmpl1_perms: int = wire(Byte, default=0)
    reserved_end: int = wire(Byte, default=0)
    gpa: int = wire(U64)
