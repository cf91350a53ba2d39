"""Access Control Services and Alternative Routing-ID Interpretation (0Dh, 0Eh).

Document: PCIe Base 6.x sections 7.7.11 and 7.8.8.
"""

from __future__ import annotations

from typing import Final

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U32, Array, Bit, Bits, Nested, computed, message, this, wire

__all__ = (
    "AccessControlServices",
    "AcsControl",
    "AlternativeRoutingId",
    "AriCapability",
    "AriControl",
)


_DW_BITS: Final = 32
_WHOLE_VECTOR_BITS: Final = 256


def _vector_dw(has_vector: int, size_bits: int) -> int:
    """Return how many double words the egress control vector takes; only egress control has one."""
    return -(-(size_bits or _WHOLE_VECTOR_BITS) // _DW_BITS) if has_vector else 0


@message
class AcsControl(Register):
    """ACS Control Register, 2 bytes."""

    source_validation_enable: bool = wire(Bit, default=False)
    translation_blocking_enable: bool = wire(Bit, default=False)
    p2p_request_redirect_enable: bool = wire(Bit, default=False)
    p2p_completion_redirect_enable: bool = wire(Bit, default=False)
    upstream_forwarding_enable: bool = wire(Bit, default=False)
    p2p_egress_control_enable: bool = wire(Bit, default=False)
    direct_translated_p2p_enable: bool = wire(Bit, default=False)
    io_request_blocking_enable: bool = wire(Bit, default=False)
    dsp_memory_target_access_control: int = wire(Bits(2), default=0)
    usp_memory_target_access_control: int = wire(Bits(2), default=0)
    unclaimed_request_redirect_control: bool = wire(Bit, default=False)
    reserved_15_13: int = wire(Bits(3), default=0)


@message
class AccessControlServices(ExtendedCapability):
    """Access Control Services, 8 bytes, and the egress control vector where there is one."""

    source_validation: bool = wire(Bit, default=False)
    translation_blocking: bool = wire(Bit, default=False)
    p2p_request_redirect: bool = wire(Bit, default=False)
    p2p_completion_redirect: bool = wire(Bit, default=False)
    upstream_forwarding: bool = wire(Bit, default=False)
    p2p_egress_control: bool = wire(Bit, default=False)
    direct_translated_p2p: bool = wire(Bit, default=False)
    enhanced_capability: bool = wire(Bit, default=False)
    egress_control_vector_size: int = wire(Bits(8), default=0)
    """in bits; 0 means 256"""
    control: AcsControl = wire(Nested(AcsControl), default=AcsControl())
    egress_control_vector: tuple[int, ...] = wire(
        Array(computed(_vector_dw, this.p2p_egress_control, this.egress_control_vector_size), U32), default=()
    )


@message
class AriCapability(Register):
    """ARI Capability Register, 2 bytes."""

    mfvc_function_groups_capability: bool = wire(Bit, default=False)
    acs_function_groups_capability: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    next_function_number: int = wire(Bits(8), default=0)
    """0 ends"""


@message
class AriControl(Register):
    """ARI Control Register, 2 bytes."""

    mfvc_function_groups_enable: bool = wire(Bit, default=False)
    acs_function_groups_enable: bool = wire(Bit, default=False)
    reserved_3_2: int = wire(Bits(2), default=0)
    function_group: int = wire(Bits(3), default=0)
    reserved_15_7: int = wire(Bits(9), default=0)


@message
class AlternativeRoutingId(ExtendedCapability):
    """Alternative Routing-ID Interpretation, 8 bytes."""

    capability: AriCapability = wire(Nested(AriCapability), default=AriCapability())
    control: AriControl = wire(Nested(AriControl), default=AriControl())
