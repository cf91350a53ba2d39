"""The first 64 bytes of a function: who it is, what it may do, where it is.

Document: PCIe Base 6.x section 7.5.1, "PCI-Compatible Configuration Registers". An operating system may show other
addresses than the registers hold.
"""

from __future__ import annotations

from typing import Final

from pytio.pci.capabilities.base import PciStruct
from pytio.pci.codes import DevselTiming, HeaderLayout, MemoryType
from pytio.registers import Register
from pytio.wire import U8, U16, U24, U32, Array, Bit, Bits, Bytes, Nested, message, wire

__all__ = (
    "BaseAddress",
    "BridgeControl",
    "CommonHeader",
    "Header",
    "IoWindow",
    "MemoryWindow",
    "OtherHeader",
    "PciCommand",
    "PciStatus",
    "RomAddress",
    "SecondaryStatus",
    "Type0Header",
    "Type1Header",
    "bar_address",
)

_IO_MASK: Final = 0xFFFF_FFFC
_MEMORY_MASK: Final = 0xFFFF_FFF0
_DW_BITS: Final = 32


@message
class PciCommand(Register):
    """Command Register, 2 bytes."""

    io_space_enable: bool = wire(Bit, default=False)
    memory_space_enable: bool = wire(Bit, default=False)
    bus_master_enable: bool = wire(Bit, default=False)
    special_cycle_enable: bool = wire(Bit, default=False)
    memory_write_and_invalidate: bool = wire(Bit, default=False)
    vga_palette_snoop: bool = wire(Bit, default=False)
    parity_error_response: bool = wire(Bit, default=False)
    idsel_stepping: bool = wire(Bit, default=False)
    serr_enable: bool = wire(Bit, default=False)
    fast_back_to_back_enable: bool = wire(Bit, default=False)
    interrupt_disable: bool = wire(Bit, default=False)
    reserved_15_11: int = wire(Bits(5), default=0)


@message
class PciStatus(Register):
    """Status Register, 2 bytes."""

    RW1C = frozenset(
        {
            "master_data_parity_error",
            "signaled_target_abort",
            "received_target_abort",
            "received_master_abort",
            "signaled_system_error",
            "detected_parity_error",
        }
    )

    immediate_readiness: bool = wire(Bit, default=False)
    reserved_2_1: int = wire(Bits(2), default=0)
    interrupt_status: bool = wire(Bit, default=False)
    capabilities_list: bool = wire(Bit, default=False)
    is_66_mhz_capable: bool = wire(Bit, default=False)
    user_definable_features: bool = wire(Bit, default=False)
    fast_back_to_back_capable: bool = wire(Bit, default=False)
    master_data_parity_error: bool = wire(Bit, default=False)
    devsel_timing: DevselTiming = wire(Bits(2, DevselTiming), default=DevselTiming.FAST)
    signaled_target_abort: bool = wire(Bit, default=False)
    received_target_abort: bool = wire(Bit, default=False)
    received_master_abort: bool = wire(Bit, default=False)
    signaled_system_error: bool = wire(Bit, default=False)
    detected_parity_error: bool = wire(Bit, default=False)


@message
class SecondaryStatus(Register):
    """Secondary Status Register of a bridge, 2 bytes."""

    RW1C = PciStatus.RW1C - {"signaled_system_error"} | {"received_system_error"}

    reserved_4_0: int = wire(Bits(5), default=0)
    is_66_mhz_capable: bool = wire(Bit, default=False)
    reserved_6: int = wire(Bits(1), default=0)
    fast_back_to_back_capable: bool = wire(Bit, default=False)
    master_data_parity_error: bool = wire(Bit, default=False)
    devsel_timing: DevselTiming = wire(Bits(2, DevselTiming), default=DevselTiming.FAST)
    signaled_target_abort: bool = wire(Bit, default=False)
    received_target_abort: bool = wire(Bit, default=False)
    received_master_abort: bool = wire(Bit, default=False)
    received_system_error: bool = wire(Bit, default=False)
    detected_parity_error: bool = wire(Bit, default=False)


@message
class BaseAddress(Register):
    """A base address register, 4 bytes; the one after a 64-bit BAR is all address."""

    is_io: bool = wire(Bit, default=False)
    memory_type: MemoryType = wire(Bits(2, MemoryType), default=MemoryType.BITS_32)
    prefetchable: bool = wire(Bit, default=False)
    address_31_4: int = wire(Bits(28), default=0)

    @property
    def value(self) -> int:
        """The whole register."""
        return int.from_bytes(self.build(), "little")


@message
class RomAddress(Register):
    """Expansion ROM Base Address Register, 4 bytes."""

    enable: bool = wire(Bit, default=False)
    validation_status: int = wire(Bits(3), default=0)
    validation_details: int = wire(Bits(4), default=0)
    reserved_10_8: int = wire(Bits(3), default=0)
    address_31_11: int = wire(Bits(21), default=0)


@message
class CommonHeader(PciStruct):
    """What the headers of all layouts have in common, 16 bytes."""

    vendor_id: int = wire(U16, default=0xFFFF)
    device_id: int = wire(U16, default=0xFFFF)
    command: PciCommand = wire(Nested(PciCommand), default=PciCommand())
    status: PciStatus = wire(Nested(PciStatus), default=PciStatus())
    revision_id: int = wire(U8, default=0)
    class_code: int = wire(U24, default=0)
    """Base class, sub-class and programming interface."""
    cache_line_size_dw: int = wire(U8, default=0)
    latency_timer: int = wire(U8, default=0)
    header_layout: HeaderLayout = wire(Bits(7, HeaderLayout), default=HeaderLayout.TYPE_0)
    multi_function: bool = wire(Bit, default=False)
    bist_completion_code: int = wire(Bits(4), default=0)
    reserved_bist: int = wire(Bits(2), default=0)
    start_bist: bool = wire(Bit, default=False)
    bist_capable: bool = wire(Bit, default=False)


