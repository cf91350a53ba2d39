"""Advanced Error Reporting (01h).

Document: PCIe Base 6.x section 7.8.4, "Advanced Error Reporting Extended Capability".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U16, U32, Array, Bit, Bits, Nested, message, wire

__all__ = (
    "AdvancedErrorReporting",
    "AdvancedErrorReportingPrefix",
    "AdvancedErrorReportingRoot",
    "AerCapabilitiesControl",
    "CorrectableErrorStatus",
    "CorrectableErrors",
    "RootErrorCommand",
    "RootErrorStatus",
    "UncorrectableErrorStatus",
    "UncorrectableErrors",
)


@message
class UncorrectableErrors(Register):
    """One bit for each uncorrectable error; in the mask register, and in the severity register (set means fatal)."""

    reserved_3_0: int = wire(Bits(4), default=0)
    data_link_protocol_error: bool = wire(Bit, default=False)
    surprise_down_error: bool = wire(Bit, default=False)
    reserved_11_6: int = wire(Bits(6), default=0)
    poisoned_tlp_received: bool = wire(Bit, default=False)
    flow_control_protocol_error: bool = wire(Bit, default=False)
    completion_timeout: bool = wire(Bit, default=False)
    completer_abort: bool = wire(Bit, default=False)
    unexpected_completion: bool = wire(Bit, default=False)
    receiver_overflow: bool = wire(Bit, default=False)
    malformed_tlp: bool = wire(Bit, default=False)
    ecrc_error: bool = wire(Bit, default=False)
    unsupported_request_error: bool = wire(Bit, default=False)
    acs_violation: bool = wire(Bit, default=False)
    uncorrectable_internal_error: bool = wire(Bit, default=False)
    mc_blocked_tlp: bool = wire(Bit, default=False)
    atomic_op_egress_blocked: bool = wire(Bit, default=False)
    tlp_prefix_blocked_error: bool = wire(Bit, default=False)
    poisoned_tlp_egress_blocked: bool = wire(Bit, default=False)
    dmwr_request_egress_blocked: bool = wire(Bit, default=False)
    ide_check_failed: bool = wire(Bit, default=False)
    misrouted_ide_tlp: bool = wire(Bit, default=False)
    pcrc_check_failed: bool = wire(Bit, default=False)
    tlp_translation_egress_blocked: bool = wire(Bit, default=False)


@message
class UncorrectableErrorStatus(UncorrectableErrors):
    """Uncorrectable Error Status Register, 4 bytes."""

    RW1C = frozenset(field.name for field in UncorrectableErrors.FIELDS if not field.is_reserved)


@message
class CorrectableErrors(Register):
    """One bit for each correctable error, in the mask register."""

    receiver_error: bool = wire(Bit, default=False)
    reserved_5_1: int = wire(Bits(5), default=0)
    bad_tlp: bool = wire(Bit, default=False)
    bad_dllp: bool = wire(Bit, default=False)
    replay_num_rollover: bool = wire(Bit, default=False)
    reserved_11_9: int = wire(Bits(3), default=0)
    replay_timer_timeout: bool = wire(Bit, default=False)
    advisory_non_fatal_error: bool = wire(Bit, default=False)
    corrected_internal_error: bool = wire(Bit, default=False)
    header_log_overflow: bool = wire(Bit, default=False)
    reserved_31_16: int = wire(Bits(16), default=0)


@message
class CorrectableErrorStatus(CorrectableErrors):
    """Correctable Error Status Register, 4 bytes."""

    RW1C = frozenset(field.name for field in CorrectableErrors.FIELDS if not field.is_reserved)


@message
class AerCapabilitiesControl(Register):
    """Advanced Error Capabilities and Control Register, 4 bytes."""

    first_error_pointer: int = wire(Bits(5), default=0)
    ecrc_generation_capable: bool = wire(Bit, default=False)
    ecrc_generation_enable: bool = wire(Bit, default=False)
    ecrc_check_capable: bool = wire(Bit, default=False)
    ecrc_check_enable: bool = wire(Bit, default=False)
    multiple_header_recording_capable: bool = wire(Bit, default=False)
    multiple_header_recording_enable: bool = wire(Bit, default=False)
    tlp_prefix_log_present: bool = wire(Bit, default=False)
    completion_timeout_prefix_header_log_capable: bool = wire(Bit, default=False)
    header_log_size: int = wire(Bits(5), default=0)
    logged_tlp_was_flit_mode: bool = wire(Bit, default=False)
    reserved_31_19: int = wire(Bits(13), default=0)


@message
class RootErrorCommand(Register):
    """Root Error Command Register, 4 bytes."""

    correctable_error_reporting_enable: bool = wire(Bit, default=False)
    non_fatal_error_reporting_enable: bool = wire(Bit, default=False)
    fatal_error_reporting_enable: bool = wire(Bit, default=False)
    reserved_31_3: int = wire(Bits(29), default=0)


@message
class RootErrorStatus(Register):
    """Root Error Status Register, 4 bytes."""

    RW1C = frozenset(
        {
            "err_cor_received",
            "err_fatal_nonfatal_received",
            "fatal_error_messages_received",
            "first_uncorrectable_fatal",
            "multiple_err_cor_received",
            "multiple_err_fatal_nonfatal_received",
            "non_fatal_error_messages_received",
        }
    )

    err_cor_received: bool = wire(Bit, default=False)
    multiple_err_cor_received: bool = wire(Bit, default=False)
    err_fatal_nonfatal_received: bool = wire(Bit, default=False)
    multiple_err_fatal_nonfatal_received: bool = wire(Bit, default=False)
    first_uncorrectable_fatal: bool = wire(Bit, default=False)
    non_fatal_error_messages_received: bool = wire(Bit, default=False)
    fatal_error_messages_received: bool = wire(Bit, default=False)
    err_cor_subclass: int = wire(Bits(2), default=0)
    reserved_26_9: int = wire(Bits(18), default=0)
    interrupt_message_number: int = wire(Bits(5), default=0)


@message
class AdvancedErrorReporting(ExtendedCapability):
    """Advanced Error Reporting of a function that is no root port, 44 bytes."""

    uncorrectable_error_status: UncorrectableErrorStatus = wire(
        Nested(UncorrectableErrorStatus), default=UncorrectableErrorStatus()
    )
    uncorrectable_error_mask: UncorrectableErrors = wire(Nested(UncorrectableErrors), default=UncorrectableErrors())
    uncorrectable_error_severity: UncorrectableErrors = wire(Nested(UncorrectableErrors), default=UncorrectableErrors())
    correctable_error_status: CorrectableErrorStatus = wire(
        Nested(CorrectableErrorStatus), default=CorrectableErrorStatus()
    )
    correctable_error_mask: CorrectableErrors = wire(Nested(CorrectableErrors), default=CorrectableErrors())
    capabilities_control: AerCapabilitiesControl = wire(
        Nested(AerCapabilitiesControl), default=AerCapabilitiesControl()
    )
    header_log: tuple[int, ...] = wire(Array(4, U32), default=(0,) * 4)


@message
class AdvancedErrorReportingRoot(AdvancedErrorReporting):
    """Advanced Error Reporting of a root port or event collector, 56 bytes."""

    root_error_command: RootErrorCommand = wire(Nested(RootErrorCommand), default=RootErrorCommand())
    root_error_status: RootErrorStatus = wire(Nested(RootErrorStatus), default=RootErrorStatus())
    err_cor_source_identification: int = wire(U16, default=0)
    err_fatal_nonfatal_source_identification: int = wire(U16, default=0)


@message
class AdvancedErrorReportingPrefix(AdvancedErrorReportingRoot):
    """Advanced Error Reporting with a TLP prefix log, 72 bytes."""

    tlp_prefix_log: tuple[int, ...] = wire(Array(4, U32), default=(0,) * 4)
