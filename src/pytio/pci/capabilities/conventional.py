"""Small capabilities of conventional PCI.

Slot id, debug port, subsystem ids, SATA, Advanced Features, AGP, PCI-X, and what a vendor makes of its own.

Documents: PCI Local Bus 3.0 appendix H; PCI ECN "Advanced Capabilities for Conventional PCI"; PCI-X 2.0; AGP 3.0.
"""

from __future__ import annotations

from typing import Final

from pytio.pci.capabilities.base import Capability
from pytio.registers import Register
from pytio.wire import AUTO, U8, U16, U32, Bit, Bits, Bytes, Nested, computed, message, this, wire

__all__ = (
    "AdvancedFeatures",
    "AfCapabilities",
    "AfControl",
    "AfStatus",
    "Agp",
    "AgpCommand",
    "AgpStatus",
    "DebugPort",
    "Null",
    "Pcix",
    "PcixBridge",
    "PcixBridgeStatus",
    "PcixCommand",
    "PcixSecondaryStatus",
    "PcixStatus",
    "Sata",
    "SlotId",
    "SplitTransactionControl",
    "SubsystemIds",
    "VendorSpecific",
    "VirtioPci",
    "Vpd",
)


_VIRTIO_BYTES: Final = 16
_VIRTIO_NOTIFY_BYTES: Final = 20


def _virtio_body(length: int) -> int:
    """Return how many bytes follow what virtio defines."""
    return length - (_VIRTIO_NOTIFY_BYTES if length >= _VIRTIO_NOTIFY_BYTES else _VIRTIO_BYTES)


@message
class Null(Capability):
    """Null capability: nothing but its header."""


@message
class Vpd(Capability):
    """Vital Product Data capability, 8 bytes."""

    address: int = wire(Bits(15), default=0)
    flag: bool = wire(Bit, default=False)
    data: int = wire(U32, default=0)


@message
class SlotId(Capability):
    """Slot Identification capability, 4 bytes."""

    expansion_slots: int = wire(Bits(5), default=0)
    first_in_chassis: bool = wire(Bit, default=False)
    reserved_7_6: int = wire(Bits(2), default=0)
    chassis_number: int = wire(Bits(8), default=0)


@message
class DebugPort(Capability):
    """Debug port capability, 4 bytes."""

    offset: int = wire(Bits(13), default=0)
    bar: int = wire(Bits(3), default=0)
    """1 is BAR 0"""


@message
class SubsystemIds(Capability):
    """Subsystem ids of a bridge, 8 bytes."""

    reserved: int = wire(U16, default=0)
    subsystem_vendor_id: int = wire(U16, default=0)
    subsystem_id: int = wire(U16, default=0)


@message
class Sata(Capability):
    """SATA HBA capability, 8 bytes."""

    minor_revision: int = wire(Bits(4), default=0)
    major_revision: int = wire(Bits(4), default=0)
    reserved_15_8: int = wire(Bits(8), default=0)
    bar_location: int = wire(Bits(4), default=0)
    """4 is BAR 0; 15 is configuration space"""
    bar_offset_dw: int = wire(Bits(20), default=0)
    reserved_31_24: int = wire(Bits(8), default=0)


@message
class AfCapabilities(Register):
    """Advanced Features Capabilities, 1 byte."""

    transactions_pending_supported: bool = wire(Bit, default=False)
    function_level_reset_supported: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)


@message
class AfControl(Register):
    """Advanced Features Control, 1 byte."""

    initiate_function_level_reset: bool = wire(Bit, default=False)
    reserved_7_1: int = wire(Bits(7), default=0)


@message
class AfStatus(Register):
    """Advanced Features Status, 1 byte."""

    transactions_pending: bool = wire(Bit, default=False)
    reserved_7_1: int = wire(Bits(7), default=0)


@message
class AdvancedFeatures(Capability):
    """Advanced Features capability, 6 bytes: function-level reset for conventional PCI."""

    length: int = wire(U8, default=0)
    capabilities: AfCapabilities = wire(Nested(AfCapabilities), default=AfCapabilities())
    control: AfControl = wire(Nested(AfControl), default=AfControl())
    status: AfStatus = wire(Nested(AfStatus), default=AfStatus())


