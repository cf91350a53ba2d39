"""Multicast (12h).

Document: PCIe Base 6.x section 7.9.11, "Multicast Extended Capability".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U64, Bit, Bits, Nested, message, wire

__all__ = (
    "Multicast",
    "MulticastBaseAddress",
    "MulticastCapability",
    "MulticastControl",
    "MulticastOverlay",
    "MulticastPort",
)


@message
class MulticastCapability(Register):
    """Multicast Capability Register, 2 bytes."""

    max_groups_minus_1: int = wire(Bits(6), default=0)
    reserved_7_6: int = wire(Bits(2), default=0)
    window_size_requested: int = wire(Bits(6), default=0)
    """as a power of two, of an endpoint"""
    reserved_14: int = wire(Bits(1), default=0)
    ecrc_regeneration_supported: bool = wire(Bit, default=False)


@message
class MulticastControl(Register):
    """Multicast Control Register, 2 bytes."""

    num_groups_minus_1: int = wire(Bits(6), default=0)
    reserved_14_6: int = wire(Bits(9), default=0)
    enable: bool = wire(Bit, default=False)


@message
class MulticastBaseAddress(Register):
    """Multicast Base Address Register, 8 bytes."""

    index_position: int = wire(Bits(6), default=0)
    reserved_11_6: int = wire(Bits(6), default=0)
    base_address_page: int = wire(Bits(52), default=0)
    """in units of 4096 bytes"""


@message
class MulticastOverlay(Register):
    """Multicast Overlay Base Address Register, 8 bytes."""

    overlay_size: int = wire(Bits(6), default=0)
    """as a power of two; below 6 it is off"""
    overlay_base_address_64b: int = wire(Bits(58), default=0)
    """in units of 64 bytes"""


@message
class Multicast(ExtendedCapability):
    """Multicast of an endpoint, 40 bytes."""

    capability: MulticastCapability = wire(Nested(MulticastCapability), default=MulticastCapability())
    control: MulticastControl = wire(Nested(MulticastControl), default=MulticastControl())
    base_address: MulticastBaseAddress = wire(Nested(MulticastBaseAddress), default=MulticastBaseAddress())
    receive: int = wire(U64, default=0)
    block_all: int = wire(U64, default=0)
    block_untranslated: int = wire(U64, default=0)


@message
class MulticastPort(Multicast):
    """Multicast of a port, 48 bytes."""

    overlay: MulticastOverlay = wire(Nested(MulticastOverlay), default=MulticastOverlay())
