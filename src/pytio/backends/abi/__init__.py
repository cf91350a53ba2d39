"""The argument blocks with which a VMM hands a device to a guest: VFIO, KVM, iommufd. Bytes only; nothing is called.

Documents: the kernel's ``linux/vfio.h``, ``linux/kvm.h``, ``linux/iommufd.h``, the SEV-TIO RFCs, and the iommufd TSM
series of May 2026. Numbers of proposals are not settled (`LINUX_U4`): a kernel that is not known to have one may have
given its number to something else, and the docstring of such a block says so.
"""

from pytio.backends.abi.iommufd import (
    IommuDestroy,
    IommuIoasAlloc,
    IommuVdeviceAlloc,
    IommuVdeviceTsmOp,
    IommuVdeviceTsmRequest,
    IommuViommuAlloc,
    RfcVdeviceTsmBind,
    RfcVdeviceTsmGuestRequest,
    TsmOp,
    TsmRequestScope,
)
from pytio.backends.abi.kvm import KvmCreateDevice, KvmDeviceAttr, RfcVfioTdi, VfioDeviceGroup
from pytio.backends.abi.vfio import VfioAttachIommufd, VfioBindIommufd, VfioDetachIommufd

__all__ = (
    "IommuDestroy",
    "IommuIoasAlloc",
    "IommuVdeviceAlloc",
    "IommuVdeviceTsmOp",
    "IommuVdeviceTsmRequest",
    "IommuViommuAlloc",
    "KvmCreateDevice",
    "KvmDeviceAttr",
    "RfcVdeviceTsmBind",
    "RfcVdeviceTsmGuestRequest",
    "RfcVfioTdi",
    "TsmOp",
    "TsmRequestScope",
    "VfioAttachIommufd",
    "VfioBindIommufd",
    "VfioDetachIommufd",
    "VfioDeviceGroup",
)
