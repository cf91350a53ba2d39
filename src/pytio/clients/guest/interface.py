"""An interface as its guest has it: names, BARs, and how far it is trusted.

Document: SEV-TIO's "Interface report": which ranges a guest uses, and where they are in its memory. Linux takes the
lowest page of a range id for the BAR's first in any case, and misses those of a BAR whose beginning is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from pytio.clients.guest.attestation import Attestation
from pytio.clients.guest.manner import MmioSpan
from pytio.errors import VerificationError
from pytio.ids import Bdf
from pytio.sev.tio_codes import PAGE_BYTES
from pytio.tdisp import InterfaceReport, MmioAttributes, MmioRange

__all__ = ("GuestBar", "GuestInterface", "usable_spans")

_NOT_USABLE = MmioAttributes.IS_NON_TEE_MEM | MmioAttributes.MSI_X_TABLE | MmioAttributes.MSI_X_PBA


@attrs.frozen
class GuestBar:
    """A BAR where the guest has it: physical address and size, in bytes."""

    gpa: int
    size: int


@attrs.define
class GuestInterface:
    """An interface of a guest.

    Attributes:
        function: its address in the guest, whose requester id names it to the hypervisor.
        bars: its memory BARs, by number.
        tdi_id: the firmware's name for it, in N, since the last bind.
        attestation: what it was trusted for.
        validated: the pages that are the guest's own.
        is_bound: whether the hypervisor was told to bind it.
        is_started: whether the hypervisor was told to start it.
        is_dma_open: whether its device table entry lets it into the guest's memory.
    """

    function: Bdf
    bars: Mapping[int, GuestBar]
    tdi_id: int = 0
    attestation: Attestation | None = None
    validated: list[MmioSpan] = attrs.field(factory=list)
    is_bound: bool = False
    is_started: bool = False
    is_dma_open: bool = False

    @property
    def guest_rid(self) -> int:
        """What names it to the hypervisor."""
        return self.function.requester_id

    @property
    def is_trusted(self) -> bool:
        """Whether anything of the guest is open to it."""
        return self.is_dma_open or bool(self.validated)


def usable_spans(report: InterfaceReport, bars: Mapping[int, GuestBar]) -> Iterator[MmioSpan]:
    """Yield the pages that a guest uses privately: neither shared memory nor MSI-X.

    Where all of a BAR is reported, its first page is the lowest one of its range id. Where a part is missing, as pages
    of MSI-X are that were not locked, the report alone does not say which; a BAR is aligned to its size, and the
    reporting offset is 0 (`SEV_A28`), so that the address itself says it.

    Raises:
        VerificationError: a range is of a BAR that the guest has not, or outside of it.
    """
    extents: dict[int, list[int]] = {}
    for each in report.mmio_ranges:
        extents.setdefault(each.range_id, []).extend((each.first_page, each.first_page + each.page_count))
    for each in report.mmio_ranges:
        if not each.attributes & _NOT_USABLE and each.page_count:
            lowest, end = min(extents[each.range_id]), max(extents[each.range_id])
            yield _span(each, lowest, end - lowest, bars)


def _span(found: MmioRange, lowest: int, extent: int, bars: Mapping[int, GuestBar]) -> MmioSpan:
    bar = bars.get(found.range_id)
    bar_pages = bar.size // PAGE_BYTES if bar is not None else 0
    skipped = 0 if not bar_pages or extent == bar_pages else lowest % bar_pages
    in_range = found.first_page - lowest
    if bar is None or skipped + in_range + found.page_count > bar_pages:
        where = f"{found.page_count} pages at page {skipped + in_range} of range {found.range_id}"
        raise VerificationError(f"the interface report: the guest has no BAR with {where}", (found.build(),))
    return MmioSpan(bar.gpa + (skipped + in_range) * PAGE_BYTES, found.page_count, found.range_id, in_range)
