"""Device 3 (2Fh).

Document: PCIe Base 6.x section 7.7.9, "Device 3 Extended Capability Structure".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import Bit, Bits, Nested, message, wire

__all__ = (
    "Device3",
    "DeviceCapabilities3",
    "DeviceControl3",
    "DeviceStatus3",
)


@message
class DeviceCapabilities3(Register):
    """Device Capabilities 3 Register, 4 bytes."""

    dmwr_request_routing_supported: bool = wire(Bit, default=False)
    fourteen_bit_tag_completer_supported: bool = wire(Bit, default=False)
    fourteen_bit_tag_requester_supported: bool = wire(Bit, default=False)
    l0p_supported: bool = wire(Bit, default=False)
    port_l0p_exit_latency: int = wire(Bits(3), default=0)
    retimer_l0p_exit_latency: int = wire(Bits(3), default=0)
    uio_mem_rd_wr_completer_supported: bool = wire(Bit, default=False)
    uio_mem_rd_wr_requester_supported: bool = wire(Bit, default=False)
    reserved_31_12: int = wire(Bits(20), default=0)


@message
class DeviceControl3(Register):
    """Device Control 3 Register, 4 bytes."""

    dmwr_requester_enable: bool = wire(Bit, default=False)
    dmwr_egress_blocking: bool = wire(Bit, default=False)
    fourteen_bit_tag_requester_enable: bool = wire(Bit, default=False)
    l0p_enable: bool = wire(Bit, default=False)
    target_link_width: int = wire(Bits(3), default=0)
    uio_mem_rd_wr_requester_enable: bool = wire(Bit, default=False)
    uio_request_256b_boundary_disable: bool = wire(Bit, default=False)
    reserved_31_9: int = wire(Bits(23), default=0)


@message
class DeviceStatus3(Register):
    """Device Status 3 Register, 4 bytes."""

    initial_link_width: int = wire(Bits(3), default=0)
    segment_captured: bool = wire(Bit, default=False)
    remote_l0p_supported: bool = wire(Bit, default=False)
    reserved_31_5: int = wire(Bits(27), default=0)


@message
class Device3(ExtendedCapability):
    """Device 3, 16 bytes."""

    capabilities: DeviceCapabilities3 = wire(Nested(DeviceCapabilities3), default=DeviceCapabilities3())
    control: DeviceControl3 = wire(Nested(DeviceControl3), default=DeviceControl3())
    status: DeviceStatus3 = wire(Nested(DeviceStatus3), default=DeviceStatus3())
