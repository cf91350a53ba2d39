"""Power Budgeting, Dynamic Power Allocation, Latency Tolerance Reporting, L1 PM Substates (04h, 16h, 18h, 1Eh).

Document: PCIe Base 6.x sections 7.8.1, 7.9.12, 7.8.2 and 7.8.3.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U8, U32, Array, Bit, Bits, Bytes, Nested, message, this, wire

__all__ = (
    "DpaCapability",
    "DpaControl",
    "DpaStatus",
    "DynamicPowerAllocation",
    "L1PmCapabilities",
    "L1PmControl1",
    "L1PmControl2",
    "L1PmSubstates",
    "LatencyTolerance",
    "LatencyToleranceReporting",
    "PowerBudgeting",
    "PowerBudgetingCapability",
    "PowerBudgetingData",
)


@message
class PowerBudgetingData(Register):
    """Power Budgeting Data Register, 4 bytes."""

    base_power: int = wire(Bits(8), default=0)
    data_scale: int = wire(Bits(2), default=0)
    pm_sub_state: int = wire(Bits(3), default=0)
    pm_state: int = wire(Bits(2), default=0)
    type: int = wire(Bits(3), default=0)
    power_rail: int = wire(Bits(3), default=0)
    connector_type: int = wire(Bits(11), default=0)


@message
class PowerBudgetingCapability(Register):
    """Power Budget Capability Register, 1 byte."""

    system_allocated: bool = wire(Bit, default=False)
    reserved_7_1: int = wire(Bits(7), default=0)


@message
class PowerBudgeting(ExtendedCapability):
    """Power Budgeting, 16 bytes."""

    data_select: int = wire(U8, default=0)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    data: PowerBudgetingData = wire(Nested(PowerBudgetingData), default=PowerBudgetingData())
    capability: PowerBudgetingCapability = wire(Nested(PowerBudgetingCapability), default=PowerBudgetingCapability())
    reserved_capability: bytes = wire(Bytes(3), default=bytes(3))


@message
class DpaCapability(Register):
    """DPA Capability Register, 4 bytes."""

    substate_max: int = wire(Bits(5), default=0)
    reserved_7_5: int = wire(Bits(3), default=0)
    transition_latency_unit: int = wire(Bits(2), default=0)
    reserved_11_10: int = wire(Bits(2), default=0)
    power_allocation_scale: int = wire(Bits(2), default=0)
    reserved_15_14: int = wire(Bits(2), default=0)
    transition_latency_value_0: int = wire(Bits(8), default=0)
    transition_latency_value_1: int = wire(Bits(8), default=0)


@message
class DpaStatus(Register):
    """DPA Status Register, 2 bytes."""

    RW1C = frozenset({"substate_control_enabled"})

    substate_status: int = wire(Bits(5), default=0)
    reserved_7_5: int = wire(Bits(3), default=0)
    substate_control_enabled: bool = wire(Bit, default=False)
    reserved_15_9: int = wire(Bits(7), default=0)


@message
class DpaControl(Register):
    """DPA Control Register, 2 bytes."""

    substate_control: int = wire(Bits(5), default=0)
    reserved_15_5: int = wire(Bits(11), default=0)


@message
class DynamicPowerAllocation(ExtendedCapability):
    """Dynamic Power Allocation: 16 bytes, and one for each substate."""

    substate_max: int = wire(Bits(5), default=0)
    reserved_7_5: int = wire(Bits(3), default=0)
    transition_latency_unit: int = wire(Bits(2), default=0)
    reserved_11_10: int = wire(Bits(2), default=0)
    power_allocation_scale: int = wire(Bits(2), default=0)
    reserved_15_14: int = wire(Bits(2), default=0)
    transition_latency_value_0: int = wire(Bits(8), default=0)
    transition_latency_value_1: int = wire(Bits(8), default=0)
    latency_indicator: int = wire(U32, default=0)
    status: DpaStatus = wire(Nested(DpaStatus), default=DpaStatus())
    control: DpaControl = wire(Nested(DpaControl), default=DpaControl())
    power_allocation: tuple[int, ...] = wire(Array(this.substate_max + 1, U8), default=(0,))


@message
class LatencyTolerance(Register):
    """A latency: value, times 32 to the power of scale, in nanoseconds."""

    value: int = wire(Bits(10), default=0)
    scale: int = wire(Bits(3), default=0)
    reserved_15_13: int = wire(Bits(3), default=0)


@message
class LatencyToleranceReporting(ExtendedCapability):
    """Latency Tolerance Reporting, 8 bytes."""

    max_snoop_latency: LatencyTolerance = wire(Nested(LatencyTolerance), default=LatencyTolerance())
    max_no_snoop_latency: LatencyTolerance = wire(Nested(LatencyTolerance), default=LatencyTolerance())


@message
class L1PmCapabilities(Register):
    """L1 PM Substates Capabilities Register, 4 bytes."""

    pci_pm_l1_2_supported: bool = wire(Bit, default=False)
    pci_pm_l1_1_supported: bool = wire(Bit, default=False)
    aspm_l1_2_supported: bool = wire(Bit, default=False)
    aspm_l1_1_supported: bool = wire(Bit, default=False)
    l1_pm_substates_supported: bool = wire(Bit, default=False)
    link_activation_supported: bool = wire(Bit, default=False)
    reserved_7_6: int = wire(Bits(2), default=0)
    port_common_mode_restore_time: int = wire(Bits(8), default=0)
    """in microseconds"""
    port_t_power_on_scale: int = wire(Bits(2), default=0)
    reserved_18: int = wire(Bits(1), default=0)
    port_t_power_on_value: int = wire(Bits(5), default=0)
    reserved_31_24: int = wire(Bits(8), default=0)


@message
class L1PmControl1(Register):
    """L1 PM Substates Control 1 Register, 4 bytes."""

    pci_pm_l1_2_enable: bool = wire(Bit, default=False)
    pci_pm_l1_1_enable: bool = wire(Bit, default=False)
    aspm_l1_2_enable: bool = wire(Bit, default=False)
    aspm_l1_1_enable: bool = wire(Bit, default=False)
    link_activation_interrupt_enable: bool = wire(Bit, default=False)
    link_activation_control: bool = wire(Bit, default=False)
    reserved_7_6: int = wire(Bits(2), default=0)
    common_mode_restore_time: int = wire(Bits(8), default=0)
    """in microseconds"""
    ltr_l1_2_threshold_value: int = wire(Bits(10), default=0)
    reserved_28_26: int = wire(Bits(3), default=0)
    ltr_l1_2_threshold_scale: int = wire(Bits(3), default=0)


@message
class L1PmControl2(Register):
    """L1 PM Substates Control 2 Register, 4 bytes."""

    t_power_on_scale: int = wire(Bits(2), default=0)
    reserved_2: int = wire(Bits(1), default=0)
    t_power_on_value: int = wire(Bits(5), default=0)
    reserved_31_8: int = wire(Bits(24), default=0)


@message
class L1PmSubstates(ExtendedCapability):
    """L1 PM Substates, 16 bytes."""

    capabilities: L1PmCapabilities = wire(Nested(L1PmCapabilities), default=L1PmCapabilities())
    control_1: L1PmControl1 = wire(Nested(L1PmControl1), default=L1PmControl1())
    control_2: L1PmControl2 = wire(Nested(L1PmControl2), default=L1PmControl2())
