"""Fences: what keeps the traffic of a guest's devices from passing a root port, each way.

Document: AMD 58271, "TIO_ASID_FENCE_CLEAR" and "TIO_ASID_FENCE_STATUS". When a fence closes and opens is the firmware's
business; the IOMMU, and the CPU's side of MMIO, look at it.
"""

from __future__ import annotations

from typing import Final

from pytio.ids import Bdf
from pytio.sev.structures import AsidFence
from pytio.sev.tio_codes import DmaFenceState, MmioFenceState

__all__ = ("FENCED_BY_DEFAULT", "FenceTable")

FENCED_BY_DEFAULT: Final = AsidFence(dma=DmaFenceState.FENCED_BY_DEFAULT, mmio=MmioFenceState.FENCED)
"""What a fence is before the firmware opens it."""


class FenceTable:
    """The fences of all ASIDs at all root ports."""

    def __init__(self) -> None:
        """Fence everything."""
        self._fences: dict[tuple[Bdf, int], AsidFence] = {}

    def state(self, root_port: Bdf, asid: int) -> AsidFence:
        """Return the fence of an ASID at a root port."""
        return self._fences.get((root_port, asid), FENCED_BY_DEFAULT)

    def set(self, root_port: Bdf, asid: int, fence: AsidFence) -> None:
        """Close or open a fence."""
        self._fences[root_port, asid] = fence

    def blocks_dma(self, root_port: Bdf, asid: int) -> bool:
        """Return whether trusted DMA for an ASID is fenced off."""
        return self.state(root_port, asid).dma != DmaFenceState.NOT_FENCED

    def blocks_mmio(self, root_port: Bdf, asid: int) -> bool:
        """Return whether trusted MMIO of an ASID is fenced off."""
        return self.state(root_port, asid).mmio != MmioFenceState.NOT_FENCED
