"""Compute Express Link: the DVSECs of vendor 1E98h.

Document: Compute Express Link 3.x section 8.1, "Configuration Space Registers". Beyond what a revision defines, the
bytes are kept as `body`.
"""

from __future__ import annotations

from typing import Final

from pytio.pci.capabilities.base import PciStruct
from pytio.pci.capabilities.vendor_specific import DvsecHeader
from pytio.pci.codes import CxlBlockId, CxlTimeScale
from pytio.registers import Register
from pytio.wire import U8, U16, U32, Array, Bit, Bits, Bytes, Nested, computed, message, this, wire

__all__ = (
    "CxlCapability",
    "CxlCapability2",
    "CxlCapability3",
    "CxlControl",
    "CxlControl2",
    "CxlDevice",
    "CxlFlexBusPort",
    "CxlFunctionMap",
    "CxlGpfDevice",
    "CxlGpfPort",
    "CxlGpfTime",
    "CxlLock",
    "CxlMultiLogicalDevice",
    "CxlPortControl",
    "CxlPortExtensions",
    "CxlPortStatus",
    "CxlRange",
    "CxlRangeBaseLow",
    "CxlRangeSizeLow",
    "CxlRegisterBlock",
    "CxlRegisterLocator",
    "CxlStatus",
    "CxlStatus2",
    "FlexBusCapability",
    "FlexBusCapability2",
    "FlexBusControl",
    "FlexBusControl2",
    "FlexBusModifiedTsData",
    "FlexBusStatus",
    "FlexBusStatus2",
)


_CAPABILITY_3_BYTES: Final = 0x3C
_DEVICE_BYTES: Final = 0x38
_FLEX_BUS_BYTES: Final = 0x10
_FLEX_BUS_REVISION_1_BYTES: Final = 0x14
_FLEX_BUS_REVISION_2_BYTES: Final = 0x20
_FLEX_BUS_STEPS: Final = (_FLEX_BUS_REVISION_2_BYTES, _FLEX_BUS_REVISION_1_BYTES, _FLEX_BUS_BYTES)
_LOCATOR_HEADER_BYTES: Final = 0x0C
_BLOCK_BYTES: Final = 8


def _beyond_capability_3(length: int) -> int:
    """Return how many bytes of the DVSEC for devices follow what is defined."""
    return length - (_DEVICE_BYTES + 2 if length >= _CAPABILITY_3_BYTES else _DEVICE_BYTES)


def _beyond_flex_bus(length: int) -> int:
    """Return how many bytes of the flex bus DVSEC follow what is defined."""
    return length - next((step for step in _FLEX_BUS_STEPS if length >= step), _FLEX_BUS_STEPS[-1])


def _locator_blocks(length: int) -> int:
    """Return how many whole blocks the length announces."""
    return (length - _LOCATOR_HEADER_BYTES) // _BLOCK_BYTES


@message
class CxlCapability(Register):
    """DVSEC CXL Capability, 2 bytes."""

    cache_capable: bool = wire(Bit, default=False)
    io_capable: bool = wire(Bit, default=False)
    mem_capable: bool = wire(Bit, default=False)
    mem_hw_init_mode: bool = wire(Bit, default=False)
    hdm_count: int = wire(Bits(2), default=0)
    cache_writeback_and_invalidate_capable: bool = wire(Bit, default=False)
    cxl_reset_capable: bool = wire(Bit, default=False)
    cxl_reset_timeout: int = wire(Bits(3), default=0)
    cxl_reset_mem_clr_capable: bool = wire(Bit, default=False)
    tsp_capable: bool = wire(Bit, default=False)
    multiple_logical_device: bool = wire(Bit, default=False)
    viral_capable: bool = wire(Bit, default=False)
    pm_init_completion_reporting_capable: bool = wire(Bit, default=False)


@message
class CxlControl(Register):
    """DVSEC CXL Control, 2 bytes."""

    cache_enable: bool = wire(Bit, default=False)
    io_enable: bool = wire(Bit, default=False)
    mem_enable: bool = wire(Bit, default=False)
    cache_snoop_filter_coverage: int = wire(Bits(5), default=0)
    cache_snoop_filter_granularity: int = wire(Bits(3), default=0)
    cache_clean_eviction: bool = wire(Bit, default=False)
    direct_p2p_mem_enable: bool = wire(Bit, default=False)
    reserved_13: int = wire(Bits(1), default=0)
    viral_enable: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class CxlStatus(Register):
    """DVSEC CXL Status, 2 bytes."""

    RW1C = frozenset({"viral_status"})

    reserved_13_0: int = wire(Bits(14), default=0)
    viral_status: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class CxlControl2(Register):
    """DVSEC CXL Control 2, 2 bytes."""

    disable_caching: bool = wire(Bit, default=False)
    initiate_cache_writeback_and_invalidation: bool = wire(Bit, default=False)
    initiate_cxl_reset: bool = wire(Bit, default=False)
    cxl_reset_mem_clr_enable: bool = wire(Bit, default=False)
    desired_volatile_hdm_state_after_hot_reset: bool = wire(Bit, default=False)
    modified_completion_enable: bool = wire(Bit, default=False)
    reserved_15_6: int = wire(Bits(10), default=0)


