"""MMIO pages that are a guest's own: given, settled after the firmware has looked, and taken back.

Document: AMD 58271, "MMIO_VALIDATE"; AMD 56860, "SNP_PAGE_RECLAIM". From P2 on a page is immutable while the firmware
looks at it; one that could not be reclaimed after that is remembered as such, for whoever takes it back.
"""

from __future__ import annotations

from functools import partial

import attrs

from pytio.clients.psp.actions import Plan, RmpUpdate
from pytio.clients.psp.memory import HYPERVISOR_PAGE, reclaim_page
from pytio.clients.rollback import try_all
from pytio.sev.rmp import RmpEntry

__all__ = ("PrivatePages",)


@attrs.frozen
class _Page:
    gpa: int
    is_immutable: bool


class PrivatePages:
    """The pages of one interface, by physical address."""

    def __init__(self) -> None:
        """Start without one."""
        self._pages: dict[int, _Page] = {}

    def __contains__(self, paddr: int) -> bool:
        """Return whether a page is the guest's."""
        return paddr in self._pages

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pages)

    def give(self, paddr: int, entry: RmpEntry) -> Plan[None]:
        """Give a page to the guest of an RMP entry."""
        yield RmpUpdate(paddr, entry)
        self._pages[paddr] = _Page(entry.gpa, bool(entry.immutable))

    def settle(self, paddr: int, *, is_private: bool) -> Plan[None]:
        """Make a page mutable where it is not, and the hypervisor's where it is not to stay the guest's.

        Raises:
            SevCommandError: the firmware does not let go of it.
        """
        page = self._pages[paddr]
        if page.is_immutable:
            yield from reclaim_page(paddr)
            self._pages[paddr] = attrs.evolve(page, is_immutable=False)
        if not is_private:
            yield RmpUpdate(paddr, HYPERVISOR_PAGE)
            del self._pages[paddr]

    def take_back(self) -> Plan[None]:
        """Make every page the hypervisor's again; every page is tried, and the first failure raised."""
        yield from try_all(*(partial(self.settle, paddr, is_private=False) for paddr in tuple(self._pages)))
