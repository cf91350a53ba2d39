"""Enhanced Allocation capability (14h): resources that are where they are.

Document: PCIe Base 6.x section 7.8.5, "Enhanced Allocation Capability Structure".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import Capability, PciStruct
from pytio.pci.codes import EaProperty
from pytio.registers import Register
from pytio.wire import U8, U16, U32, Array, Bit, Bits, Nested, message, this, wire

__all__ = (
    "EaAddress",
    "EaEntry",
    "EnhancedAllocation",
    "EnhancedAllocationBridge",
)


@message
class EaAddress(Register):
    """Base or MaxOffset of an entry, 4 bytes."""

    reserved_0: int = wire(Bits(1), default=0)
    is_64_bit: bool = wire(Bit, default=False)
    field: int = wire(Bits(30), default=0)
    """the low two bits count as zeros in a base, as ones in an offset"""


@message
class EaEntry(PciStruct):
    """An entry: 4 bytes, and as many double words as it says."""

    entry_size_dw: int = wire(Bits(3), default=0)
    reserved_3: int = wire(Bits(1), default=0)
    bar_equivalent_indicator: int = wire(Bits(4), default=0)
    """0 to 5 a BAR, 6 behind the bridge, 7 none, 8 ROM, 9 to 14 a VF's BAR"""
    primary_properties: EaProperty = wire(Bits(8, EaProperty), default=EaProperty.MEMORY)
    secondary_properties: EaProperty = wire(Bits(8, EaProperty), default=EaProperty.MEMORY)
    reserved_29_24: int = wire(Bits(6), default=0)
    writable: bool = wire(Bit, default=False)
    enable: bool = wire(Bit, default=False)
    resource: tuple[int, ...] = wire(Array(this.entry_size_dw, U32), default=())


@message
class EnhancedAllocation(Capability):
    """Enhanced Allocation capability of a type 0 function."""

    number_of_entries: int = wire(Bits(6), default=0)
    reserved_15_6: int = wire(Bits(10), default=0)
    entries: tuple[EaEntry, ...] = wire(Array(this.number_of_entries, Nested(EaEntry)), default=())


@message
class EnhancedAllocationBridge(Capability):
    """Enhanced Allocation capability of a bridge, with its fixed bus numbers."""

    number_of_entries: int = wire(Bits(6), default=0)
    reserved_15_6: int = wire(Bits(10), default=0)
    fixed_secondary_bus_number: int = wire(U8, default=0)
    fixed_subordinate_bus_number: int = wire(U8, default=0)
    reserved_buses: int = wire(U16, default=0)
    entries: tuple[EaEntry, ...] = wire(Array(this.number_of_entries, Nested(EaEntry)), default=())