@message
class CxlStatus2(Register):
    """DVSEC CXL Status 2, 2 bytes."""

    cache_invalid: bool = wire(Bit, default=False)
    cxl_reset_complete: bool = wire(Bit, default=False)
    cxl_reset_error: bool = wire(Bit, default=False)
    volatile_hdm_preservation_error: bool = wire(Bit, default=False)
    reserved_14_4: int = wire(Bits(11), default=0)
    power_management_initialization_complete: bool = wire(Bit, default=False)


@message
class CxlLock(Register):
    """DVSEC CXL Lock, 2 bytes."""

    config_lock: bool = wire(Bit, default=False)
    reserved_15_1: int = wire(Bits(15), default=0)


@message
class CxlCapability2(Register):
    """DVSEC CXL Capability 2, 2 bytes."""

    cache_size_unit: int = wire(Bits(4), default=0)
    """0 not reported, 1 64 KiB, 2 1 MiB"""
    fallback_capability: int = wire(Bits(2), default=0)
    modified_completion_capable: bool = wire(Bit, default=False)
    no_clean_writeback: bool = wire(Bit, default=False)
    cache_size: int = wire(Bits(8), default=0)


@message
class CxlRangeSizeLow(Register):
    """The low half of a range's size, 4 bytes."""

    memory_info_valid: bool = wire(Bit, default=False)
    memory_active: bool = wire(Bit, default=False)
    media_type: int = wire(Bits(3), default=0)
    memory_class: int = wire(Bits(3), default=0)
    desired_interleave: int = wire(Bits(5), default=0)
    memory_active_timeout: int = wire(Bits(3), default=0)
    memory_active_degraded: bool = wire(Bit, default=False)
    reserved_27_17: int = wire(Bits(11), default=0)
    memory_size_low: int = wire(Bits(4), default=0)


@message
class CxlRangeBaseLow(Register):
    """The low half of a range's base, 4 bytes."""

    reserved_27_0: int = wire(Bits(28), default=0)
    memory_base_low: int = wire(Bits(4), default=0)


@message
class CxlRange(PciStruct):
    """A range of host-managed device memory, 16 bytes."""

    size_high: int = wire(U32, default=0)
    size_low: CxlRangeSizeLow = wire(Nested(CxlRangeSizeLow), default=CxlRangeSizeLow())
    base_high: int = wire(U32, default=0)
    base_low: CxlRangeBaseLow = wire(Nested(CxlRangeBaseLow), default=CxlRangeBaseLow())


@message
class CxlCapability3(Register):
    """DVSEC CXL Capability 3, 2 bytes."""

    default_volatile_hdm_state_after_cold_reset: bool = wire(Bit, default=False)
    default_volatile_hdm_state_after_warm_reset: bool = wire(Bit, default=False)
    default_volatile_hdm_state_after_hot_reset: bool = wire(Bit, default=False)
    volatile_hdm_state_after_hot_reset_configurability: bool = wire(Bit, default=False)
    direct_p2p_mem_capable: bool = wire(Bit, default=False)
    reserved_15_5: int = wire(Bits(11), default=0)


@message
class CxlDevice(DvsecHeader):
    """PCIe DVSEC for CXL devices (id 0), 56 bytes, and capability 3 from revision 2 on."""

    capability: CxlCapability = wire(Nested(CxlCapability), default=CxlCapability())
    control: CxlControl = wire(Nested(CxlControl), default=CxlControl())
    status: CxlStatus = wire(Nested(CxlStatus), default=CxlStatus())
    control_2: CxlControl2 = wire(Nested(CxlControl2), default=CxlControl2())
    status_2: CxlStatus2 = wire(Nested(CxlStatus2), default=CxlStatus2())
    lock: CxlLock = wire(Nested(CxlLock), default=CxlLock())
    capability_2: CxlCapability2 = wire(Nested(CxlCapability2), default=CxlCapability2())
    range_1: CxlRange = wire(Nested(CxlRange), default=CxlRange())
    range_2: CxlRange = wire(Nested(CxlRange), default=CxlRange())
    capability_3: CxlCapability3 | None = wire(
        Nested(CxlCapability3), when=this.dvsec_length >= _CAPABILITY_3_BYTES, default=None
    )
    body: bytes = wire(Bytes(computed(_beyond_capability_3, this.dvsec_length)), default=b"")


