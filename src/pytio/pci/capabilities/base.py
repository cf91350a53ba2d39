"""What all capabilities share: the header, and what one without a layout of its own is.

Document: PCIe Base 6.x sections 7.5.1.1.11, "Capabilities Pointer", and 7.6.3, "PCI Express Extended Capability
Header". Each class holds the whole capability, so that its offsets are those of the specification.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import PciDecodeError
from pytio.pci.codes import CapabilityId, ExtendedCapabilityId
from pytio.wire import REST, U8, Bits, Bytes, OpenCode, WireStruct, message, wire

__all__ = (
    "Capability",
    "ExtendedCapability",
    "OpaqueCapability",
    "OpaqueExtendedCapability",
    "PciStruct",
)

_DW_MASK: Final = 0x3


class PciStruct(WireStruct, errors=PciDecodeError):
    """Base of the structures in configuration space."""

    __slots__ = ()


@message
class Capability(PciStruct):
    """The header of a capability below 100h, 2 bytes."""

    capability_id: CapabilityId = wire(OpenCode(U8, CapabilityId), default=CapabilityId.NULL)
    next_pointer: int = wire(U8, default=0)
    """As it is in the register; its low two bits are reserved."""

    @property
    def next_offset(self) -> int:
        """Where the next capability is; 0 ends the list."""
        return self.next_pointer & ~_DW_MASK


@message
class ExtendedCapability(PciStruct):
    """The header of an extended capability, 4 bytes."""

    capability_id: ExtendedCapabilityId = wire(Bits(16, ExtendedCapabilityId), default=ExtendedCapabilityId.NULL)
    capability_version: int = wire(Bits(4), default=1)
    next_pointer: int = wire(Bits(12), default=0)
    """As it is in the register; its low two bits are reserved."""

    @property
    def next_offset(self) -> int:
        """Where the next capability is; 0 ends the list."""
        return self.next_pointer & ~_DW_MASK


@message
class OpaqueCapability(Capability):
    """A capability by its bytes: up to the next structure, since nothing says how long it is."""

    body: bytes = wire(Bytes(REST), default=b"")


@message
class OpaqueExtendedCapability(ExtendedCapability):
    """An extended capability by its bytes: up to the next structure, since nothing says how long it is."""

    body: bytes = wire(Bytes(REST), default=b"")
