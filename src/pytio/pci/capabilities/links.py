"""Device serial number and root complex topology: link declaration, event collector association (03h, 05h, 07h).

Document: PCIe Base 6.x sections 7.9.8 to 7.9.10, and 7.9.3.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability, PciStruct
from pytio.pci.codes import RclinkElementType
from pytio.registers import Register
from pytio.wire import U32, U64, Array, Bit, Bits, Bytes, Nested, message, this, wire

__all__ = (
    "DeviceSerialNumber",
    "EventCollectorAssociation",
    "EventCollectorAssociation1",
    "RclinkDescription",
    "RclinkEntry",
    "RootComplexLinkDeclaration",
)


@message
class DeviceSerialNumber(ExtendedCapability):
    """Device Serial Number, 12 bytes."""

    serial_number: int = wire(U64, default=0)


@message
class RclinkDescription(Register):
    """Link Description, 4 bytes."""

    link_valid: bool = wire(Bit, default=False)
    link_type: bool = wire(Bit, default=False)
    """set for configuration space of a function, clear for memory"""
    associate_rcrb_header: bool = wire(Bit, default=False)
    reserved_15_3: int = wire(Bits(13), default=0)
    target_component_id: int = wire(Bits(8), default=0)
    target_port_number: int = wire(Bits(8), default=0)


@message
class RclinkEntry(PciStruct):
    """A link entry, 16 bytes."""

    description: RclinkDescription = wire(Nested(RclinkDescription), default=RclinkDescription())
    reserved: int = wire(U32, default=0)
    address: int = wire(U64, default=0)


@message
class RootComplexLinkDeclaration(ExtendedCapability):
    """Root Complex Link Declaration: 16 bytes, and 16 for each link."""

    element_type: RclinkElementType = wire(Bits(4, RclinkElementType), default=RclinkElementType.CONFIGURATION_SPACE)
    reserved_7_4: int = wire(Bits(4), default=0)
    number_of_link_entries: int = wire(Bits(8), default=0)
    component_id: int = wire(Bits(8), default=0)
    port_number: int = wire(Bits(8), default=0)
    reserved: bytes = wire(Bytes(8), default=bytes(8))
    links: tuple[RclinkEntry, ...] = wire(Array(this.number_of_link_entries, Nested(RclinkEntry)), default=())


@message
class EventCollectorAssociation1(ExtendedCapability):
    """Root Complex Event Collector Endpoint Association of version 1, 8 bytes."""

    association_bitmap: int = wire(U32, default=0)
    """device n is bit n"""


@message
class EventCollectorAssociation(EventCollectorAssociation1):
    """Root Complex Event Collector Endpoint Association, 12 bytes."""

    reserved_7_0: int = wire(Bits(8), default=0)
    next_bus: int = wire(Bits(8), default=0)
    last_bus: int = wire(Bits(8), default=0)
    reserved_31_24: int = wire(Bits(8), default=0)
