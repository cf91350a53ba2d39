"""IOMMU: which memory a device reaches, by the host's entry for it and by the firmware's.

Document: AMD 48882, "Device Table"; AMD 58271, "SDTE_WRITE". T=0 goes by the host's entry alone, and never reaches what
is private. T=1 needs both entries: below vTOM it reaches private memory of the guest, at or above it shared memory.
Whatever is blocked reads as all ones or is dropped, and leaves an event.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

import attrs

from pytio.ids import Bdf, StreamId
from pytio.mock.platform.fences import FenceTable
from pytio.mock.platform.memory import HOST_ASID, Memory, MemoryRangeError
from pytio.mock.platform.rmp import Rmp, RmpViolation
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("DeviceTableEntry", "DmaFault", "Iommu", "IommuEvent", "IoPageTable", "Origin")

_ALL_ONES: Final = b"\xff"
_RP_ID_MASK: Final = 0x1F


class DmaFault(Enum):
    """Why a request was blocked, in the order in which it is looked at."""

    NO_ENTRY = "the host has no device table entry for the requester"
    NOT_SECURE = "T=1, and the firmware has no valid secure entry for the requester"
    WRONG_ORIGIN = "T=1, and the request came through another root port or stream than the secure entry says"
    FENCED = "T=1, and the ASID is fenced off at the root port"
    NOT_PERMITTED = "an entry that counts lets the device not read, or not write"
    NOT_TRUSTED = "T=1, and the host's entry is not for trusted page tables, or of another domain than the firmware's"
    NOT_MAPPED = "the host's page table has no such address"
    RMP_VIOLATION = "the page belongs to somebody else"
    NO_MEMORY = "there is no memory at the address"


class IoPageTable:
    """A host's page table for one domain: which physical page is behind which address of the device."""

    def __init__(self) -> None:
        """Map nothing."""
        self._pages: dict[int, int] = {}

    def map(self, address: int, paddr: int, pages: int = 1) -> None:
        """Map pages in one piece; raises ValueError if an address does not begin a page."""
        if address % PAGE_BYTES or paddr % PAGE_BYTES:
            raise ValueError(f"{address:#x} and {paddr:#x} do not both begin a page")
        for number in range(pages):
            self._pages[address // PAGE_BYTES + number] = paddr // PAGE_BYTES + number

    def unmap(self, address: int, pages: int = 1) -> None:
        """Take pages out; one that is not there is no mistake."""
        for number in range(pages):
            self._pages.pop(address // PAGE_BYTES + number, None)

    def find(self, address: int) -> int | None:
        """Return the physical address, None where nothing is mapped."""
        page = self._pages.get(address // PAGE_BYTES)
        return None if page is None else page * PAGE_BYTES + address % PAGE_BYTES


@attrs.frozen
class DeviceTableEntry:
    """What the host says about a requester."""

    domain_id: int = 0
    ir: bool = True
    """The device may read."""
    iw: bool = True
    """The device may write."""
    is_trusted: bool = False
    """The page table is one for secure entries: without it T=1 is blocked."""
    page_table: IoPageTable | None = None
    """None for no translation: an address is a physical address."""


@attrs.frozen
class Origin:
    """Where a request came from."""

    root_port: Bdf
    port_number: int
    stream_id: StreamId | None
    """None for a request in clear."""


@attrs.frozen
class IommuEvent:
    """A request that was blocked."""

    requester_id: int
    address: int
    size: int
    is_write: bool
    is_tee: bool
    fault: DmaFault


@attrs.frozen
class _Secure:
    """What the firmware says about a requester."""

    sdte: Sdte
    asid: int


@attrs.frozen
class _Request:
    """One request, of one page, and the entries for it."""

    requester_id: int
    address: int
    size: int
    is_write: bool
    is_tee: bool
    origin: Origin | None
    entry: DeviceTableEntry | None
    secure: _Secure | None

    @property
    def is_private(self) -> bool:
        """Whether it goes to private memory: T=1 below vTOM; a vTOM that is not enabled leaves nothing private."""
        if not self.is_tee or self.secure is None:
            return False
        return self.secure.sdte.vtom_en and self.address < self.secure.sdte.vtom_address


class Iommu:
    """The device tables of one segment, and the DMA that goes through them.

    Attributes:
        events: what was blocked.
        fences: of ASIDs at root ports; the firmware sets them.
    """

    def __init__(self, memory: Memory, rmp: Rmp) -> None:
        """Block everything."""
        self.events: list[IommuEvent] = []
        self.fences = FenceTable()
        self._memory = memory
        self._rmp = rmp
        self._entries: dict[int, DeviceTableEntry] = {}
        self._secure: dict[int, _Secure] = {}

    # the host's table

    def set_dte(self, requester_id: int, entry: DeviceTableEntry | None) -> None:
        """Set the host's entry for a requester; None takes it away."""
        if entry is None:
            self._entries.pop(requester_id, None)
        else:
            self._entries[requester_id] = entry

    def dte(self, requester_id: int) -> DeviceTableEntry | None:
        """Return the host's entry for a requester."""
        return self._entries.get(requester_id)

    # the firmware's table

    def set_sdte(self, requester_id: int, sdte: Sdte, asid: int) -> None:
        """Set the secure entry for a requester, complete with what the firmware fills in, and the guest's ASID.

        T=1 has to come through the root port whose port number is in RP_ID and the stream of IDE_STREAM_ID[0], and
        the host's entry has to have the same DOMAIN_ID.
        """
        self._secure[requester_id] = _Secure(sdte, asid)

    def clear_sdte(self, requester_id: int) -> None:
        """Take the secure entry away; one that is not there is no mistake."""
        self._secure.pop(requester_id, None)

    def sdte(self, requester_id: int) -> Sdte | None:
        """Return the secure entry for a requester."""
        found = self._secure.get(requester_id)
        return None if found is None else found.sdte

    # DMA

    def dma_read(
        self, requester_id: int, address: int, size: int, tee: bool = False, *, origin: Origin | None = None
    ) -> bytes:
        """Return what a device reads; all ones in a page that is blocked, and an event.

        Without an ``origin`` neither root port, stream nor fence is looked at.
        """
        read = b""
        for at, part in _pages(address, size):
            request = self._request(requester_id, at, part, False, tee, origin)
            found = self._perform(request)
            read += _ALL_ONES * part if found is None else found
        return read

    def dma_write(
        self, requester_id: int, address: int, data: bytes, tee: bool = False, *, origin: Origin | None = None
    ) -> None:
        """Write what a device writes; what goes to a page that is blocked is dropped, and leaves an event."""
        for at, part in _pages(address, len(data)):
            request = self._request(requester_id, at, part, True, tee, origin)
            self._perform(request, data[at - address : at - address + part])

    def _request(
        self, requester_id: int, address: int, size: int, is_write: bool, is_tee: bool, origin: Origin | None
    ) -> _Request:
        entry, secure = self._entries.get(requester_id), self._secure.get(requester_id)
        return _Request(requester_id, address, size, is_write, is_tee, origin, entry, secure)

    def _perform(self, request: _Request, data: bytes = b"") -> bytes | None:
        """Do a request within one page, and return what was read; None if it was blocked."""
        fault = next((fault for fault, is_so in _CHECKS if is_so(self, request)), None)
        if fault is None:
            try:
                return self._access(request, data)
            except RmpViolation:
                fault = DmaFault.RMP_VIOLATION
            except MemoryRangeError:
                fault = DmaFault.NO_MEMORY
        self.events.append(
            IommuEvent(request.requester_id, request.address, request.size, request.is_write, request.is_tee, fault)
        )
        return None

    def _access(self, request: _Request, data: bytes) -> bytes:
        paddr = self._translate(request)
        assert paddr is not None
        asid = HOST_ASID
        if request.is_private:
            assert request.secure is not None
            asid = request.secure.asid
            self._rmp.check_private(paddr, request.address, asid)
        elif request.is_write:  # a read of somebody's private page gives ciphertext
            self._rmp.check_shared_write(paddr, request.size)
        if not request.is_write:
            return self._memory.read(paddr, request.size, asid)
        self._memory.write(paddr, data, asid)
        return b""

    def _translate(self, request: _Request) -> int | None:
        """Return the physical address, by the host's page table as it is now: there is no IOTLB to be stale."""
        assert request.entry is not None
        table = request.entry.page_table
        return request.address if table is None else table.find(request.address)

    # what is looked at, each only where those before it let the request through

    def _has_no_entry(self, request: _Request) -> bool:
        return request.entry is None

    def _is_not_secure(self, request: _Request) -> bool:
        return request.is_tee and (request.secure is None or not request.secure.sdte.v)

    def _is_wrong_origin(self, request: _Request) -> bool:
        secure, origin = request.secure, request.origin
        if not request.is_tee or secure is None or origin is None:
            return False
        is_port = secure.sdte.rp_id == origin.port_number & _RP_ID_MASK
        return not is_port or secure.sdte.ide_stream_id[0] != origin.stream_id

    def _is_fenced(self, request: _Request) -> bool:
        secure, origin = request.secure, request.origin
        if not request.is_tee or secure is None or origin is None:
            return False
        return self.fences.blocks_dma(origin.root_port, secure.asid)

    def _is_not_permitted(self, request: _Request) -> bool:
        entries: list[DeviceTableEntry | Sdte] = [request.entry] if request.entry is not None else []
        if request.is_tee and request.secure is not None:
            entries.append(request.secure.sdte)
        return not all(entry.iw if request.is_write else entry.ir for entry in entries)

    def _is_not_trusted(self, request: _Request) -> bool:
        if not request.is_tee or request.entry is None or request.secure is None:
            return False
        return not request.entry.is_trusted or request.entry.domain_id != request.secure.sdte.domain_id

    def _is_not_mapped(self, request: _Request) -> bool:
        return self._translate(request) is None


_CHECKS: Final[tuple[tuple[DmaFault, Callable[[Iommu, _Request], bool]], ...]] = (
    (DmaFault.NO_ENTRY, Iommu._has_no_entry),  # noqa: SLF001  these are its own
    (DmaFault.NOT_SECURE, Iommu._is_not_secure),  # noqa: SLF001
    (DmaFault.WRONG_ORIGIN, Iommu._is_wrong_origin),  # noqa: SLF001
    (DmaFault.FENCED, Iommu._is_fenced),  # noqa: SLF001
    (DmaFault.NOT_PERMITTED, Iommu._is_not_permitted),  # noqa: SLF001
    (DmaFault.NOT_TRUSTED, Iommu._is_not_trusted),  # noqa: SLF001
    (DmaFault.NOT_MAPPED, Iommu._is_not_mapped),  # noqa: SLF001
)


def _pages(address: int, size: int) -> list[tuple[int, int]]:
    """Return where each page's part of a range begins, and its size."""
    starts = [address, *range(address - address % PAGE_BYTES + PAGE_BYTES, address + size, PAGE_BYTES)]
    ends = [*starts[1:], address + size]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True) if end > start]
