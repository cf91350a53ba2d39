"""The platform under firmware, hypervisor and guests: memory whose pages have owners, and ports that are encrypted.

`Memory` is what the hardware holds, `Rmp` whose each page is; `HostMemory` and `GuestMemory` are what a hypervisor and
a guest may do with it, `Iommu` what a device may. A `RootPort` is where devices are attached, a `Platform` all of it.
"""

from pytio.mock.platform.fences import FENCED_BY_DEFAULT, FenceTable
from pytio.mock.platform.guest_view import GuestMemory, NestedPageFault
from pytio.mock.platform.host_view import HostMemory, OutOfMemoryError
from pytio.mock.platform.iommu import DeviceTableEntry, DmaFault, Iommu, IommuEvent, IoPageTable, Origin
from pytio.mock.platform.memory import HOST_ASID, Memory, MemoryRangeError
from pytio.mock.platform.platform import EXAMPLE_ROOT_PORT, Asids, Platform, RootPortConfig
from pytio.mock.platform.rmp import TRANSITIONS, Rmp, RmpStep, RmpViolation
from pytio.mock.platform.root_port import Interrupt, RootPort

__all__ = (
    "EXAMPLE_ROOT_PORT",
    "FENCED_BY_DEFAULT",
    "HOST_ASID",
    "TRANSITIONS",
    "Asids",
    "DeviceTableEntry",
    "DmaFault",
    "FenceTable",
    "GuestMemory",
    "HostMemory",
    "Interrupt",
    "IoPageTable",
    "Iommu",
    "IommuEvent",
    "Memory",
    "MemoryRangeError",
    "NestedPageFault",
    "Origin",
    "OutOfMemoryError",
    "Platform",
    "Rmp",
    "RmpStep",
    "RmpViolation",
    "RootPort",
    "RootPortConfig",
)
