"""Pages that go to the firmware and come back: allocated, given their header, donated, reclaimed, freed.

Document: AMD 58271, "Scatter list addresses", "Buffer header", "Page ownership". A page that the firmware does not give
back is not freed, ever: whoever got it next would fault. It is kept in `PagePool.lost`, for the next recovery to try.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from pytio.clients.psp.actions import Allocate, Free, Issue, Plan, Read, RmpUpdate, Write
from pytio.clients.psp.failures import command_error
from pytio.clients.rollback import Undo, try_all
from pytio.errors import SevCommandError
from pytio.sev.commands import SnpPageReclaim
from pytio.sev.data_objects import BUFFER_HEADER_BYTES, BufferHeader
from pytio.sev.rmp import RmpEntry
from pytio.sev.sla import Sla, build_scatter_page
from pytio.sev.tio_codes import PAGE_BYTES, SevCommand

__all__ = ("FIRMWARE_PAGE", "HYPERVISOR_PAGE", "Buffer", "PagePool", "pages_for", "reclaim_page")

FIRMWARE_PAGE: Final = RmpEntry(assigned=1, immutable=1)
"""What RMPUPDATE gives a page to the firmware with."""
HYPERVISOR_PAGE: Final = RmpEntry()
"""What RMPUPDATE takes a page back with."""


def pages_for(size_bytes: int) -> int:
    """Return how many pages hold so many bytes, one at least."""
    return max(-(-size_bytes // PAGE_BYTES), 1)


def reclaim_page(paddr: int) -> Plan[None]:
    """Issue SNP_PAGE_RECLAIM for a page of 4 KiB.

    Raises:
        SevCommandError: the firmware does not give it back.
    """
    status = yield Issue(SevCommand.SNP_PAGE_RECLAIM, SnpPageReclaim(pfn=paddr // PAGE_BYTES).build())
    if status:
        raise command_error(SevCommand.SNP_PAGE_RECLAIM, status)


@attrs.frozen
class Buffer:
    """A buffer of the firmware's: its pages, and the scatter page that names them where there are several.

    Attributes:
        sla: what names it in commands.
        pages: physical addresses of its pages, in order.
        scatter_page: physical address of the scatter page; None for a buffer of one page.
        is_donated: whether the pages are the firmware's, and not the hypervisor's.
    """

    sla: Sla
    pages: tuple[int, ...]
    scatter_page: int | None
    is_donated: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of all pages, header included."""
        return len(self.pages) * PAGE_BYTES

    def read(self, offset: int, size: int) -> Plan[bytes]:
        """Read bytes, page by page.

        Raises:
            ValueError: they are outside of the buffer.
        """
        data = b""
        for paddr, count in self._parts(offset, size):
            data += yield Read(paddr, count)
        return data

    def write(self, offset: int, data: bytes) -> Plan[None]:
        """Write bytes, page by page: into a buffer that was not donated.

        Raises:
            ValueError: they are outside of the buffer.
        """
        at = 0
        for paddr, count in self._parts(offset, len(data)):
            yield Write(paddr, data[at : at + count])
            at += count

    def header(self) -> Plan[BufferHeader]:
        """Read what the firmware, or the host, has written at the start."""
        return BufferHeader.parse((yield from self.read(0, BUFFER_HEADER_BYTES)))

    def _parts(self, offset: int, size: int) -> list[tuple[int, int]]:
        if offset < 0 or size < 0 or offset + size > self.size_bytes:
            raise ValueError(f"{size} bytes at {offset} are outside of {self.size_bytes}")
        parts = []
        while size:
            page, at = divmod(offset, PAGE_BYTES)
            count = min(size, PAGE_BYTES - at)
            parts.append((self.pages[page] + at, count))
            offset, size = offset + count, size - count
        return parts


