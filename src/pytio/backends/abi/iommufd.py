"""Blocks of ``/dev/iommu``: objects, and the proposals for binding a device to a confidential guest.

Document: the kernel's ``linux/iommufd.h``. Each block begins with its own size. The ioctl numbers are of type ``;`` and
carry no size.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import DecodeError
from pytio.wire import U32, U64, Integer, OpenCode, OpenEnum, WireStruct, message, wire

__all__ = (
    "IOMMU_DESTROY",
    "IOMMU_IOAS_ALLOC",
    "IOMMU_VDEVICE_ALLOC",
    "IOMMU_VDEVICE_TSM_OP",
    "IOMMU_VDEVICE_TSM_REQ",
    "IOMMU_VIOMMU_ALLOC",
    "RFC_VDEVICE_TSM_BIND",
    "RFC_VDEVICE_TSM_GUEST_REQUEST",
    "S32",
    "IommuDestroy",
    "IommuIoasAlloc",
    "IommuVdeviceAlloc",
    "IommuVdeviceTsmOp",
    "IommuVdeviceTsmRequest",
    "IommuViommuAlloc",
    "RfcVdeviceTsmBind",
    "RfcVdeviceTsmGuestRequest",
    "TsmOp",
    "TsmRequestScope",
)

IOMMU_DESTROY: Final = 0x3B80
"""Takes `IommuDestroy`."""
IOMMU_IOAS_ALLOC: Final = 0x3B81
"""Takes `IommuIoasAlloc`."""
IOMMU_VIOMMU_ALLOC: Final = 0x3B90
"""Takes `IommuViommuAlloc`."""
IOMMU_VDEVICE_ALLOC: Final = 0x3B91
"""Takes `IommuVdeviceAlloc`."""
RFC_VDEVICE_TSM_BIND: Final = 0x3B93
"""Takes `RfcVdeviceTsmBind`; mainline gave the number to the allocation of event queues."""
RFC_VDEVICE_TSM_GUEST_REQUEST: Final = 0x3B94
"""Takes `RfcVdeviceTsmGuestRequest`; mainline gave the number to the allocation of hardware queues."""
IOMMU_VDEVICE_TSM_OP: Final = 0x3B95
"""Takes `IommuVdeviceTsmOp`; proposed (`LINUX_U4`)."""
IOMMU_VDEVICE_TSM_REQ: Final = 0x3B96
"""Takes `IommuVdeviceTsmRequest`; proposed (`LINUX_U4`)."""
S32: Final = Integer(4, signed=True)
"""A file descriptor."""


class TsmOp(OpenEnum):
    """What `IommuVdeviceTsmOp` does."""

    BIND = 1
    UNBIND = 2


class TsmRequestScope(OpenEnum):
    """What a guest's request may touch."""

    INFO = 0
    STATE_CHANGE = 1
    DEBUG_READ = 2
    DEBUG_WRITE = 3


class _Block(WireStruct, errors=DecodeError):
    __slots__ = ()


@message
class IommuDestroy(_Block):
    """struct iommu_destroy, 8 bytes."""

    size: int = wire(U32, default=8)
    id: int = wire(U32)


@message
class IommuIoasAlloc(_Block):
    """struct iommu_ioas_alloc, 12 bytes."""

    size: int = wire(U32, default=12)
    flags: int = wire(U32, default=0)
    out_ioas_id: int = wire(U32, default=0)


@message
class IommuViommuAlloc(_Block):
    """struct iommu_viommu_alloc, 40 bytes."""

    size: int = wire(U32, default=40)
    flags: int = wire(U32, default=0)
    type: int = wire(U32)
    dev_id: int = wire(U32)
    hwpt_id: int = wire(U32)
    out_viommu_id: int = wire(U32, default=0)
    data_len: int = wire(U32, default=0)
    reserved: int = wire(U32, default=0)
    data_uptr: int = wire(U64, default=0)


@message
class IommuVdeviceAlloc(_Block):
    """struct iommu_vdevice_alloc, 24 bytes."""

    size: int = wire(U32, default=24)
    viommu_id: int = wire(U32)
    dev_id: int = wire(U32)
    out_vdevice_id: int = wire(U32, default=0)
    virt_id: int = wire(U64)
    """The routing id that the guest sees, on AMD."""


@message
class RfcVdeviceTsmBind(_Block):
    """The RFC of February 2025, 24 bytes: bind; never to be issued on a kernel that is not known to be the RFC's."""

    size: int = wire(U32, default=24)
    viommu_id: int = wire(U32)
    dev_id: int = wire(U32)
    vdevice_id: int = wire(U32)
    kvm_fd: int = wire(S32)
    reserved: int = wire(U32, default=0)


@message
class RfcVdeviceTsmGuestRequest(_Block):
    """The RFC of February 2025, 44 bytes, packed: a guest's request; never on another kernel."""

    size: int = wire(U32, default=44)
    viommu_id: int = wire(U32)
    dev_id: int = wire(U32)
    vdevice_id: int = wire(U32)
    request_uptr: int = wire(U64)
    response_uptr: int = wire(U64)
    response_len: int = wire(U32)
    request_len: int = wire(U32)
    firmware_error: int = wire(S32, default=0)


@message
class IommuVdeviceTsmOp(_Block):
    """The proposal of May 2026, 16 bytes: bind or unbind (`LINUX_U4`)."""

    size: int = wire(U32, default=16)
    type: TsmOp = wire(OpenCode(U32, TsmOp))
    flags: int = wire(U32, default=0)
    vdevice_id: int = wire(U32)


@message
class IommuVdeviceTsmRequest(_Block):
    """The proposal of May 2026, 40 bytes: a guest's request; a positive result is what was left over (`LINUX_U4`)."""

    size: int = wire(U32, default=40)
    vdevice_id: int = wire(U32)
    scope: TsmRequestScope = wire(OpenCode(U32, TsmRequestScope))
    request_len: int = wire(U32)
    response_len: int = wire(U32)
    reserved: int = wire(U32, default=0)
    request_uptr: int = wire(U64)
    response_uptr: int = wire(U64)