@message
class CxlFunctionMap(DvsecHeader):
    """Non-CXL function map DVSEC (id 2), 44 bytes."""

    reserved: int = wire(U16, default=0)
    map: tuple[int, ...] = wire(Array(8, U32), default=(0,) * 8)
    """one bit for each function that neither caches nor is memory"""


@message
class CxlPortStatus(Register):
    """CXL Port Extension Status, 2 bytes."""

    power_management_initialization_complete: bool = wire(Bit, default=False)
    reserved_13_1: int = wire(Bits(13), default=0)
    viral_status: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class CxlPortControl(Register):
    """CXL Port Control Extensions, 2 bytes."""

    unmask_sbr: bool = wire(Bit, default=False)
    unmask_link_disable: bool = wire(Bit, default=False)
    alternate_memory_and_id_space_enable: bool = wire(Bit, default=False)
    alternate_bus_master_enable: bool = wire(Bit, default=False)
    unmask_link_disable_reset: bool = wire(Bit, default=False)
    reserved_13_5: int = wire(Bits(9), default=0)
    viral_enable: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class CxlPortExtensions(DvsecHeader):
    """CXL Extensions DVSEC for ports (id 3), 40 bytes."""

    status: CxlPortStatus = wire(Nested(CxlPortStatus), default=CxlPortStatus())
    control: CxlPortControl = wire(Nested(CxlPortControl), default=CxlPortControl())
    alternate_bus_base: int = wire(U8, default=0)
    alternate_bus_limit: int = wire(U8, default=0)
    alternate_memory_base: int = wire(U16, default=0)
    alternate_memory_limit: int = wire(U16, default=0)
    alternate_prefetchable_base: int = wire(U16, default=0)
    alternate_prefetchable_limit: int = wire(U16, default=0)
    alternate_prefetchable_base_high: int = wire(U32, default=0)
    alternate_prefetchable_limit_high: int = wire(U32, default=0)
    rcrb_base: int = wire(U32, default=0)
    rcrb_base_high: int = wire(U32, default=0)


@message
class CxlGpfTime(Register):
    """A time of global persistent flush: base times scale, 2 bytes."""

    time_base: int = wire(Bits(4), default=0)
    reserved_7_4: int = wire(Bits(4), default=0)
    time_scale: CxlTimeScale = wire(Bits(4, CxlTimeScale), default=CxlTimeScale.US_1)
    reserved_15_12: int = wire(Bits(4), default=0)


@message
class CxlGpfPort(DvsecHeader):
    """Global persistent flush DVSEC of ports (id 4), 16 bytes."""

    reserved: int = wire(U16, default=0)
    phase_1_timeout: CxlGpfTime = wire(Nested(CxlGpfTime), default=CxlGpfTime())
    phase_2_timeout: CxlGpfTime = wire(Nested(CxlGpfTime), default=CxlGpfTime())


@message
class CxlGpfDevice(DvsecHeader):
    """Global persistent flush DVSEC of devices (id 5), 16 bytes."""

    phase_2_duration: CxlGpfTime = wire(Nested(CxlGpfTime), default=CxlGpfTime())
    phase_2_power: int = wire(U32, default=0)
    """in milliwatts"""


