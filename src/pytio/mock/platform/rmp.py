"""RMP: whose each page is, and who may change that: one table of steps.

Document: AMD 24593, "Reverse map table", "RMPUPDATE", "PVALIDATE"; AMD 56860, "Page states" and "SNP_PAGE_RECLAIM". The
host changes what is not immutable, the firmware everything, a guest whether its own pages are validated. The firmware's
own pages cannot be told apart by the host; the table can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs

from pytio.errors import PytioError
from pytio.sev.rmp import PageState, RmpEntry, page_state
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("HUGE_PAGE_BYTES", "TRANSITIONS", "Rmp", "RmpStep", "RmpViolation")

HUGE_PAGE_BYTES: Final = 1 << 21
"""The larger of the two page sizes."""


class RmpStep(Enum):
    """What moves a page from one state to another; the value says who does it, and how."""

    TO_HYPERVISOR = "host, RMPUPDATE: assigned 0"
    TO_FIRMWARE = "host, RMPUPDATE: assigned 1, immutable 1, gpa 0, asid 0"
    TO_GUEST_IMMUTABLE = "host, RMPUPDATE: assigned 1, immutable 1, another gpa or asid"
    TO_GUEST = "host, RMPUPDATE: assigned 1, immutable 0, another gpa or asid"
    FREEZE = "host, RMPUPDATE: immutable 1, gpa and asid as they were"
    REPEAT = "host, RMPUPDATE: immutable 0, gpa and asid as they were"
    PVALIDATE = "guest, PVALIDATE: validated 1"
    PVALIDATE_RESCIND = "guest, PVALIDATE: validated 0"
    RECLAIM = "firmware, SNP_PAGE_RECLAIM"
    LAUNCH_UPDATE = "firmware, SNP_LAUNCH_UPDATE"
    VALIDATE = "firmware, MMIO_VALIDATE: validated 1"
    INVALIDATE = "firmware, MMIO_VALIDATE: validated 0"
    CREATE_CONTEXT = "firmware, SNP_GCTX_CREATE"
    DELETE_CONTEXT = "firmware, SNP_DECOMMISSION"
    FIX = "firmware, SNP_PAGE_SET_STATE"
    CREATE_METADATA = "firmware, a page of its own"


_HOSTS_TO_GIVE: Final = (PageState.HYPERVISOR, PageState.RECLAIM, PageState.GUEST_INVALID, PageState.GUEST_VALID)
_HOST_STEPS: Final = MappingProxyType(
    {
        RmpStep.TO_HYPERVISOR: PageState.HYPERVISOR,
        RmpStep.TO_FIRMWARE: PageState.FIRMWARE,
        RmpStep.TO_GUEST_IMMUTABLE: PageState.PRE_GUEST,
        RmpStep.TO_GUEST: PageState.GUEST_INVALID,
    }
)

TRANSITIONS: Final[Mapping[tuple[PageState, RmpStep], PageState]] = MappingProxyType(
    {
        **{(state, step): after for state in _HOSTS_TO_GIVE for step, after in _HOST_STEPS.items()},
        # the same guest at the same place keeps what it validated
        (PageState.GUEST_INVALID, RmpStep.FREEZE): PageState.PRE_GUEST,
        (PageState.GUEST_INVALID, RmpStep.REPEAT): PageState.GUEST_INVALID,
        (PageState.GUEST_VALID, RmpStep.FREEZE): PageState.PRE_SWAP,
        (PageState.GUEST_VALID, RmpStep.REPEAT): PageState.GUEST_VALID,
        (PageState.GUEST_INVALID, RmpStep.PVALIDATE): PageState.GUEST_VALID,
        (PageState.GUEST_VALID, RmpStep.PVALIDATE): PageState.GUEST_VALID,
        (PageState.GUEST_VALID, RmpStep.PVALIDATE_RESCIND): PageState.GUEST_INVALID,
        (PageState.GUEST_INVALID, RmpStep.PVALIDATE_RESCIND): PageState.GUEST_INVALID,
        (PageState.FIRMWARE, RmpStep.RECLAIM): PageState.RECLAIM,
        (PageState.METADATA, RmpStep.RECLAIM): PageState.RECLAIM,
        (PageState.PRE_GUEST, RmpStep.RECLAIM): PageState.GUEST_INVALID,
        (PageState.PRE_SWAP, RmpStep.RECLAIM): PageState.GUEST_VALID,
        (PageState.PRE_GUEST, RmpStep.LAUNCH_UPDATE): PageState.GUEST_VALID,
        (PageState.PRE_GUEST, RmpStep.VALIDATE): PageState.PRE_SWAP,
        (PageState.PRE_SWAP, RmpStep.VALIDATE): PageState.PRE_SWAP,
        (PageState.GUEST_INVALID, RmpStep.VALIDATE): PageState.GUEST_VALID,
        (PageState.GUEST_VALID, RmpStep.VALIDATE): PageState.GUEST_VALID,
        (PageState.PRE_GUEST, RmpStep.INVALIDATE): PageState.PRE_GUEST,
        (PageState.PRE_SWAP, RmpStep.INVALIDATE): PageState.PRE_GUEST,
        (PageState.GUEST_INVALID, RmpStep.INVALIDATE): PageState.GUEST_INVALID,
        (PageState.GUEST_VALID, RmpStep.INVALIDATE): PageState.GUEST_INVALID,
        (PageState.FIRMWARE, RmpStep.CREATE_CONTEXT): PageState.CONTEXT,
        (PageState.CONTEXT, RmpStep.DELETE_CONTEXT): PageState.FIRMWARE,
        (PageState.FIRMWARE, RmpStep.CREATE_METADATA): PageState.METADATA,
        (PageState.FIRMWARE, RmpStep.FIX): PageState.HV_FIXED,
    }
)
"""From a page's state, by a step, to its next state; what is missing is refused."""

