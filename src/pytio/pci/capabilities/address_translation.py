"""Address Translation Services, Page Request Interface, PASID (0Fh, 13h, 1Bh).

Document: PCIe Base 6.x sections 10.5 and 7.8.9.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import U32, Bit, Bits, Nested, message, wire

__all__ = (
    "AddressTranslationServices",
    "AtsCapability",
    "AtsControl",
    "PageRequestControl",
    "PageRequestInterface",
    "PageRequestStatus",
    "Pasid",
    "PasidCapability",
    "PasidControl",
)


@message
class AtsCapability(Register):
    """ATS Capability Register, 2 bytes."""

    invalidate_queue_depth: int = wire(Bits(5), default=0)
    """0 means 32"""
    page_aligned_request: bool = wire(Bit, default=False)
    global_invalidate_supported: bool = wire(Bit, default=False)
    relaxed_ordering_supported: bool = wire(Bit, default=False)
    reserved_15_8: int = wire(Bits(8), default=0)


@message
class AtsControl(Register):
    """ATS Control Register, 2 bytes."""

    smallest_translation_unit: int = wire(Bits(5), default=0)
    """4096 bytes, shifted left by this"""
    reserved_14_5: int = wire(Bits(10), default=0)
    enable: bool = wire(Bit, default=False)


@message
class AddressTranslationServices(ExtendedCapability):
    """Address Translation Services, 8 bytes."""

    capability: AtsCapability = wire(Nested(AtsCapability), default=AtsCapability())
    control: AtsControl = wire(Nested(AtsControl), default=AtsControl())


@message
class PageRequestControl(Register):
    """Page Request Control Register, 2 bytes."""

    enable: bool = wire(Bit, default=False)
    reset: bool = wire(Bit, default=False)
    reserved_15_2: int = wire(Bits(14), default=0)


@message
class PageRequestStatus(Register):
    """Page Request Status Register, 2 bytes."""

    RW1C = frozenset({"response_failure", "unexpected_page_request_group_index"})

    response_failure: bool = wire(Bit, default=False)
    unexpected_page_request_group_index: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    stopped: bool = wire(Bit, default=False)
    reserved_14_9: int = wire(Bits(6), default=0)
    prg_response_pasid_required: bool = wire(Bit, default=False)


@message
class PageRequestInterface(ExtendedCapability):
    """Page Request Interface, 16 bytes."""

    control: PageRequestControl = wire(Nested(PageRequestControl), default=PageRequestControl())
    status: PageRequestStatus = wire(Nested(PageRequestStatus), default=PageRequestStatus())
    outstanding_page_request_capacity: int = wire(U32, default=0)
    outstanding_page_request_allocation: int = wire(U32, default=0)


@message
class PasidCapability(Register):
    """PASID Capability Register, 2 bytes."""

    reserved_0: int = wire(Bits(1), default=0)
    execute_permission_supported: bool = wire(Bit, default=False)
    privileged_mode_supported: bool = wire(Bit, default=False)
    translated_requests_with_pasid_supported: bool = wire(Bit, default=False)
    reserved_7_4: int = wire(Bits(4), default=0)
    max_pasid_width: int = wire(Bits(5), default=0)
    reserved_15_13: int = wire(Bits(3), default=0)


@message
class PasidControl(Register):
    """PASID Control Register, 2 bytes."""

    enable: bool = wire(Bit, default=False)
    execute_permission_enable: bool = wire(Bit, default=False)
    privileged_mode_enable: bool = wire(Bit, default=False)
    translated_requests_with_pasid_enable: bool = wire(Bit, default=False)
    reserved_15_4: int = wire(Bits(12), default=0)


@message
class Pasid(ExtendedCapability):
    """PASID, 8 bytes."""

    capability: PasidCapability = wire(Nested(PasidCapability), default=PasidCapability())
    control: PasidControl = wire(Nested(PasidControl), default=PasidControl())
