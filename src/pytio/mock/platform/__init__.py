"""The platform under firmware, hypervisor and guests: memory whose pages have owners.

`Memory` is what the hardware holds, `Rmp` whose each page is, and `HostMemory` what a hypervisor may do with them.
"""

from pytio.mock.platform.host_view import HostMemory, OutOfMemoryError
from pytio.mock.platform.memory import HOST_ASID, Memory, MemoryRangeError
from pytio.mock.platform.rmp import TRANSITIONS, Rmp, RmpStep, RmpViolation

__all__ = (
    "HOST_ASID",
    "TRANSITIONS",
    "HostMemory",
    "Memory",
    "MemoryRangeError",
    "OutOfMemoryError",
    "Rmp",
    "RmpStep",
    "RmpViolation",
)