_FACTS: Final = MappingProxyType(
    {
        # assigned, immutable, validated; whether it is a guest's is told by the entry
        PageState.HYPERVISOR: (0, 0, False),
        PageState.RECLAIM: (1, 0, False),
        PageState.FIRMWARE: (1, 1, False),
        PageState.HV_FIXED: (0, 1, False),
        PageState.CONTEXT: (1, 1, False),
        PageState.METADATA: (1, 1, False),
        PageState.PRE_GUEST: (1, 1, False),
        PageState.GUEST_INVALID: (1, 0, False),
        PageState.GUEST_VALID: (1, 0, True),
        PageState.PRE_SWAP: (1, 1, True),
    }
)
_OF_GUESTS: Final = frozenset({PageState.PRE_GUEST, PageState.GUEST_INVALID, PageState.GUEST_VALID, PageState.PRE_SWAP})


class RmpViolation(PytioError):  # noqa: N818  hardware calls it a fault, not an error
    """An access, or a change, that the RMP does not allow."""

    def __init__(self, paddr: int, state: PageState, wanted: str) -> None:
        """Name the page's physical address, its state, and what was tried."""
        super().__init__(paddr, state, wanted)
        self.paddr = paddr
        self.state = state
        self.wanted = wanted

    def __str__(self) -> str:
        """Say what was refused."""
        return f"page {self.paddr:#x} is {self.state.value}: {self.wanted} is refused"


@attrs.frozen
class _Page:
    entry: RmpEntry
    state: PageState


_BLANK: Final = _Page(RmpEntry(), PageState.HYPERVISOR)


