"""Power Management capability (01h).

Document: PCI Bus Power Management Interface 1.2; PCIe Base 6.x section 7.5.2, "PCI Power Management
Capability Structure".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import Capability
from pytio.pci.codes import PowerState
from pytio.registers import Register
from pytio.wire import U8, Bit, Bits, Nested, message, wire

__all__ = (
    "PmBridgeExtensions",
    "PmCapabilities",
    "PmControlStatus",
    "PowerManagement",
)


@message
class PmCapabilities(Register):
    """Power Management Capabilities, 2 bytes."""

    version: int = wire(Bits(3), default=0)
    pme_clock: bool = wire(Bit, default=False)
    immediate_readiness_on_return_to_d0: bool = wire(Bit, default=False)
    device_specific_initialization: bool = wire(Bit, default=False)
    aux_current: int = wire(Bits(3), default=0)
    d1_support: bool = wire(Bit, default=False)
    d2_support: bool = wire(Bit, default=False)
    pme_d0: bool = wire(Bit, default=False)
    pme_d1: bool = wire(Bit, default=False)
    pme_d2: bool = wire(Bit, default=False)
    pme_d3_hot: bool = wire(Bit, default=False)
    pme_d3_cold: bool = wire(Bit, default=False)


@message
class PmControlStatus(Register):
    """Power Management Control/Status, 2 bytes."""

    RW1C = frozenset({"pme_status"})

    power_state: PowerState = wire(Bits(2, PowerState), default=PowerState.D0)
    reserved_2: int = wire(Bits(1), default=0)
    no_soft_reset: bool = wire(Bit, default=False)
    reserved_7_4: int = wire(Bits(4), default=0)
    pme_enable: bool = wire(Bit, default=False)
    data_select: int = wire(Bits(4), default=0)
    data_scale: int = wire(Bits(2), default=0)
    pme_status: bool = wire(Bit, default=False)


@message
class PmBridgeExtensions(Register):
    """PMCSR bridge support extensions, 1 byte; reserved in PCI Express."""

    reserved_5_0: int = wire(Bits(6), default=0)
    b2_b3: bool = wire(Bit, default=False)
    bus_power_clock_control_enable: bool = wire(Bit, default=False)


@message
class PowerManagement(Capability):
    """Power Management capability, 8 bytes."""

    capabilities: PmCapabilities = wire(Nested(PmCapabilities), default=PmCapabilities())
    control_status: PmControlStatus = wire(Nested(PmControlStatus), default=PmControlStatus())
    bridge_extensions: PmBridgeExtensions = wire(Nested(PmBridgeExtensions), default=PmBridgeExtensions())
    data: int = wire(U8, default=0)
