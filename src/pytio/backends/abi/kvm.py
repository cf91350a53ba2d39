"""Blocks of KVM's VFIO device, through which a guest learns of its devices; the SEV-TIO RFC binds interfaces there.

Document: the kernel's ``linux/kvm.h`` and the RFC of August 2024.
"""

from __future__ import annotations

from typing import Final

from pytio.backends.abi.iommufd import S32
from pytio.errors import DecodeError
from pytio.wire import U32, U64, OpenCode, OpenEnum, WireStruct, message, wire

__all__ = (
    "KVM_CREATE_DEVICE",
    "KVM_DEV_TYPE_VFIO",
    "KVM_GET_DEVICE_ATTR",
    "KVM_HAS_DEVICE_ATTR",
    "KVM_SET_DEVICE_ATTR",
    "RFC_TDI_BIND",
    "RFC_TDI_UNBIND",
    "KvmCreateDevice",
    "KvmDeviceAttr",
    "RfcVfioTdi",
    "VfioDeviceGroup",
)

KVM_CREATE_DEVICE: Final = 0xC00C_AEE0
"""Takes `KvmCreateDevice`, on the guest's descriptor."""
KVM_SET_DEVICE_ATTR: Final = 0x4018_AEE1
"""Takes `KvmDeviceAttr`, on the device's descriptor."""
KVM_GET_DEVICE_ATTR: Final = 0x4018_AEE2
"""Takes `KvmDeviceAttr`."""
KVM_HAS_DEVICE_ATTR: Final = 0x4018_AEE3
"""Takes `KvmDeviceAttr`."""
KVM_DEV_TYPE_VFIO: Final = 4
"""The type of KVM's VFIO device."""
RFC_TDI_BIND: Final = 1
"""Attribute of `VfioDeviceGroup.RFC_DEVICE`; its address points to `RfcVfioTdi`."""
RFC_TDI_UNBIND: Final = 2
"""Attribute of `VfioDeviceGroup.RFC_DEVICE`; its address points to `RfcVfioTdi`."""


class VfioDeviceGroup(OpenEnum):
    """Groups of attributes of KVM's VFIO device."""

    FILE = 1
    """Attributes: 1 add, 2 delete."""
    RFC_DEVICE = 2
    """Of the RFC of August 2024 only."""


class _Block(WireStruct, errors=DecodeError):
    __slots__ = ()


@message
class KvmCreateDevice(_Block):
    """struct kvm_create_device, 12 bytes."""

    type: int = wire(U32, default=KVM_DEV_TYPE_VFIO)
    fd: int = wire(S32, default=0)
    """The device's descriptor, after the call."""
    flags: int = wire(U32, default=0)


@message
class KvmDeviceAttr(_Block):
    """struct kvm_device_attr, 24 bytes."""

    flags: int = wire(U32, default=0)
    group: VfioDeviceGroup = wire(OpenCode(U32, VfioDeviceGroup))
    attr: int = wire(U64)
    addr: int = wire(U64)


@message
class RfcVfioTdi(_Block):
    """The RFC of August 2024, 8 bytes: which interface of the guest is which VFIO device."""

    guest_rid: int = wire(U32)
    vfio_fd: int = wire(S32)
