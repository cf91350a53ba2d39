"""Blocks of a VFIO device's descriptor that tie it to an iommufd.

Document: the kernel's ``linux/vfio.h``. Each block begins with its own size.
"""

from __future__ import annotations

from typing import Final

from pytio.backends.abi.iommufd import S32
from pytio.errors import DecodeError
from pytio.wire import U32, WireStruct, message, wire

__all__ = (
    "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
    "VFIO_DEVICE_BIND_IOMMUFD",
    "VFIO_DEVICE_DETACH_IOMMUFD_PT",
    "VfioAttachIommufd",
    "VfioBindIommufd",
    "VfioDetachIommufd",
)

VFIO_DEVICE_BIND_IOMMUFD: Final = 0x3B76
"""Takes `VfioBindIommufd`."""
VFIO_DEVICE_ATTACH_IOMMUFD_PT: Final = 0x3B77
"""Takes `VfioAttachIommufd`."""
VFIO_DEVICE_DETACH_IOMMUFD_PT: Final = 0x3B78
"""Takes `VfioDetachIommufd`."""


class _Block(WireStruct, errors=DecodeError):
    __slots__ = ()


@message
class VfioBindIommufd(_Block):
    """struct vfio_device_bind_iommufd, 16 bytes; a later kernel appends a token's address."""

    argsz: int = wire(U32, default=16)
    flags: int = wire(U32, default=0)
    iommufd: int = wire(S32)
    out_devid: int = wire(U32, default=0)


@message
class VfioAttachIommufd(_Block):
    """struct vfio_device_attach_iommufd_pt, 12 bytes."""

    argsz: int = wire(U32, default=12)
    flags: int = wire(U32, default=0)
    pt_id: int = wire(U32)


@message
class VfioDetachIommufd(_Block):
    """struct vfio_device_detach_iommufd_pt, 8 bytes."""

    argsz: int = wire(U32, default=8)
    flags: int = wire(U32, default=0)
