"""Readiness, hierarchy id, enclosure management, register block locator (22h, 28h, 29h, 36h; FRS queueing 21h).

Document: PCIe Base 6.x sections 7.8.10, 7.9.16 to 7.9.20.
"""

from __future__ import annotations

from typing import Final

from pytio.pci.capabilities.base import ExtendedCapability, PciStruct
from pytio.registers import Register
from pytio.wire import U16, Array, Bit, Bits, Nested, computed, message, this, wire

__all__ = (
    "FrsCapability",
    "FrsMessage",
    "FrsQueueing",
    "FrsStatusControl",
    "MmioRegisterBlock",
    "MmioRegisterBlockLocator",
    "NativeEnclosureManagement",
    "NpemCapability",
    "NpemControl",
    "NpemStatus",
    "ReadinessTime1",
    "ReadinessTime2",
    "ReadinessTimeReporting",
)


_LOCATOR_HEADER_BYTES: Final = 8
_BLOCK_BYTES: Final = 8


def _blocks(length: int) -> int:
    """Return how many whole blocks the length announces."""
    return max(length - _LOCATOR_HEADER_BYTES, 0) // _BLOCK_BYTES


@message
class FrsCapability(Register):
    """FRS Queueing Capability Register, 2 bytes."""

    queue_max_depth: int = wire(Bits(12), default=0)
    reserved_15_12: int = wire(Bits(4), default=0)


@message
class FrsStatusControl(Register):
    """FRS Queueing Status and Control Registers, 4 bytes."""

    RW1C = frozenset({"message_overflow", "message_received"})

    message_received: bool = wire(Bit, default=False)
    message_overflow: bool = wire(Bit, default=False)
    reserved_15_2: int = wire(Bits(14), default=0)
    interrupt_enable: bool = wire(Bit, default=False)
    reserved_31_17: int = wire(Bits(15), default=0)


@message
class FrsMessage(Register):
    """FRS Message Queue Register, 4 bytes."""

    function_id: int = wire(Bits(16), default=0)
    reason: int = wire(Bits(4), default=0)
    depth: int = wire(Bits(12), default=0)


@message
class FrsQueueing(ExtendedCapability):
    """FRS Queueing, 16 bytes."""

    capability: FrsCapability = wire(Nested(FrsCapability), default=FrsCapability())
    interrupt_message_number: int = wire(U16, default=0)
    status_control: FrsStatusControl = wire(Nested(FrsStatusControl), default=FrsStatusControl())
    message_queue: FrsMessage = wire(Nested(FrsMessage), default=FrsMessage())


@message
class ReadinessTime1(Register):
    """Readiness Time Reporting 1 Register, 4 bytes."""

    reset_time: int = wire(Bits(12), default=0)
    dl_up_time: int = wire(Bits(12), default=0)
    reserved_30_24: int = wire(Bits(7), default=0)
    valid: bool = wire(Bit, default=False)


@message
class ReadinessTime2(Register):
    """Readiness Time Reporting 2 Register, 4 bytes."""

    flr_time: int = wire(Bits(12), default=0)
    d3_hot_to_d0_time: int = wire(Bits(12), default=0)
    reserved_31_24: int = wire(Bits(8), default=0)


@message
class ReadinessTimeReporting(ExtendedCapability):
    """Readiness Time Reporting, 12 bytes."""

    times_1: ReadinessTime1 = wire(Nested(ReadinessTime1), default=ReadinessTime1())
    times_2: ReadinessTime2 = wire(Nested(ReadinessTime2), default=ReadinessTime2())


@message
class NpemCapability(Register):
    """NPEM Capability Register, 4 bytes."""

    npem_capable: bool = wire(Bit, default=False)
    npem_reset_capable: bool = wire(Bit, default=False)
    ok_capable: bool = wire(Bit, default=False)
    locate_capable: bool = wire(Bit, default=False)
    fail_capable: bool = wire(Bit, default=False)
    rebuild_capable: bool = wire(Bit, default=False)
    predicted_failure_analysis_capable: bool = wire(Bit, default=False)
    hot_spare_capable: bool = wire(Bit, default=False)
    in_a_critical_array_capable: bool = wire(Bit, default=False)
    in_a_failed_array_capable: bool = wire(Bit, default=False)
    invalid_device_type_capable: bool = wire(Bit, default=False)
    disabled_capable: bool = wire(Bit, default=False)
    reserved_23_12: int = wire(Bits(12), default=0)
    enclosure_specific: int = wire(Bits(8), default=0)


@message
class NpemControl(Register):
    """NPEM Control Register, 4 bytes."""

    npem_enable: bool = wire(Bit, default=False)
    npem_initiate_reset: bool = wire(Bit, default=False)
    ok_control: bool = wire(Bit, default=False)
    locate_control: bool = wire(Bit, default=False)
    fail_control: bool = wire(Bit, default=False)
    rebuild_control: bool = wire(Bit, default=False)
    predicted_failure_analysis_control: bool = wire(Bit, default=False)
    hot_spare_control: bool = wire(Bit, default=False)
    in_a_critical_array_control: bool = wire(Bit, default=False)
    in_a_failed_array_control: bool = wire(Bit, default=False)
    invalid_device_type_control: bool = wire(Bit, default=False)
    disabled_control: bool = wire(Bit, default=False)
    reserved_23_12: int = wire(Bits(12), default=0)
    enclosure_specific: int = wire(Bits(8), default=0)


@message
class NpemStatus(Register):
    """NPEM Status Register, 4 bytes."""

    RW1C = frozenset({"command_completed"})

    command_completed: bool = wire(Bit, default=False)
    reserved_23_1: int = wire(Bits(23), default=0)
    enclosure_specific: int = wire(Bits(8), default=0)


@message
class NativeEnclosureManagement(ExtendedCapability):
    """Native PCIe Enclosure Management, 16 bytes."""

    capability: NpemCapability = wire(Nested(NpemCapability), default=NpemCapability())
    control: NpemControl = wire(Nested(NpemControl), default=NpemControl())
    status: NpemStatus = wire(Nested(NpemStatus), default=NpemStatus())


@message
class MmioRegisterBlock(PciStruct):
    """An entry of the register block locator, 8 bytes."""

    bir: int = wire(Bits(3), default=0)
    reserved_7_3: int = wire(Bits(5), default=0)
    block_id: int = wire(Bits(8), default=0)
    offset_64k: int = wire(Bits(48), default=0)
    """in units of 64 KiB"""


@message
class MmioRegisterBlockLocator(ExtendedCapability):
    """MMIO Register Block Locator: 8 bytes, and 8 for each block."""

    length: int = wire(Bits(12), default=0)
    """in bytes"""
    reserved_31_12: int = wire(Bits(20), default=0)
    blocks: tuple[MmioRegisterBlock, ...] = wire(
        Array(computed(_blocks, this.length), Nested(MmioRegisterBlock)), default=()
    )
