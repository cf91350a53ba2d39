"""What the relay of guest requests does in each revision: what the registers mean, what is handed along.

Document: AMD 58271 and the kernel's KVM side for each revision, as SEV-TIO's "GHCB exits" and "Host answer path" tell
them. Nothing here performs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from pytio.clients.psp.exits import register_bytes
from pytio.sev.exits import guest_message_type
from pytio.sev.ghcb import MmioParameter, SdteParameter
from pytio.sev.tio_codes import PAGE_BYTES, EvidenceFlags, Revision
from pytio.tdisp import TdiState

__all__ = ("RELAY_MANNERS", "MmioPages", "RelayManner")

_RCX_PAGES_SHIFT: Final = 32
_EVERYTHING: Final = EvidenceFlags.CERTIFICATES | EvidenceFlags.MEASUREMENTS | EvidenceFlags.REPORT


@attrs.frozen
class MmioPages:
    """The pages that an MMIO request is about.

    Attributes:
        gpa: where the guest sees the first one.
        count: how many.
        bar: of which BAR.
        is_private: whether they are to become the guest's own, or the hypervisor's again.
    """

    gpa: int
    count: int
    bar: int
    is_private: bool


def _by_order(rdx: int, rcx: int) -> MmioPages:
    asked = MmioParameter.parse(register_bytes(rdx))
    return MmioPages(asked.gpa, asked.size_bytes // PAGE_BYTES, asked.range_number, asked.is_private)


def _by_order_without_t(rdx: int, rcx: int) -> MmioPages:
    """R1 has no T: pages become the guest's when it asks, and the hypervisor's when the interface is unbound."""
    return attrs.evolve(_by_order(rdx, rcx), is_private=True)


def _by_count(rdx: int, rcx: int) -> MmioPages:
    """N has the number of pages in RCX; where there is none, it is the order's as before."""
    pages = _by_order(rdx, rcx)
    return attrs.evolve(pages, count=rcx >> _RCX_PAGES_SHIFT or pages.count)


def _pages(rbx: int) -> int:
    return rbx


def _pages_or_bytes(rbx: int) -> int:
    """A guest of R1 passes bytes by mistake; no area has so many pages."""
    return rbx // PAGE_BYTES if rbx >= PAGE_BYTES else rbx


def _everything(rdx: int) -> EvidenceFlags:
    return EvidenceFlags.STATE | _EVERYTHING


def _report_means_everything(rdx: int) -> EvidenceFlags:
    """P2 has one flag for evidence, and brings along all there is of it."""
    flags = EvidenceFlags(rdx)
    return flags | _EVERYTHING if flags & EvidenceFlags.REPORT else flags & EvidenceFlags.STATE


def _wire_state(state: TdiState) -> int:
    return int(state)


def _wire_state_and_one(state: TdiState) -> int:
    return int(state) + 1


@attrs.frozen
class RelayManner:
    """What the relay of one revision does.

    Attributes:
        revision: whose manner it is.
        mmio_pages: which pages RDX and RCX name.
        area_pages: how many pages RBX says the data area has.
        evidence: what RDX asks for with TDI_INFO.
        state: RDX after TDI_INFO.
        binds_on_request: whether an interface that is not bound is bound when its guest first asks about it.
        has_whole_bars: whether MMIO pages have to be all of a BAR.
        are_mmio_pages_immutable: whether pages are immutable while the firmware validates, and reclaimed after it.
        has_sdte_bit: whether RDX of SDTE_WRITE says if the entry is set or cleared; without it, it is set.
        takes_nonce: whether the data area begins with a nonce for fresh measurements.
        has_tdi_id: whether the firmware names interfaces by an id of its own, which the guest is told.
    """

    revision: Revision
    mmio_pages: Callable[[int, int], MmioPages] = _by_order
    area_pages: Callable[[int], int] = _pages
    evidence: Callable[[int], EvidenceFlags] = _report_means_everything
    state: Callable[[TdiState], int] = _wire_state
    binds_on_request: bool = False
    has_whole_bars: bool = False
    are_mmio_pages_immutable: bool = True
    has_sdte_bit: bool = True
    takes_nonce: bool = False
    has_tdi_id: bool = False

    def message_name(self, msg_type: int) -> str:
        """Return what a message is, by the MSG_TYPE that travels in clear."""
        return guest_message_type(self.revision, msg_type).name

    def is_sdte_set(self, rdx: int) -> bool:
        """Return whether an SDTE_WRITE lets the device in."""
        return not self.has_sdte_bit or SdteParameter.parse(register_bytes(rdx)).validate


def _manners(*manners: RelayManner) -> Mapping[Revision, RelayManner]:
    return MappingProxyType({manner.revision: manner for manner in manners})


RELAY_MANNERS: Final = _manners(
    RelayManner(
        Revision.R1,
        mmio_pages=_by_order_without_t,
        area_pages=_pages_or_bytes,
        evidence=_everything,
        state=_wire_state_and_one,
        binds_on_request=True,
        has_whole_bars=True,
        are_mmio_pages_immutable=False,
        has_sdte_bit=False,
    ),
    RelayManner(
        Revision.R2,
        evidence=_everything,
        binds_on_request=True,
        are_mmio_pages_immutable=False,
        has_sdte_bit=False,
    ),
    RelayManner(Revision.P2),
    RelayManner(Revision.N, mmio_pages=_by_count, evidence=EvidenceFlags, takes_nonce=True, has_tdi_id=True),
)
"""The manner of each revision that has guests; U has none."""
