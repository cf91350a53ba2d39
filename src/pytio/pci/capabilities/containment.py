"""Downstream Port Containment (1Dh).

Document: PCIe Base 6.x section 7.9.14, "Downstream Port Containment Extended Capability".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.pci.codes import DpcTriggerEnable, DpcTriggerReason
from pytio.registers import Register
from pytio.wire import U16, U32, Array, Bit, Bits, Nested, message, wire

__all__ = (
    "DownstreamPortContainment",
    "DownstreamPortContainmentRoot",
    "DpcCapability",
    "DpcControl",
    "DpcStatus",
    "RpPioErrors",
    "RpPioStatus",
)


@message
class DpcCapability(Register):
    """DPC Capability Register, 2 bytes."""

    interrupt_message_number: int = wire(Bits(5), default=0)
    rp_extensions: bool = wire(Bit, default=False)
    poisoned_tlp_egress_blocking_supported: bool = wire(Bit, default=False)
    software_triggering_supported: bool = wire(Bit, default=False)
    rp_pio_log_size: int = wire(Bits(4), default=0)
    dl_active_err_cor_signaling_supported: bool = wire(Bit, default=False)
    reserved_15_13: int = wire(Bits(3), default=0)


@message
class DpcControl(Register):
    """DPC Control Register, 2 bytes."""

    trigger_enable: DpcTriggerEnable = wire(Bits(2, DpcTriggerEnable), default=DpcTriggerEnable.DISABLED)
    completion_control: bool = wire(Bit, default=False)
    interrupt_enable: bool = wire(Bit, default=False)
    err_cor_enable: bool = wire(Bit, default=False)
    poisoned_tlp_egress_blocking_enable: bool = wire(Bit, default=False)
    software_trigger: bool = wire(Bit, default=False)
    dl_active_err_cor_enable: bool = wire(Bit, default=False)
    sig_sfw_enable: bool = wire(Bit, default=False)
    reserved_15_9: int = wire(Bits(7), default=0)


@message
class DpcStatus(Register):
    """DPC Status Register, 2 bytes."""

    RW1C = frozenset({"interrupt_status", "sig_sfw_status", "trigger_status"})

    trigger_status: bool = wire(Bit, default=False)
    trigger_reason: DpcTriggerReason = wire(Bits(2, DpcTriggerReason), default=DpcTriggerReason.UNMASKED_UNCORRECTABLE)
    interrupt_status: bool = wire(Bit, default=False)
    rp_busy: bool = wire(Bit, default=False)
    trigger_reason_extension: int = wire(Bits(2), default=0)
    reserved_7: int = wire(Bits(1), default=0)
    rp_pio_first_error_pointer: int = wire(Bits(5), default=0)
    sig_sfw_status: bool = wire(Bit, default=False)
    reserved_15_14: int = wire(Bits(2), default=0)


@message
class DownstreamPortContainment(ExtendedCapability):
    """Downstream Port Containment, 12 bytes."""

    capability: DpcCapability = wire(Nested(DpcCapability), default=DpcCapability())
    control: DpcControl = wire(Nested(DpcControl), default=DpcControl())
    status: DpcStatus = wire(Nested(DpcStatus), default=DpcStatus())
    error_source_id: int = wire(U16, default=0)


@message
class RpPioErrors(Register):
    """One bit for each error of programmed I/O, in the mask, severity, system error and exception registers."""

    cfg_ur_cpl: bool = wire(Bit, default=False)
    cfg_ca_cpl: bool = wire(Bit, default=False)
    cfg_cto: bool = wire(Bit, default=False)
    reserved_7_3: int = wire(Bits(5), default=0)
    io_ur_cpl: bool = wire(Bit, default=False)
    io_ca_cpl: bool = wire(Bit, default=False)
    io_cto: bool = wire(Bit, default=False)
    reserved_15_11: int = wire(Bits(5), default=0)
    mem_ur_cpl: bool = wire(Bit, default=False)
    mem_ca_cpl: bool = wire(Bit, default=False)
    mem_cto: bool = wire(Bit, default=False)
    reserved_31_19: int = wire(Bits(13), default=0)


@message
class RpPioStatus(RpPioErrors):
    """RP PIO Status Register, 4 bytes."""

    RW1C = frozenset(field.name for field in RpPioErrors.FIELDS if not field.is_reserved)


@message
class DownstreamPortContainmentRoot(DownstreamPortContainment):
    """Downstream Port Containment of a root port with extensions, 48 bytes or more."""

    rp_pio_status: RpPioStatus = wire(Nested(RpPioStatus), default=RpPioStatus())
    rp_pio_mask: RpPioErrors = wire(Nested(RpPioErrors), default=RpPioErrors())
    rp_pio_severity: RpPioErrors = wire(Nested(RpPioErrors), default=RpPioErrors())
    rp_pio_syserror: RpPioErrors = wire(Nested(RpPioErrors), default=RpPioErrors())
    rp_pio_exception: RpPioErrors = wire(Nested(RpPioErrors), default=RpPioErrors())
    rp_pio_header_log: tuple[int, ...] = wire(Array(4, U32), default=(0,) * 4)
