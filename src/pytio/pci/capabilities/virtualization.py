"""Single Root I/O Virtualization (10h).

Document: PCIe Base 6.x section 9.3.3, "SR-IOV Extended Capability".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U8, U16, U32, Array, Bit, Bits, Nested, message, wire

__all__ = (
    "Sriov",
    "SriovCapabilities",
    "SriovControl",
    "SriovStatus",
    "VfMigrationStateArrayOffset",
)


@message
class SriovCapabilities(Register):
    """SR-IOV Capabilities Register, 4 bytes."""

    vf_migration_capable: bool = wire(Bit, default=False)
    ari_capable_hierarchy_preserved: bool = wire(Bit, default=False)
    vf_ten_bit_tag_requester_supported: bool = wire(Bit, default=False)
    vf_fourteen_bit_tag_requester_supported: bool = wire(Bit, default=False)
    reserved_20_4: int = wire(Bits(17), default=0)
    vf_migration_interrupt_message_number: int = wire(Bits(11), default=0)


@message
class SriovControl(Register):
    """SR-IOV Control Register, 2 bytes."""

    vf_enable: bool = wire(Bit, default=False)
    vf_migration_enable: bool = wire(Bit, default=False)
    vf_migration_interrupt_enable: bool = wire(Bit, default=False)
    vf_memory_space_enable: bool = wire(Bit, default=False)
    ari_capable_hierarchy: bool = wire(Bit, default=False)
    vf_ten_bit_tag_requester_enable: bool = wire(Bit, default=False)
    vf_fourteen_bit_tag_requester_enable: bool = wire(Bit, default=False)
    reserved_15_7: int = wire(Bits(9), default=0)


@message
class SriovStatus(Register):
    """SR-IOV Status Register, 2 bytes."""

    RW1C = frozenset({"vf_migration_status"})

    vf_migration_status: bool = wire(Bit, default=False)
    reserved_15_1: int = wire(Bits(15), default=0)


@message
class VfMigrationStateArrayOffset(Register):
    """VF Migration State Array Offset, 4 bytes."""

    bir: int = wire(Bits(3), default=0)
    offset_qw: int = wire(Bits(29), default=0)
    """in units of 8 bytes"""


@message
class Sriov(ExtendedCapability):
    """Single Root I/O Virtualization, 64 bytes."""

    capabilities: SriovCapabilities = wire(Nested(SriovCapabilities), default=SriovCapabilities())
    control: SriovControl = wire(Nested(SriovControl), default=SriovControl())
    status: SriovStatus = wire(Nested(SriovStatus), default=SriovStatus())
    initial_vfs: int = wire(U16, default=0)
    total_vfs: int = wire(U16, default=0)
    num_vfs: int = wire(U16, default=0)
    function_dependency_link: int = wire(U8, default=0)
    reserved: int = wire(U8, default=0)
    first_vf_offset: int = wire(U16, default=0)
    vf_stride: int = wire(U16, default=0)
    reserved_device: int = wire(U16, default=0)
    vf_device_id: int = wire(U16, default=0)
    supported_page_sizes: int = wire(U32, default=0)
    """bit n stands for 4096 bytes, shifted left by n"""
    system_page_size: int = wire(U32, default=0)
    vf_bars: tuple[int, ...] = wire(Array(6, U32), default=(0,) * 6)
    vf_migration_state_array_offset: VfMigrationStateArrayOffset = wire(
        Nested(VfMigrationStateArrayOffset), default=VfMigrationStateArrayOffset()
    )
