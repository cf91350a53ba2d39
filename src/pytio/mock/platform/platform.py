"""One machine: memory, RMP, IOMMU, root ports and ASIDs together, and how an address finds its way.

Firmware and hypervisor act on it, and a device is attached to the link of a root port. Nothing here knows a command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from pytio.crypto import Provider
from pytio.ide_registers import IdeCapability
from pytio.ids import Bdf
from pytio.mock.platform.guest_view import GuestMemory
from pytio.mock.platform.host_view import HostMemory
from pytio.mock.platform.iommu import Iommu
from pytio.mock.platform.memory import Memory
from pytio.mock.platform.rmp import Rmp
from pytio.mock.platform.root_port import RootPort

__all__ = ("EXAMPLE_ROOT_PORT", "Asids", "Platform", "RootPortConfig")


@attrs.frozen
class RootPortConfig:
    """A root port, and what is below it."""

    bdf: Bdf
    port_number: int
    buses: tuple[int, int]
    """The first and the last bus below it."""
    window: tuple[int, int]
    """The first and the last address of the memory below it, in whole megabytes."""
    capability: IdeCapability | None = None
    """What its IDE port can do; one selective stream by default."""


EXAMPLE_ROOT_PORT: Final = RootPortConfig(
    bdf=Bdf.parse("0000:e0:01.1"),
    port_number=2,
    buses=(0xE1, 0xE2),
    window=(0x100_0000_0000, 0x107_FFFF_FFFF),
)
"""A root port whose device is 0000:e1:00.0, with 32 GiB of memory for it, above what DRAM there may be."""


class Asids:
    """Which ASIDs are in use: from 1 on, as many as the machine has.

    Attributes:
        active: those in use.
    """

    def __init__(self, memory: Memory, count: int) -> None:
        """Use none."""
        self.count = count
        self.active: set[int] = set()
        self._memory = memory

    def activate(self, asid: int) -> None:
        """Use an ASID; raises ValueError if there is no such ASID, or it is in use."""
        if not 1 <= asid <= self.count:
            raise ValueError(f"ASID {asid} is not within 1 to {self.count}")
        if asid in self.active:
            raise ValueError(f"ASID {asid} is in use")
        self.active.add(asid)

    def release(self, asid: int) -> None:
        """Forget an ASID and its key, with which goes what it encrypted; one that is not in use is no mistake."""
        self.active.discard(asid)
        self._memory.discard(asid)


class Platform:
    """A machine.

    Attributes:
        memory: what its hardware holds.
        rmp: whose each page is.
        host: memory as the hypervisor has it.
        iommu: what devices reach.
        asids: which are in use.
        root_ports: by address.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 1 << 30,
        asid_count: int = 1006,
        root_ports: Sequence[RootPortConfig] = (EXAMPLE_ROOT_PORT,),
        provider: Provider | None = None,
    ) -> None:
        """Make a machine; ``provider`` draws the keys of its memory.

        Raises:
            ValueError: root ports share an address, a port number, a bus or memory, or their memory is DRAM.
        """
        self.memory = Memory(memory_bytes, provider=provider)
        self.rmp = Rmp()
        self.host = HostMemory(self.memory, self.rmp)
        self.iommu = Iommu(self.memory, self.rmp)
        self.asids = Asids(self.memory, asid_count)
        self.root_ports: dict[Bdf, RootPort] = {}
        for config in root_ports:
            self.add_root_port(config)

    def add_root_port(self, config: RootPortConfig) -> RootPort:
        """Add a root port; raises ValueError as the constructor does."""
        if config.window[0] < self.memory.size_bytes:
            raise ValueError(f"the memory below {config.bdf} is DRAM")
        for other in self.root_ports.values():
            self._check_apart(config, other)
        found = self.root_ports[config.bdf] = RootPort(
            config.bdf,
            config.port_number,
            iommu=self.iommu,
            buses=config.buses,
            window=config.window,
            capability=config.capability,
        )
        return found

    @staticmethod
    def _check_apart(config: RootPortConfig, other: RootPort) -> None:
        is_same_segment = config.bdf.segment == other.bdf.segment
        base, limit = other.window
        shared = (
            ("the address", config.bdf == other.bdf),
            ("the port number", is_same_segment and config.port_number == other.port_number),
            (
                "buses",
                is_same_segment and config.buses[0] < other.buses.stop and other.buses.start <= config.buses[1],
            ),
            ("memory", config.window[0] <= limit and base <= config.window[1]),
        )
        if what := next((what for what, is_so in shared if is_so), None):
            raise ValueError(f"{config.bdf} shares {what} with {other.bdf}")

    def root_port(self, segment: int, port_number: int) -> RootPort:
        """Return the root port that firmware names by segment and port number; raises KeyError if there is none."""
        for found in self.root_ports.values():
            if (found.bdf.segment, found.port_number) == (segment, port_number):
                return found
        raise KeyError(f"segment {segment} has no root port {port_number}")

    def root_port_above(self, function: Bdf) -> RootPort:
        """Return the root port above a function, or the port itself; raises KeyError if there is none."""
        for found in self.root_ports.values():
            is_below = found.bdf.segment == function.segment and function.bus in found.buses
            if is_below or found.bdf == function:
                return found
        raise KeyError(f"{function} is below no root port")

    def root_port_at(self, paddr: int) -> RootPort | None:
        """Return the root port that forwards an address to its device; None if none does, as for DRAM."""
        return next((found for found in self.root_ports.values() if found.forwards(paddr)), None)

    def is_mmio(self, paddr: int) -> bool:
        """Return whether an address is of a device, whether or not that is enabled."""
        return any(found.window[0] <= paddr <= found.window[1] for found in self.root_ports.values())

    def guest(self, asid: int) -> GuestMemory:
        """Return a new address space for the guest with an ASID, with nothing in it."""
        return GuestMemory(self, asid)

    # the host's CPU

    def config_read(self, function: Bdf, offset: int, size: int) -> bytes:
        """Read 1, 2 or 4 aligned bytes of configuration space; all ones where nobody answers.

        Raises:
            KeyError: the function is below no root port.
            ValueError: the access is not aligned, or of another size.
        """
        return self.root_port_above(function).config_read(function, offset, size)

    def config_write(self, function: Bdf, offset: int, data: bytes) -> None:
        """Write 1, 2 or 4 aligned bytes of configuration space; raises as `config_read`."""
        self.root_port_above(function).config_write(function, offset, data)

    def mmio_read(self, paddr: int, size: int) -> bytes:
        """Read MMIO as the host does, with T=0; all ones where nobody answers."""
        found = self.root_port_at(paddr)
        return b"\xff" * size if found is None else found.mmio_read(paddr, size)

    def mmio_write(self, paddr: int, data: bytes) -> None:
        """Write MMIO as the host does, with T=0.

        Raises:
            RmpViolation: a page is assigned to a guest.
        """
        self.rmp.check_shared_write(paddr, len(data))
        found = self.root_port_at(paddr)
        if found is not None:
            found.mmio_write(paddr, data)
