"""How the firmware looks at what a host names: addresses, scatter lists, the owners of pages.

Documents: AMD 58271, "Scatter list addresses", "Page ownership". What is wrong ends the command with the status that
`SEV_A12` chooses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pytio.errors import SevDecodeError
from pytio.mock.platform import MemoryRangeError, Platform
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.rmp import PageState
from pytio.sev.sla import EOL, NULL, Sla, parse_scatter_page
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("FIRMWARE_PAGES", "HUGE_PAGE_BYTES", "Pages")

HUGE_PAGE_BYTES: Final = 1 << 21
"""The larger of the two page sizes."""
FIRMWARE_PAGES: Final = frozenset({PageState.FIRMWARE})
"""Pages that the host gave away."""
_OF_FIRMWARE: Final = frozenset({PageState.CONTEXT, PageState.METADATA})


class Pages:
    """Memory as the firmware checks it."""

    def __init__(self, platform: Platform) -> None:
        """Look at a platform's memory."""
        self._platform = platform

    def read(self, paddr: int, size: int) -> bytes:
        """Return bytes; refuses with INVALID_ADDRESS what is outside of memory."""
        try:
            return self._platform.memory.read(paddr, size)
        except MemoryRangeError as error:
            raise Refused(SevStatus.INVALID_ADDRESS, str(error)) from error

    def write(self, paddr: int, data: bytes) -> None:
        """Write bytes; refuses with INVALID_ADDRESS what is outside of memory."""
        try:
            self._platform.memory.write(paddr, data)
        except MemoryRangeError as error:
            raise Refused(SevStatus.INVALID_ADDRESS, str(error)) from error

    # shapes

    def check_range(self, paddr: int, size: int, *, alignment: int = PAGE_BYTES) -> None:
        """Refuse with INVALID_ADDRESS what is not aligned, outside of memory, or crosses a page."""
        if paddr % alignment:
            raise Refused(SevStatus.INVALID_ADDRESS, f"{paddr:#x} is not aligned to {alignment} bytes")
        if paddr // PAGE_BYTES != (paddr + size - 1) // PAGE_BYTES:
            raise Refused(SevStatus.INVALID_ADDRESS, f"{size} bytes at {paddr:#x} cross a page")
        self.read(paddr, size)

    @staticmethod
    def check_shape(sla: Sla) -> None:
        """Refuse with INVALID_ADDRESS an SLA that names no buffer (`SEV_A3`)."""
        if sla.reserved or sla.reserved_high or sla == EOL:
            raise Refused(SevStatus.INVALID_ADDRESS, f"{sla} has reserved bits, or is an end mark")
        if sla.is_2mib and (sla.is_scatter_page or sla.paddr % HUGE_PAGE_BYTES):
            raise Refused(SevStatus.INVALID_ADDRESS, f"{sla} is no buffer of 2 MiB")

    def of_buffer(self, sla: Sla) -> tuple[int, ...]:
        """Return the physical addresses of a buffer's pages, in order.

        Refuses with INVALID_ADDRESS what has no shape, NULL, a scatter list without its end (`SEV_A4`), and what is
        outside of memory.
        """
        self.check_shape(sla)
        if sla == NULL:
            raise Refused(SevStatus.INVALID_ADDRESS, "no buffer")
        if sla.is_2mib:
            found = tuple(range(sla.paddr, sla.paddr + HUGE_PAGE_BYTES, PAGE_BYTES))
        else:
            found = self._listed(sla) if sla.is_scatter_page else (sla.paddr,)
        for page in found:
            self.read(page, PAGE_BYTES)
        return found

    def _listed(self, sla: Sla) -> tuple[int, ...]:
        try:
            slots = parse_scatter_page(self.read(sla.paddr, PAGE_BYTES))
        except SevDecodeError as error:
            raise Refused(SevStatus.INVALID_ADDRESS, str(error)) from error
        for slot in slots:
            self.check_shape(slot)
        if not slots or any(slot.is_2mib for slot in slots) or len(set(slots)) != len(slots):
            raise Refused(SevStatus.INVALID_ADDRESS, "a list of no page, of large pages, or of one page twice")
        return tuple(slot.paddr for slot in slots)

    # owners

    def check_states(
        self, pages: Iterable[int], states: Collection[PageState], *, asid: int = 0, is_2mib: bool = False
    ) -> None:
        """Check that each page is in one of some states, and belongs to an ASID (`SEV_A12`)."""
        for page in pages:
            entry, state = self._platform.rmp.entry(page), self._platform.rmp.state(page)
            if entry.assigned and entry.asid != asid and state not in _OF_FIRMWARE:
                raise Refused(SevStatus.INVALID_PAGE_OWNER, f"{page:#x} belongs to ASID {entry.asid}, not {asid}")
            if state not in states:
                raise Refused(SevStatus.INVALID_PAGE_STATE, f"{page:#x} is {state.value}")
            if entry.assigned and bool(entry.pagesize) is not is_2mib:
                raise Refused(SevStatus.INVALID_PAGE_SIZE, f"{page:#x} has another size in the RMP")
