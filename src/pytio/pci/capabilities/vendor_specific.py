"""Designated Vendor-Specific and Vendor-Specific Extended Capabilities (23h, 0Bh).

Document: PCIe Base 6.x sections 7.9.6 and 7.9.5.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.wire import U16, Bits, Bytes, message, this, wire

__all__ = (
    "Dvsec",
    "DvsecHeader",
    "VendorSpecificExtended",
)


@message
class VendorSpecificExtended(ExtendedCapability):
    """Vendor-Specific Extended Capability: whose it is, says the function's vendor id."""

    vsec_id: int = wire(Bits(16), default=0)
    vsec_revision: int = wire(Bits(4), default=0)
    vsec_length: int = wire(Bits(12), default=8)
    """in bytes, with both headers"""
    body: bytes = wire(Bytes(this.vsec_length - 8), default=b"")


@message
class DvsecHeader(ExtendedCapability):
    """The start of every Designated Vendor-Specific Extended Capability, 10 bytes."""

    dvsec_vendor_id: int = wire(Bits(16), default=0)
    dvsec_revision: int = wire(Bits(4), default=0)
    dvsec_length: int = wire(Bits(12), default=10)
    """in bytes, with the headers"""
    dvsec_id: int = wire(U16, default=0)


@message
class Dvsec(DvsecHeader):
    """Designated Vendor-Specific Extended Capability."""

    body: bytes = wire(Bytes(this.dvsec_length - 10), default=b"")