@message
class FlexBusCapability(Register):
    """Flex Bus Port Capability, 2 bytes."""

    cache_capable: bool = wire(Bit, default=False)
    io_capable: bool = wire(Bit, default=False)
    mem_capable: bool = wire(Bit, default=False)
    reserved_4_3: int = wire(Bits(2), default=0)
    flit_68b_and_vh_capable: bool = wire(Bit, default=False)
    multi_logical_device_capable: bool = wire(Bit, default=False)
    reserved_12_7: int = wire(Bits(6), default=0)
    latency_optimized_256b_flit_capable: bool = wire(Bit, default=False)
    pbr_flit_capable: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class FlexBusControl(Register):
    """Flex Bus Port Control, 2 bytes."""

    cache_enable: bool = wire(Bit, default=False)
    io_enable: bool = wire(Bit, default=False)
    mem_enable: bool = wire(Bit, default=False)
    sync_header_bypass_enable: bool = wire(Bit, default=False)
    drift_buffer_enable: bool = wire(Bit, default=False)
    flit_68b_and_vh_enable: bool = wire(Bit, default=False)
    multi_logical_device_enable: bool = wire(Bit, default=False)
    disable_rcd_training: bool = wire(Bit, default=False)
    retimer_1_present: bool = wire(Bit, default=False)
    retimer_2_present: bool = wire(Bit, default=False)
    reserved_12_10: int = wire(Bits(3), default=0)
    latency_optimized_256b_flit_enable: bool = wire(Bit, default=False)
    pbr_flit_enable: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class FlexBusStatus(Register):
    """Flex Bus Port Status, 2 bytes."""

    cache_enabled: bool = wire(Bit, default=False)
    io_enabled: bool = wire(Bit, default=False)
    mem_enabled: bool = wire(Bit, default=False)
    sync_header_bypass_enabled: bool = wire(Bit, default=False)
    drift_buffer_enabled: bool = wire(Bit, default=False)
    flit_68b_and_vh_enabled: bool = wire(Bit, default=False)
    multi_logical_device_enabled: bool = wire(Bit, default=False)
    even_half_failed: bool = wire(Bit, default=False)
    cxl_correctable_protocol_id_framing_error: bool = wire(Bit, default=False)
    cxl_uncorrectable_protocol_id_framing_error: bool = wire(Bit, default=False)
    cxl_unexpected_protocol_id_dropped: bool = wire(Bit, default=False)
    cxl_retimers_present_mismatched: bool = wire(Bit, default=False)
    flex_bus_enable_bits_phase_2_mismatch: bool = wire(Bit, default=False)
    latency_optimized_256b_flit_enabled: bool = wire(Bit, default=False)
    pbr_flit_enabled: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class FlexBusModifiedTsData(Register):
    """Flex Bus Port Received Modified TS Data Phase 1, 4 bytes."""

    received_flex_bus_data: int = wire(Bits(24), default=0)
    reserved_31_24: int = wire(Bits(8), default=0)


@message
class FlexBusCapability2(Register):
    """Flex Bus Port Capability 2, 4 bytes."""

    nop_hint_capable: bool = wire(Bit, default=False)
    reserved_31_1: int = wire(Bits(31), default=0)


@message
class FlexBusControl2(Register):
    """Flex Bus Port Control 2, 4 bytes."""

    nop_hint_enable: bool = wire(Bit, default=False)
    reserved_31_1: int = wire(Bits(31), default=0)


@message
class FlexBusStatus2(Register):
    """Flex Bus Port Status 2, 4 bytes."""

    nop_hint_info: int = wire(Bits(2), default=0)
    reserved_31_2: int = wire(Bits(30), default=0)


@message
class CxlFlexBusPort(DvsecHeader):
    """Flex Bus Port DVSEC (id 7), 16 bytes; more from revision 1 and 2 on."""

    capability: FlexBusCapability = wire(Nested(FlexBusCapability), default=FlexBusCapability())
    control: FlexBusControl = wire(Nested(FlexBusControl), default=FlexBusControl())
    status: FlexBusStatus = wire(Nested(FlexBusStatus), default=FlexBusStatus())
    modified_ts_data: FlexBusModifiedTsData | None = wire(
        Nested(FlexBusModifiedTsData), when=this.dvsec_length >= _FLEX_BUS_REVISION_1_BYTES, default=None
    )
    capability_2: FlexBusCapability2 | None = wire(
        Nested(FlexBusCapability2), when=this.dvsec_length >= _FLEX_BUS_REVISION_2_BYTES, default=None
    )
    control_2: FlexBusControl2 | None = wire(
        Nested(FlexBusControl2), when=this.dvsec_length >= _FLEX_BUS_REVISION_2_BYTES, default=None
    )
    status_2: FlexBusStatus2 | None = wire(
        Nested(FlexBusStatus2), when=this.dvsec_length >= _FLEX_BUS_REVISION_2_BYTES, default=None
    )
    body: bytes = wire(Bytes(computed(_beyond_flex_bus, this.dvsec_length)), default=b"")


@message
class CxlRegisterBlock(PciStruct):
    """Where a block of registers is, 8 bytes."""

    bir: int = wire(Bits(3), default=0)
    reserved_7_3: int = wire(Bits(5), default=0)
    block_id: CxlBlockId = wire(Bits(8, CxlBlockId), default=CxlBlockId.EMPTY)
    offset_64k: int = wire(Bits(48), default=0)
    """in units of 64 KiB"""


@message
class CxlRegisterLocator(DvsecHeader):
    """Register Locator DVSEC (id 8): 12 bytes, and 8 for each block."""

    reserved: int = wire(U16, default=0)
    blocks: tuple[CxlRegisterBlock, ...] = wire(
        Array(computed(_locator_blocks, this.dvsec_length), Nested(CxlRegisterBlock)), default=()
    )


@message
class CxlMultiLogicalDevice(DvsecHeader):
    """MLD DVSEC (id 9), 16 bytes."""

    number_of_lds_supported: int = wire(U16, default=0)
    ld_id_hot_reset_vector: int = wire(U16, default=0)
    reserved: int = wire(U16, default=0)
