"""MSI and MSI-X capabilities (05h, 11h).

Document: PCIe Base 6.x sections 7.7.1 and 7.7.2.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import Capability
from pytio.registers import Register
from pytio.wire import U16, U32, Bit, Bits, Nested, message, this, wire

__all__ = (
    "Msi",
    "Msix",
    "MsixTableRegister",
)


@message
class MsixTableRegister(Register):
    """Where a table of MSI-X is, 4 bytes."""

    bir: int = wire(Bits(3), default=0)
    """the BAR"""
    offset_qw: int = wire(Bits(29), default=0)
    """in units of 8 bytes"""


@message
class Msi(Capability):
    """MSI capability, 10, 14, 20 or 24 bytes."""

    enable: bool = wire(Bit, default=False)
    multiple_message_capable: int = wire(Bits(3), default=0)
    """as a power of two"""
    multiple_message_enable: int = wire(Bits(3), default=0)
    """as a power of two"""
    is_64_bit: bool = wire(Bit, default=False)
    per_vector_masking_capable: bool = wire(Bit, default=False)
    extended_message_data_capable: bool = wire(Bit, default=False)
    extended_message_data_enable: bool = wire(Bit, default=False)
    reserved_15_11: int = wire(Bits(5), default=0)
    message_address: int = wire(U32, default=0)
    message_upper_address: int | None = wire(U32, when=this.is_64_bit, default=None)
    message_data: int = wire(U16, default=0)
    extended_message_data: int | None = wire(U16, when=this.per_vector_masking_capable, default=None)
    mask_bits: int | None = wire(U32, when=this.per_vector_masking_capable, default=None)
    pending_bits: int | None = wire(U32, when=this.per_vector_masking_capable, default=None)


@message
class Msix(Capability):
    """MSI-X capability, 12 bytes."""

    table_size_minus_1: int = wire(Bits(11), default=0)
    reserved_13_11: int = wire(Bits(3), default=0)
    function_mask: bool = wire(Bit, default=False)
    enable: bool = wire(Bit, default=False)
    table: MsixTableRegister = wire(Nested(MsixTableRegister), default=MsixTableRegister())
    pba: MsixTableRegister = wire(Nested(MsixTableRegister), default=MsixTableRegister())
