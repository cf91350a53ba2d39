"""Virtual Channel and Multi-Function Virtual Channel (02h, 09h; 08h).

Document: PCIe Base 6.x sections 7.9.1 and 7.9.2.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability, PciStruct
from pytio.registers import Register
from pytio.wire import U16, Array, Bit, Bits, Nested, message, this, wire

__all__ = (
    "VcPortCapability1",
    "VcPortCapability2",
    "VcPortControl",
    "VcPortStatus",
    "VcResource",
    "VcResourceCapability",
    "VcResourceControl",
    "VcResourceStatus",
    "VirtualChannel",
)


@message
class VcPortCapability1(Register):
    """Port VC Capability Register 1, 4 bytes."""

    extended_vc_count: int = wire(Bits(3), default=0)
    reserved_3: int = wire(Bits(1), default=0)
    low_priority_extended_vc_count: int = wire(Bits(3), default=0)
    reserved_7: int = wire(Bits(1), default=0)
    reference_clock: int = wire(Bits(2), default=0)
    port_arbitration_table_entry_size: int = wire(Bits(2), default=0)
    reserved_31_12: int = wire(Bits(20), default=0)


@message
class VcPortCapability2(Register):
    """Port VC Capability Register 2, 4 bytes."""

    vc_arbitration_capability: int = wire(Bits(8), default=0)
    reserved_23_8: int = wire(Bits(16), default=0)
    vc_arbitration_table_offset: int = wire(Bits(8), default=0)
    """in units of 16 bytes"""


@message
class VcPortControl(Register):
    """Port VC Control Register, 2 bytes."""

    load_vc_arbitration_table: bool = wire(Bit, default=False)
    vc_arbitration_select: int = wire(Bits(3), default=0)
    reserved_15_4: int = wire(Bits(12), default=0)


@message
class VcPortStatus(Register):
    """Port VC Status Register, 2 bytes."""

    vc_arbitration_table_status: bool = wire(Bit, default=False)
    reserved_15_1: int = wire(Bits(15), default=0)


@message
class VcResourceCapability(Register):
    """VC Resource Capability Register, 4 bytes."""

    port_arbitration_capability: int = wire(Bits(8), default=0)
    reserved_13_8: int = wire(Bits(6), default=0)
    advanced_packet_switching: bool = wire(Bit, default=False)
    reject_snoop_transactions: bool = wire(Bit, default=False)
    maximum_time_slots_minus_1: int = wire(Bits(7), default=0)
    reserved_23: int = wire(Bits(1), default=0)
    port_arbitration_table_offset: int = wire(Bits(8), default=0)
    """in units of 16 bytes"""


@message
class VcResourceControl(Register):
    """VC Resource Control Register, 4 bytes."""

    tc_vc_map: int = wire(Bits(8), default=0)
    reserved_15_8: int = wire(Bits(8), default=0)
    load_port_arbitration_table: bool = wire(Bit, default=False)
    port_arbitration_select: int = wire(Bits(3), default=0)
    reserved_23_20: int = wire(Bits(4), default=0)
    vc_id: int = wire(Bits(3), default=0)
    reserved_30_27: int = wire(Bits(4), default=0)
    vc_enable: bool = wire(Bit, default=False)


@message
class VcResourceStatus(Register):
    """VC Resource Status Register, 2 bytes."""

    port_arbitration_table_status: bool = wire(Bit, default=False)
    vc_negotiation_pending: bool = wire(Bit, default=False)
    reserved_15_2: int = wire(Bits(14), default=0)


@message
class VcResource(PciStruct):
    """The registers of one virtual channel, 12 bytes."""

    capability: VcResourceCapability = wire(Nested(VcResourceCapability), default=VcResourceCapability())
    control: VcResourceControl = wire(Nested(VcResourceControl), default=VcResourceControl())
    reserved: int = wire(U16, default=0)
    status: VcResourceStatus = wire(Nested(VcResourceStatus), default=VcResourceStatus())


@message
class VirtualChannel(ExtendedCapability):
    """Virtual Channel, or Multi-Function Virtual Channel: 16 bytes, and 12 for each channel."""

    extended_vc_count: int = wire(Bits(3), default=0)
    reserved_3: int = wire(Bits(1), default=0)
    low_priority_extended_vc_count: int = wire(Bits(3), default=0)
    reserved_7: int = wire(Bits(1), default=0)
    reference_clock: int = wire(Bits(2), default=0)
    port_arbitration_table_entry_size: int = wire(Bits(2), default=0)
    reserved_31_12: int = wire(Bits(20), default=0)
    port_capability_2: VcPortCapability2 = wire(Nested(VcPortCapability2), default=VcPortCapability2())
    port_control: VcPortControl = wire(Nested(VcPortControl), default=VcPortControl())
    port_status: VcPortStatus = wire(Nested(VcPortStatus), default=VcPortStatus())
    resources: tuple[VcResource, ...] = wire(
        Array(this.extended_vc_count + 1, Nested(VcResource)), default=(VcResource(),)
    )