class Rmp:
    """Every page of the system address space, memory and MMIO; a page that nobody touched is the hypervisor's."""

    def __init__(self) -> None:
        """Leave every page to the hypervisor."""
        self._pages: dict[int, _Page] = {}

    def entry(self, paddr: int) -> RmpEntry:
        """Return the entry of the page around an address."""
        return self._page(paddr).entry

    def state(self, paddr: int) -> PageState:
        """Return the state of the page around an address."""
        return self._page(paddr).state

    def is_validated(self, paddr: int) -> bool:
        """Return whether the page around an address is validated."""
        return _FACTS[self.state(paddr)][2]

    # the host

    def update(self, paddr: int, entry: RmpEntry) -> None:
        """Do what RMPUPDATE does: give a page to the firmware or to a guest, or take it back.

        Raises:
            RmpViolation: the page is immutable, or no host makes such a page.
            ValueError: the address does not begin a page of that size, or the guest's address does not.
        """
        size = HUGE_PAGE_BYTES if entry.pagesize else PAGE_BYTES
        if paddr % size or entry.gpa % size:
            raise ValueError(f"{paddr:#x} and {entry.gpa:#x} do not both begin a page of {size} bytes")
        updates = [
            (paddr + at, entry.replace(gpa=entry.gpa + at) if entry.asid else entry)
            for at in range(0, size, PAGE_BYTES)
        ]
        for at, each in updates:  # all of them, or none
            self._next(at, self._host_step(at, each))
        for at, each in updates:
            self._take(at, self._host_step(at, each), each)

    def _host_step(self, paddr: int, new: RmpEntry) -> RmpStep:
        """Return what the operand of RMPUPDATE asks for."""
        old = self.entry(paddr)
        wanted = _update_text(new)
        try:
            state = page_state(new)
        except ValueError:
            raise RmpViolation(paddr, self.state(paddr), wanted) from None
        if state in (PageState.RECLAIM, PageState.HV_FIXED) or (not new.asid and new.gpa):
            raise RmpViolation(paddr, self.state(paddr), wanted)
        if state in (PageState.HYPERVISOR, PageState.FIRMWARE):
            return RmpStep.TO_HYPERVISOR if state is PageState.HYPERVISOR else RmpStep.TO_FIRMWARE
        is_same = (old.asid, old.gpa, old.pagesize) == (new.asid, new.gpa, new.pagesize)
        if is_same:
            return RmpStep.FREEZE if new.immutable else RmpStep.REPEAT
        return RmpStep.TO_GUEST_IMMUTABLE if new.immutable else RmpStep.TO_GUEST

    # a guest

    def pvalidate(self, paddr: int, gpa: int, asid: int, *, is_validated: bool = True) -> None:
        """Do what PVALIDATE does for a page that nested paging found for a guest.

        Raises:
            RmpViolation: the page is not the guest's at that address, or it is immutable.
        """
        entry = self.entry(paddr)
        if (entry.asid, entry.gpa) != (asid, gpa - gpa % PAGE_BYTES):
            raise RmpViolation(paddr, self.state(paddr), f"PVALIDATE by ASID {asid} at {gpa:#x}")
        self.step(paddr, RmpStep.PVALIDATE if is_validated else RmpStep.PVALIDATE_RESCIND)

    # the firmware

    def step(self, paddr: int, step: RmpStep) -> None:
        """Take a page one step further; raises RmpViolation where the table has no such step."""
        self._take(paddr, step, self.entry(paddr))

    def reclaim(self, paddr: int) -> None:
        """Do what SNP_PAGE_RECLAIM does; raises RmpViolation if the page is not immutable, or a context."""
        self.step(paddr, RmpStep.RECLAIM)

    def set_validated(self, paddr: int, is_validated: bool = True) -> None:
        """Set or clear Validated for the firmware; raises RmpViolation if the page is not a guest's."""
        self.step(paddr, RmpStep.VALIDATE if is_validated else RmpStep.INVALIDATE)

    def firmware_set(self, paddr: int, entry: RmpEntry, *, is_validated: bool = False) -> None:
        """Write an entry, whatever was there; raises ValueError if no state looks like that."""
        self._pages[paddr // PAGE_BYTES] = _Page(entry, page_state(entry, is_validated=is_validated))

    # checks of accesses

    def check_shared_write(self, paddr: int, size: int) -> None:
        """Check a write without a guest's key, by host, device or guest; raises RmpViolation for an assigned page."""
        for page in _pages(paddr, size):
            if self.entry(page).assigned:
                raise RmpViolation(page, self.state(page), "a write to shared memory")

    def check_private(self, paddr: int, gpa: int, asid: int) -> None:
        """Check an access with a guest's key to one page.

        Raises:
            RmpViolation: the page is not the guest's, is mapped at another address, or is not validated.
        """
        entry = self.entry(paddr)
        is_own = bool(entry.assigned) and (entry.asid, entry.gpa) == (asid, gpa - gpa % PAGE_BYTES)
        if not is_own or not self.is_validated(paddr):
            raise RmpViolation(paddr, self.state(paddr), f"private access by ASID {asid} at {gpa:#x}")

    def _page(self, paddr: int) -> _Page:
        return self._pages.get(paddr // PAGE_BYTES, _BLANK)

    def _next(self, paddr: int, step: RmpStep) -> PageState:
        state = self.state(paddr)
        after = TRANSITIONS.get((state, step))
        if after is None:
            raise RmpViolation(paddr, state, step.value)
        return after

    def _take(self, paddr: int, step: RmpStep, entry: RmpEntry) -> None:
        after = self._next(paddr, step)
        assigned, immutable, _ = _FACTS[after]
        kept = entry if after in _OF_GUESTS else RmpEntry(pagesize=entry.pagesize if assigned else 0)
        self._pages[paddr // PAGE_BYTES] = _Page(kept.replace(assigned=assigned, immutable=immutable), after)


def _pages(paddr: int, size: int) -> Iterator[int]:
    """Yield the address of every page of a range."""
    yield from range(paddr - paddr % PAGE_BYTES, paddr + size, PAGE_BYTES)


def _update_text(entry: RmpEntry) -> str:
    """Return an operand of RMPUPDATE in words."""
    facts = ("assigned", "immutable", "asid")
    return "RMPUPDATE: " + ", ".join(f"{name} {getattr(entry, name)}" for name in facts) + f", gpa {entry.gpa:#x}"
