"""Data Object Exchange (2Eh), versions 1 and 2.

Document: PCIe Base 6.x section 7.9.24, "Data Object Exchange Extended Capability". The bits of version 2 are assumption
PCIE_A2.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U32, Bit, Bits, Nested, message, wire

__all__ = (
    "DataObjectExchange",
    "DoeCapabilities",
    "DoeControl",
    "DoeStatus",
)


@message
class DoeCapabilities(Register):
    """DOE Capabilities Register, 4 bytes."""

    interrupt_support: bool = wire(Bit, default=False)
    interrupt_message_number: int = wire(Bits(11), default=0)
    attention_mechanism_support: bool = wire(Bit, default=False)
    async_message_support: bool = wire(Bit, default=False)
    reserved_31_14: int = wire(Bits(18), default=0)


@message
class DoeControl(Register):
    """DOE Control Register, 4 bytes. Abort and Go read as 0."""

    abort: bool = wire(Bit, default=False)
    interrupt_enable: bool = wire(Bit, default=False)
    attention_not_needed: bool = wire(Bit, default=False)
    async_message_enable: bool = wire(Bit, default=False)
    reserved_30_4: int = wire(Bits(27), default=0)
    go: bool = wire(Bit, default=False)


@message
class DoeStatus(Register):
    """DOE Status Register, 4 bytes."""

    RW1C = frozenset({"async_message_status", "interrupt_status"})

    busy: bool = wire(Bit, default=False)
    interrupt_status: bool = wire(Bit, default=False)
    error: bool = wire(Bit, default=False)
    async_message_status: bool = wire(Bit, default=False)
    at_attention: bool = wire(Bit, default=False)
    reserved_30_5: int = wire(Bits(26), default=0)
    data_object_ready: bool = wire(Bit, default=False)


@message
class DataObjectExchange(ExtendedCapability):
    """Data Object Exchange, 24 bytes."""

    capabilities: DoeCapabilities = wire(Nested(DoeCapabilities), default=DoeCapabilities())
    control: DoeControl = wire(Nested(DoeControl), default=DoeControl())
    status: DoeStatus = wire(Nested(DoeStatus), default=DoeStatus())
    write_data_mailbox: int = wire(U32, default=0)
    read_data_mailbox: int = wire(U32, default=0)