class PagePool:
    """Takes pages from the host and brings them back, whatever fails on the way.

    Attributes:
        lost: physical addresses of pages that could not be given back, and whether the firmware has them still.
    """

    def __init__(self) -> None:
        """Start without a page."""
        self.lost: dict[int, bool] = {}

    def buffer(
        self, size_bytes: int, *, is_donated: bool = True, content: Callable[[int], bytes] | None = None
    ) -> Plan[Buffer]:
        """Allocate a buffer, write its header (or what ``content`` makes of its real size), and donate its pages.

        Raises:
            ValueError: it needs more pages than a scatter page can name.
        """
        undo = Undo()
        count = pages_for(size_bytes)
        try:
            pages = []
            for _ in range(count):
                paddr = yield Allocate()
                undo.push(partial(self._free, paddr))
                pages.append(paddr)
            scatter_page = (yield from self._scatter_page(tuple(pages), undo)) if count > 1 else None
            sla = Sla.to(pages[0] if scatter_page is None else scatter_page, is_scatter_page=scatter_page is not None)
            plain = Buffer(sla, tuple(pages), scatter_page, is_donated=False)
            size = plain.size_bytes
            first = content(size) if content is not None else BufferHeader(capacity_sz=size).build()
            yield from plain.write(0, first)
            for paddr in pages if is_donated else ():
                yield RmpUpdate(paddr, FIRMWARE_PAGE)
                undo.push(partial(self._take_back, paddr))
        except Exception as error:
            yield from undo.unwind(error)
            raise
        return attrs.evolve(plain, is_donated=is_donated)

    def _scatter_page(self, pages: tuple[int, ...], undo: Undo) -> Plan[int]:
        listed = build_scatter_page(tuple(Sla.to(page) for page in pages))
        paddr: int = yield Allocate()
        undo.push(partial(self._free, paddr))
        yield Write(paddr, listed)
        return paddr

    def page(self, *, is_donated: bool) -> Plan[int]:
        """Allocate one page, zeroed, and donate it where asked."""
        paddr: int = yield Allocate()
        if is_donated:
            try:
                yield RmpUpdate(paddr, FIRMWARE_PAGE)
            except Exception as error:
                undo = Undo()
                undo.push(partial(self._free, paddr))
                yield from undo.unwind(error)
                raise
        return paddr

    def release(self, buffer: Buffer) -> Plan[None]:
        """Take every page back and free it; pages that do not come back are `lost`, and the error is raised."""
        steps = [partial(self.release_page, page, is_donated=buffer.is_donated) for page in buffer.pages]
        if buffer.scatter_page is not None:
            steps.append(partial(self.release_page, buffer.scatter_page, is_donated=False))
        yield from try_all(*steps)

    def release_page(self, paddr: int, *, is_donated: bool) -> Plan[None]:
        """Take one page back and free it; raises as `release`."""
        if is_donated:
            yield from self._take_back(paddr)
        yield from self._free(paddr)

    def _free(self, paddr: int) -> Plan[None]:
        if self.lost.get(paddr):  # it is the firmware's still
            return
        self.lost[paddr] = False
        yield Free(paddr)
        del self.lost[paddr]

    def _take_back(self, paddr: int) -> Plan[None]:
        self.lost[paddr] = True
        yield from reclaim_page(paddr)
        yield RmpUpdate(paddr, HYPERVISOR_PAGE)
        del self.lost[paddr]

    def retry_lost(self) -> Plan[None]:
        """Try once more to get back and free what was lost; what does not come back stays lost, and is raised."""
        yield from try_all(*(partial(self._retry, paddr) for paddr in sorted(self.lost)))

    def _retry(self, paddr: int) -> Plan[None]:
        if self.lost[paddr]:
            yield from self._retry_to_take_back(paddr)
        yield from self._free(paddr)

    def _retry_to_take_back(self, paddr: int) -> Plan[None]:
        refused: Exception | None = None
        try:
            yield from reclaim_page(paddr)
        except SevCommandError as error:  # it may have been reclaimed before, and only RMPUPDATE have failed
            refused = error
        try:
            yield RmpUpdate(paddr, HYPERVISOR_PAGE)
        except Exception as error:
            if refused is not None:
                raise refused from error
            raise
        self.lost[paddr] = False
