"""Transaction Processing Hints, LN Requester (17h, 1Ch).

Document: PCIe Base 6.x sections 7.9.13 and 7.9.23, "TPH Requester Extended Capability".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.pci.codes import StMode, StTableLocation
from pytio.registers import Register
from pytio.wire import U16, Array, Bit, Bits, Nested, computed, message, this, wire

__all__ = (
    "LnRequester",
    "LnrCapability",
    "LnrControl",
    "TphControl",
    "TphRequester",
)


def _table_entries(location: int, size_minus_1: int) -> int:
    """Return how many steering tags follow; a table elsewhere has its size here all the same."""
    return size_minus_1 + 1 if location == StTableLocation.CAPABILITY else 0


@message
class TphControl(Register):
    """TPH Requester Control Register, 4 bytes."""

    st_mode_select: StMode = wire(Bits(3, StMode), default=StMode.NO_ST)
    reserved_7_3: int = wire(Bits(5), default=0)
    requester_enable: int = wire(Bits(2), default=0)
    reserved_31_10: int = wire(Bits(22), default=0)


@message
class TphRequester(ExtendedCapability):
    """TPH Requester: 12 bytes, and 2 for each entry of a steering tag table that is here."""

    no_st_mode_supported: bool = wire(Bit, default=False)
    interrupt_vector_mode_supported: bool = wire(Bit, default=False)
    device_specific_mode_supported: bool = wire(Bit, default=False)
    reserved_7_3: int = wire(Bits(5), default=0)
    extended_tph_requester_supported: bool = wire(Bit, default=False)
    st_table_location: StTableLocation = wire(Bits(2, StTableLocation), default=StTableLocation.NOT_PRESENT)
    reserved_15_11: int = wire(Bits(5), default=0)
    st_table_size_minus_1: int = wire(Bits(11), default=0)
    reserved_31_27: int = wire(Bits(5), default=0)
    control: TphControl = wire(Nested(TphControl), default=TphControl())
    st_table: tuple[int, ...] = wire(
        Array(computed(_table_entries, this.st_table_location, this.st_table_size_minus_1), U16), default=()
    )


@message
class LnrCapability(Register):
    """LNR Capability Register, 2 bytes."""

    lnr_64_supported: bool = wire(Bit, default=False)
    lnr_128_supported: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    lnr_registration_max: int = wire(Bits(5), default=0)
    reserved_15_13: int = wire(Bits(3), default=0)


@message
class LnrControl(Register):
    """LNR Control Register, 2 bytes."""

    enable: bool = wire(Bit, default=False)
    lnr_cls: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    lnr_registration_limit: int = wire(Bits(5), default=0)
    reserved_15_13: int = wire(Bits(3), default=0)


@message
class LnRequester(ExtendedCapability):
    """LN Requester, 8 bytes; deprecated."""

    capability: LnrCapability = wire(Nested(LnrCapability), default=LnrCapability())
    control: LnrControl = wire(Nested(LnrControl), default=LnrControl())
