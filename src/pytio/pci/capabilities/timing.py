"""Precision Time Measurement (1Fh).

Document: PCIe Base 6.x section 7.9.15, "Precision Time Measurement Extended Capability".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import Bit, Bits, Nested, message, wire

__all__ = (
    "PrecisionTimeMeasurement",
    "PtmCapability",
    "PtmControl",
)


@message
class PtmCapability(Register):
    """PTM Capability Register, 4 bytes."""

    requester_capable: bool = wire(Bit, default=False)
    responder_capable: bool = wire(Bit, default=False)
    root_capable: bool = wire(Bit, default=False)
    eptm_capable: bool = wire(Bit, default=False)
    propagation_delay_adaptation_capable: bool = wire(Bit, default=False)
    reserved_7_5: int = wire(Bits(3), default=0)
    local_clock_granularity: int = wire(Bits(8), default=0)
    """in nanoseconds; 0 none, 255 more than 254"""
    reserved_31_16: int = wire(Bits(16), default=0)


@message
class PtmControl(Register):
    """PTM Control Register, 4 bytes."""

    enable: bool = wire(Bit, default=False)
    root_select: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    effective_granularity: int = wire(Bits(8), default=0)
    """in nanoseconds; 0 unknown, 255 more than 254"""
    reserved_31_16: int = wire(Bits(16), default=0)


@message
class PrecisionTimeMeasurement(ExtendedCapability):
    """Precision Time Measurement, 12 bytes."""

    capability: PtmCapability = wire(Nested(PtmCapability), default=PtmCapability())
    control: PtmControl = wire(Nested(PtmControl), default=PtmControl())
