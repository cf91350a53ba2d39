"""Resizable BAR and VF Resizable BAR (15h, 24h).

Document: PCIe Base 6.x sections 7.8.6 and 7.8.7.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability, PciStruct
from pytio.registers import Register
from pytio.wire import REST, Array, Bits, Nested, message, wire

__all__ = (
    "ResizableBar",
    "ResizableBarCapability",
    "ResizableBarControl",
    "ResizableBarEntry",
)


@message
class ResizableBarCapability(Register):
    """Resizable BAR Capability Register, 4 bytes."""

    reserved_3_0: int = wire(Bits(4), default=0)
    supported_sizes: int = wire(Bits(28), default=0)
    """bit n stands for 1 MiB, shifted left by n"""


@message
class ResizableBarControl(Register):
    """Resizable BAR Control Register, 4 bytes."""

    bar_index: int = wire(Bits(3), default=0)
    reserved_4_3: int = wire(Bits(2), default=0)
    number_of_resizable_bars: int = wire(Bits(3), default=0)
    """in the first one"""
    bar_size: int = wire(Bits(6), default=0)
    """1 MiB, shifted left by this"""
    reserved_15_14: int = wire(Bits(2), default=0)
    supported_sizes_extended: int = wire(Bits(16), default=0)
    """bit n stands for 2^28 MiB, shifted left by n"""


@message
class ResizableBarEntry(PciStruct):
    """One BAR's registers, 8 bytes."""

    capability: ResizableBarCapability = wire(Nested(ResizableBarCapability), default=ResizableBarCapability())
    control: ResizableBarControl = wire(Nested(ResizableBarControl), default=ResizableBarControl())


@message
class ResizableBar(ExtendedCapability):
    """Resizable BAR, or VF Resizable BAR: 4 bytes, and 8 for each BAR, 1 to 6; the first one says how many."""

    bars: tuple[ResizableBarEntry, ...] = wire(Array(REST, Nested(ResizableBarEntry)), default=())
