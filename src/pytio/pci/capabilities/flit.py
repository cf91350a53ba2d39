"""Flit mode: logging, performance measurement, error injection (32h, 33h, 34h).

Document: PCIe Base 6.x sections 7.7.12, 7.8.12 and 7.8.13. Where no public source gives a register's bits, it
is a number.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import REST, U16, U32, Array, Bit, Bits, Nested, message, wire

__all__ = (
    "FlitErrorInjection",
    "FlitErrorInjectionControl1",
    "FlitErrorInjectionControl2",
    "FlitErrorInjectionStatus",
    "FlitLogging",
    "FlitPerformanceMeasurement",
)


@message
class FlitLogging(ExtendedCapability):
    """Flit Logging, 28 bytes or more."""

    error_log_1: int = wire(U32, default=0)
    error_log_2: int = wire(U32, default=0)
    error_counter_control: int = wire(U16, default=0)
    error_counter_status: int = wire(U16, default=0)
    ber_measurement: tuple[int, ...] = wire(Array(REST, U32), default=())


@message
class FlitPerformanceMeasurement(ExtendedCapability):
    """Flit Performance Measurement."""

    body: tuple[int, ...] = wire(Array(REST, U32), default=())


@message
class FlitErrorInjectionControl1(Register):
    """Flit Error Injection Control 1 Register, 4 bytes."""

    enable: bool = wire(Bit, default=False)
    inject_on_transmitted_flits: bool = wire(Bit, default=False)
    inject_on_received_flits: bool = wire(Bit, default=False)
    reserved_5_3: int = wire(Bits(3), default=0)
    data_rate_2_5: bool = wire(Bit, default=False)
    data_rate_5_0: bool = wire(Bit, default=False)
    data_rate_8_0: bool = wire(Bit, default=False)
    data_rate_16_0: bool = wire(Bit, default=False)
    data_rate_32_0: bool = wire(Bit, default=False)
    data_rate_64_0: bool = wire(Bit, default=False)
    reserved_15_12: int = wire(Bits(4), default=0)
    number_of_errors: int = wire(Bits(5), default=0)
    spacing: int = wire(Bits(8), default=0)
    flit_type: int = wire(Bits(2), default=0)
    reserved_31: int = wire(Bits(1), default=0)


@message
class FlitErrorInjectionControl2(Register):
    """Flit Error Injection Control 2 Register, 4 bytes."""

    consecutive_error_injection: int = wire(Bits(3), default=0)
    error_type: int = wire(Bits(2), default=0)
    error_offset: int = wire(Bits(7), default=0)
    error_magnitude: int = wire(Bits(8), default=0)
    reserved_31_20: int = wire(Bits(12), default=0)


@message
class FlitErrorInjectionStatus(Register):
    """Flit Error Injection Status Register, 4 bytes."""

    tx_injection_status: int = wire(Bits(2), default=0)
    rx_injection_status: int = wire(Bits(2), default=0)
    reserved_31_4: int = wire(Bits(28), default=0)


@message
class FlitErrorInjection(ExtendedCapability):
    """Flit Error Injection, 36 bytes."""

    capability: int = wire(U32, default=0)
    control_1: FlitErrorInjectionControl1 = wire(
        Nested(FlitErrorInjectionControl1), default=FlitErrorInjectionControl1()
    )
    control_2: FlitErrorInjectionControl2 = wire(
        Nested(FlitErrorInjectionControl2), default=FlitErrorInjectionControl2()
    )
    status: FlitErrorInjectionStatus = wire(Nested(FlitErrorInjectionStatus), default=FlitErrorInjectionStatus())
    ordered_set_control_1: int = wire(U32, default=0)
    ordered_set_control_2: int = wire(U32, default=0)
    ordered_set_tx_status: int = wire(U32, default=0)
    ordered_set_rx_status: int = wire(U32, default=0)