@message
class Type0Header(CommonHeader):
    """The header of an endpoint, 64 bytes."""

    bars: tuple[BaseAddress, ...] = wire(Array(6, Nested(BaseAddress)), default=(BaseAddress(),) * 6)
    card_bus_cis_pointer: int = wire(U32, default=0)
    subsystem_vendor_id: int = wire(U16, default=0)
    subsystem_id: int = wire(U16, default=0)
    expansion_rom: RomAddress = wire(Nested(RomAddress), default=RomAddress())
    capabilities_pointer: int = wire(U8, default=0)
    reserved: bytes = wire(Bytes(7), default=bytes(7))
    interrupt_line: int = wire(U8, default=0)
    interrupt_pin: int = wire(U8, default=0)
    """1 to 4 for INTA to INTD, 0 for none."""
    min_gnt: int = wire(U8, default=0)
    max_lat: int = wire(U8, default=0)


@message
class IoWindow(Register):
    """I/O Base or I/O Limit Register, 1 byte."""

    addressing_capability: int = wire(Bits(4), default=0)
    """0 for 16 bits, 1 for 32."""
    address_15_12: int = wire(Bits(4), default=0)


@message
class MemoryWindow(Register):
    """Memory Base or Limit Register, prefetchable or not, 2 bytes."""

    addressing_capability: int = wire(Bits(4), default=0)
    """Of prefetchable memory: 0 for 32 bits, 1 for 64."""
    address_31_20: int = wire(Bits(12), default=0)


@message
class BridgeControl(Register):
    """Bridge Control Register, 2 bytes."""

    RW1C = frozenset({"discard_timer_status"})

    parity_error_response_enable: bool = wire(Bit, default=False)
    serr_enable: bool = wire(Bit, default=False)
    isa_enable: bool = wire(Bit, default=False)
    vga_enable: bool = wire(Bit, default=False)
    vga_16_bit_decode: bool = wire(Bit, default=False)
    master_abort_mode: bool = wire(Bit, default=False)
    secondary_bus_reset: bool = wire(Bit, default=False)
    fast_back_to_back_enable: bool = wire(Bit, default=False)
    primary_discard_timer: bool = wire(Bit, default=False)
    secondary_discard_timer: bool = wire(Bit, default=False)
    discard_timer_status: bool = wire(Bit, default=False)
    discard_timer_serr_enable: bool = wire(Bit, default=False)
    reserved_15_12: int = wire(Bits(4), default=0)


@message
class Type1Header(CommonHeader):
    """The header of a bridge, a root port or a switch port, 64 bytes."""

    bars: tuple[BaseAddress, ...] = wire(Array(2, Nested(BaseAddress)), default=(BaseAddress(),) * 2)
    primary_bus_number: int = wire(U8, default=0)
    secondary_bus_number: int = wire(U8, default=0)
    subordinate_bus_number: int = wire(U8, default=0)
    secondary_latency_timer: int = wire(U8, default=0)
    io_base: IoWindow = wire(Nested(IoWindow), default=IoWindow())
    io_limit: IoWindow = wire(Nested(IoWindow), default=IoWindow())
    secondary_status: SecondaryStatus = wire(Nested(SecondaryStatus), default=SecondaryStatus())
    memory_base: MemoryWindow = wire(Nested(MemoryWindow), default=MemoryWindow())
    memory_limit: MemoryWindow = wire(Nested(MemoryWindow), default=MemoryWindow())
    prefetchable_memory_base: MemoryWindow = wire(Nested(MemoryWindow), default=MemoryWindow())
    prefetchable_memory_limit: MemoryWindow = wire(Nested(MemoryWindow), default=MemoryWindow())
    prefetchable_base_upper_32: int = wire(U32, default=0)
    prefetchable_limit_upper_32: int = wire(U32, default=0)
    io_base_upper_16: int = wire(U16, default=0)
    io_limit_upper_16: int = wire(U16, default=0)
    capabilities_pointer: int = wire(U8, default=0)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    expansion_rom: RomAddress = wire(Nested(RomAddress), default=RomAddress())
    interrupt_line: int = wire(U8, default=0)
    interrupt_pin: int = wire(U8, default=0)
    bridge_control: BridgeControl = wire(Nested(BridgeControl), default=BridgeControl())


@message
class OtherHeader(CommonHeader):
    """A header of a layout that PCI Express does not have, 64 bytes."""

    body: bytes = wire(Bytes(48), default=bytes(48))


Header = Type0Header | Type1Header | OtherHeader
"""The header of any function."""


def bar_address(bars: tuple[BaseAddress, ...], index: int) -> int:
    """Return the address in the BAR at ``index``, with the next register as its upper half if it has 64 bits."""
    bar = bars[index]
    if bar.is_io:
        return bar.value & _IO_MASK
    low = bar.value & _MEMORY_MASK
    is_wide = bar.memory_type == MemoryType.BITS_64 and index + 1 < len(bars)
    return low | bars[index + 1].value << _DW_BITS if is_wide else low
