"""Memory as a guest has it: guest physical addresses, private and shared, and MMIO through root ports.

Document: AMD 24593, "RMP checks" and "Nested paging"; AMD 58271 on MMIO. The hypervisor decides which page is behind an
address, the guest whether it means to access it privately, the RMP whether that is so. A private access to MMIO is a
TLP with T=1, a shared one is a TLP with T=0. The RMP is asked for private accesses and for shared writes; a shared read
is not checked, and gets what there is: ciphertext, or what the device answers to T=0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytio.errors import PytioError
from pytio.mock.platform.memory import HOST_ASID
from pytio.sev.tio_codes import PAGE_BYTES

if TYPE_CHECKING:
    from pytio.mock.platform.platform import Platform

__all__ = ("GuestMemory", "NestedPageFault")


class NestedPageFault(PytioError):  # noqa: N818  hardware calls it a fault, not an error
    """The hypervisor has put nothing behind an address."""

    def __init__(self, gpa: int) -> None:
        """Name the guest physical address."""
        super().__init__(gpa)
        self.gpa = gpa

    def __str__(self) -> str:
        """Say where."""
        return f"nothing is mapped at guest address {self.gpa:#x}"


class GuestMemory:
    """The address space of one guest.

    Attributes:
        asid: of the guest.
    """

    def __init__(self, platform: Platform, asid: int) -> None:
        """Map nothing."""
        self.asid = asid
        self._platform = platform
        self._pages: dict[int, int] = {}

    # the hypervisor's part

    def map(self, gpa: int, paddr: int, pages: int = 1) -> None:
        """Put pages in one piece, of memory or MMIO, behind an address; raises ValueError if one begins no page."""
        if gpa % PAGE_BYTES or paddr % PAGE_BYTES:
            raise ValueError(f"{gpa:#x} and {paddr:#x} do not both begin a page")
        for at in range(0, pages * PAGE_BYTES, PAGE_BYTES):
            self._pages[gpa + at] = paddr + at

    def unmap(self, gpa: int, pages: int = 1) -> None:
        """Take pages away; one that is not there is no mistake."""
        for at in range(0, pages * PAGE_BYTES, PAGE_BYTES):
            self._pages.pop(gpa + at, None)

    def find(self, gpa: int) -> int:
        """Return the physical address behind an address; raises NestedPageFault where there is none."""
        page = self._pages.get(gpa - gpa % PAGE_BYTES)
        if page is None:
            raise NestedPageFault(gpa)
        return page + gpa % PAGE_BYTES

    # the guest's part

    def read(self, gpa: int, size: int, private: bool = True) -> bytes:
        """Read memory or MMIO.

        Raises:
            RmpViolation: the access is private, and a page is not the guest's or not validated.
            NestedPageFault: nothing is mapped there.
        """
        return b"".join(self._read_part(at, part, private) for at, part in _parts(gpa, size))

    def write(self, gpa: int, data: bytes, private: bool = True) -> None:
        """Write memory or MMIO.

        Raises:
            RmpViolation: the access is private, and a page is not the guest's or not validated; or it is shared, and
                a page is assigned.
            NestedPageFault: nothing is mapped there.
        """
        for at, part in _parts(gpa, len(data)):
            self._write_part(at, data[at - gpa : at - gpa + part], private)

    def pvalidate(self, gpa: int, pages: int = 1, *, is_validated: bool = True) -> None:
        """Accept pages as private, or give that up: PVALIDATE, page by page.

        Raises:
            RmpViolation: a page is not the guest's, or it is immutable.
            NestedPageFault: nothing is mapped there.
        """
        for at in range(gpa, gpa + pages * PAGE_BYTES, PAGE_BYTES):
            self._platform.rmp.pvalidate(self.find(at), at, self.asid, is_validated=is_validated)

    def _read_part(self, gpa: int, size: int, private: bool) -> bytes:
        platform, paddr = self._platform, self.find(gpa)
        if private:
            platform.rmp.check_private(paddr, gpa, self.asid)
        root_port = platform.root_port_at(paddr)
        if root_port is None:
            return platform.memory.read(paddr, size, self.asid if private else HOST_ASID)
        if private and platform.iommu.fences.blocks_mmio(root_port.bdf, self.asid):
            return b"\xff" * size
        return root_port.mmio_read(paddr, size, tee=private)

    def _write_part(self, gpa: int, data: bytes, private: bool) -> None:
        platform, paddr = self._platform, self.find(gpa)
        if private:
            platform.rmp.check_private(paddr, gpa, self.asid)
        else:
            platform.rmp.check_shared_write(paddr, len(data))
        root_port = platform.root_port_at(paddr)
        if root_port is None:
            platform.memory.write(paddr, data, self.asid if private else HOST_ASID)
        elif not (private and platform.iommu.fences.blocks_mmio(root_port.bdf, self.asid)):
            root_port.mmio_write(paddr, data, tee=private)


def _parts(gpa: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where each page's part of a range begins, and its size."""
    end = gpa + size
    while gpa < end:
        part = min(end, gpa - gpa % PAGE_BYTES + PAGE_BYTES) - gpa
        yield gpa, part
        gpa += part