@message
class AgpStatus(Register):
    """AGP Status Register, 4 bytes."""

    rate: int = wire(Bits(3), default=0)
    agp_3_mode: bool = wire(Bit, default=False)
    fast_write: bool = wire(Bit, default=False)
    over_4g: bool = wire(Bit, default=False)
    host_translation_disabled: bool = wire(Bit, default=False)
    gart_64_bit: bool = wire(Bit, default=False)
    ita_coherent: bool = wire(Bit, default=False)
    side_band_addressing: bool = wire(Bit, default=False)
    calibration_cycle: int = wire(Bits(3), default=0)
    async_request_size: int = wire(Bits(3), default=0)
    isochronous_support: bool = wire(Bit, default=False)
    reserved_23_17: int = wire(Bits(7), default=0)
    request_queue_depth_minus_1: int = wire(Bits(8), default=0)


@message
class AgpCommand(Register):
    """AGP Command Register, 4 bytes."""

    rate: int = wire(Bits(3), default=0)
    reserved_3: int = wire(Bits(1), default=0)
    fast_write_enable: bool = wire(Bit, default=False)
    over_4g_enable: bool = wire(Bit, default=False)
    reserved_6: int = wire(Bits(1), default=0)
    gart_64_bit_enable: bool = wire(Bit, default=False)
    agp_enable: bool = wire(Bit, default=False)
    side_band_addressing_enable: bool = wire(Bit, default=False)
    calibration_cycle: int = wire(Bits(3), default=0)
    async_request_size: int = wire(Bits(3), default=0)
    reserved_23_16: int = wire(Bits(8), default=0)
    request_queue_depth_minus_1: int = wire(Bits(8), default=0)


@message
class Agp(Capability):
    """AGP capability, 12 bytes."""

    minor_revision: int = wire(Bits(4), default=0)
    major_revision: int = wire(Bits(4), default=0)
    reserved_15_8: int = wire(Bits(8), default=0)
    status: AgpStatus = wire(Nested(AgpStatus), default=AgpStatus())
    command: AgpCommand = wire(Nested(AgpCommand), default=AgpCommand())


@message
class PcixCommand(Register):
    """PCI-X Command Register, 2 bytes."""

    data_parity_error_recovery_enable: bool = wire(Bit, default=False)
    enable_relaxed_ordering: bool = wire(Bit, default=False)
    maximum_memory_read_byte_count: int = wire(Bits(2), default=0)
    """512 bytes, shifted left by this"""
    maximum_outstanding_split_transactions: int = wire(Bits(3), default=0)
    reserved_11_7: int = wire(Bits(5), default=0)
    version: int = wire(Bits(2), default=0)
    reserved_15_14: int = wire(Bits(2), default=0)


@message
class PcixStatus(Register):
    """PCI-X Status Register, 4 bytes."""

    RW1C = frozenset(
        {"received_split_completion_error_message", "split_completion_discarded", "unexpected_split_completion"}
    )

    function_number: int = wire(Bits(3), default=0)
    device_number: int = wire(Bits(5), default=0)
    bus_number: int = wire(Bits(8), default=0)
    is_64_bit: bool = wire(Bit, default=False)
    is_133_mhz: bool = wire(Bit, default=False)
    split_completion_discarded: bool = wire(Bit, default=False)
    unexpected_split_completion: bool = wire(Bit, default=False)
    device_complexity: bool = wire(Bit, default=False)
    designed_maximum_memory_read_byte_count: int = wire(Bits(2), default=0)
    designed_maximum_outstanding_split_transactions: int = wire(Bits(3), default=0)
    designed_maximum_cumulative_read_size: int = wire(Bits(3), default=0)
    received_split_completion_error_message: bool = wire(Bit, default=False)
    is_266_mhz: bool = wire(Bit, default=False)
    is_533_mhz: bool = wire(Bit, default=False)


