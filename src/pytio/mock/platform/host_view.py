"""Memory as the hypervisor has it: pages to allocate, and faults where a page is not its own.

Document: AMD 24593, "RMP checks": the host reads every page, and sees ciphertext in those of a guest; it writes only
pages that are not assigned.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import PytioError
from pytio.mock.platform.memory import Memory
from pytio.mock.platform.rmp import Rmp, RmpViolation
from pytio.sev.rmp import PageState, RmpEntry
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("FIRST_FREE", "HostMemory", "OutOfMemoryError")

FIRST_FREE: Final = 1 << 20
"""Where allocation begins, in bytes: the first megabyte is left alone, so that a null pointer names no page."""


class OutOfMemoryError(PytioError):
    """No such number of pages is free in one piece."""

    def __init__(self, pages: int) -> None:
        """Say how many were asked for."""
        super().__init__(pages)
        self.pages = pages

    def __str__(self) -> str:
        """Say what is missing."""
        return f"{self.pages} pages in one piece are not free"


class HostMemory:
    """What a hypervisor may do with memory."""

    def __init__(self, memory: Memory, rmp: Rmp) -> None:
        """Look at memory through the RMP; everything from `FIRST_FREE` on is free."""
        self._memory = memory
        self._rmp = rmp
        self._free = {FIRST_FREE // PAGE_BYTES: max(memory.size_bytes - FIRST_FREE, 0) // PAGE_BYTES}

    def allocate(self, pages: int, *, alignment: int = PAGE_BYTES) -> int:
        """Return the physical address of zeroed pages in one piece, aligned to ``alignment`` bytes.

        Raises:
            OutOfMemoryError: there is no such piece.
            ValueError: no page, or an alignment that is no whole number of pages.
        """
        if pages < 1 or alignment < PAGE_BYTES or alignment % PAGE_BYTES:
            raise ValueError(f"{pages} pages cannot be aligned to {alignment} bytes")
        step = alignment // PAGE_BYTES
        for first, count in sorted(self._free.items()):
            start = -(-first // step) * step
            if start + pages <= first + count:
                self._split(first, count, start, pages)
                self.write(start * PAGE_BYTES, bytes(pages * PAGE_BYTES))
                return start * PAGE_BYTES
        raise OutOfMemoryError(pages)

    def _split(self, first: int, count: int, start: int, pages: int) -> None:
        del self._free[first]
        if start > first:
            self._free[first] = start - first
        if (rest := first + count - start - pages) > 0:
            self._free[start + pages] = rest

    def free(self, paddr: int, pages: int) -> None:
        """Give pages back.

        Raises:
            RmpViolation: one of them is not the hypervisor's: whoever got it next would fault.
            ValueError: the address does not begin a page, or a page is free already.
        """
        number = paddr // PAGE_BYTES
        taken = any(first < number + pages and number < first + count for first, count in self._free.items())
        if paddr % PAGE_BYTES or taken:
            raise ValueError(f"{pages} pages at {paddr:#x} are not allocated")
        for at in range(paddr, paddr + pages * PAGE_BYTES, PAGE_BYTES):
            if (state := self._rmp.state(at)) is not PageState.HYPERVISOR:
                raise RmpViolation(at, state, "giving it back to the allocator")
        self._free[number] = pages
        self._merge()

    def _merge(self) -> None:
        merged: dict[int, int] = {}
        last = -1
        for first, count in sorted(self._free.items()):
            if last in merged and last + merged[last] == first:
                merged[last] += count
            else:
                merged[first], last = count, first
        self._free = merged

    @property
    def free_pages(self) -> int:
        """How many pages are free."""
        return sum(self._free.values())

    def read(self, paddr: int, size: int) -> bytes:
        """Return bytes as they are in memory: ciphertext in a guest's pages. Raises MemoryRangeError."""
        return self._memory.read(paddr, size)

    def write(self, paddr: int, data: bytes) -> None:
        """Write bytes.

        Raises:
            RmpViolation: a page is assigned, to the firmware or to a guest; nothing is written.
            MemoryRangeError: some of them are outside of memory.
        """
        self._rmp.check_shared_write(paddr, len(data))
        self._memory.write(paddr, data)

    def rmp_update(self, paddr: int, entry: RmpEntry) -> None:
        """Do what RMPUPDATE does; raises RmpViolation where hardware refuses, ValueError for a wrong address."""
        self._rmp.update(paddr, entry)