@message
class Pcix(Capability):
    """PCI-X capability of a type 0 function, 8 bytes."""

    command: PcixCommand = wire(Nested(PcixCommand), default=PcixCommand())
    status: PcixStatus = wire(Nested(PcixStatus), default=PcixStatus())


@message
class PcixSecondaryStatus(Register):
    """PCI-X Secondary Status Register, 2 bytes."""

    RW1C = frozenset(
        {
            "split_completion_discarded",
            "split_completion_overrun",
            "split_request_delayed",
            "unexpected_split_completion",
        }
    )

    is_64_bit: bool = wire(Bit, default=False)
    is_133_mhz: bool = wire(Bit, default=False)
    split_completion_discarded: bool = wire(Bit, default=False)
    unexpected_split_completion: bool = wire(Bit, default=False)
    split_completion_overrun: bool = wire(Bit, default=False)
    split_request_delayed: bool = wire(Bit, default=False)
    secondary_clock_frequency: int = wire(Bits(3), default=0)
    reserved_11_9: int = wire(Bits(3), default=0)
    version: int = wire(Bits(2), default=0)
    is_266_mhz: bool = wire(Bit, default=False)
    is_533_mhz: bool = wire(Bit, default=False)


@message
class PcixBridgeStatus(Register):
    """PCI-X Bridge Status Register, 4 bytes."""

    RW1C = frozenset(
        {
            "split_completion_discarded",
            "split_completion_overrun",
            "split_request_delayed",
            "unexpected_split_completion",
        }
    )

    function_number: int = wire(Bits(3), default=0)
    device_number: int = wire(Bits(5), default=0)
    bus_number: int = wire(Bits(8), default=0)
    is_64_bit: bool = wire(Bit, default=False)
    is_133_mhz: bool = wire(Bit, default=False)
    split_completion_discarded: bool = wire(Bit, default=False)
    unexpected_split_completion: bool = wire(Bit, default=False)
    split_completion_overrun: bool = wire(Bit, default=False)
    split_request_delayed: bool = wire(Bit, default=False)
    reserved_29_22: int = wire(Bits(8), default=0)
    is_266_mhz: bool = wire(Bit, default=False)
    is_533_mhz: bool = wire(Bit, default=False)


@message
class SplitTransactionControl(Register):
    """Upstream or Downstream Split Transaction Control Register, 4 bytes."""

    capacity: int = wire(Bits(16), default=0)
    commitment_limit: int = wire(Bits(16), default=0)


@message
class PcixBridge(Capability):
    """PCI-X capability of a bridge, 16 bytes."""

    secondary_status: PcixSecondaryStatus = wire(Nested(PcixSecondaryStatus), default=PcixSecondaryStatus())
    status: PcixBridgeStatus = wire(Nested(PcixBridgeStatus), default=PcixBridgeStatus())
    upstream_split_transaction: SplitTransactionControl = wire(
        Nested(SplitTransactionControl), default=SplitTransactionControl()
    )
    downstream_split_transaction: SplitTransactionControl = wire(
        Nested(SplitTransactionControl), default=SplitTransactionControl()
    )


@message
class VendorSpecific(Capability):
    """Vendor specific capability: a length, and what the vendor put there."""

    length: int = wire(U8, default=AUTO)
    body: bytes = wire(Bytes(this.length - 3), default=b"")


@message
class VirtioPci(Capability):
    """Vendor specific capability of a virtio device, 16 bytes or more (virtio 1.x section 4.1.4)."""

    length: int = wire(U8, default=16)
    configuration_type: int = wire(U8, default=0)
    bar: int = wire(U8, default=0)
    id: int = wire(U8, default=0)
    reserved: int = wire(U16, default=0)
    offset: int = wire(U32, default=0)
    size: int = wire(U32, default=0)
    notify_off_multiplier: int | None = wire(U32, when=this.length >= _VIRTIO_NOTIFY_BYTES, default=None)
    body: bytes = wire(Bytes(computed(_virtio_body, this.length)), default=b"")
