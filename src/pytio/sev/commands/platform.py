"""Command buffers of the platform: what SEV-TIO is enabled and described by, and pages are taken back with.

Documents: AMD 58271, "TIO_STATUS", "TIO_INIT"; AMD 56860, "SNP_PLATFORM_STATUS", "SNP_FEATURE_INFO", "SNP_INIT_EX",
"SNP_SHUTDOWN_EX", "SNP_PAGE_RECLAIM". A wrong LENGTH decodes: to refuse it is the firmware's part (`SEV_A2`).
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.wire import AUTO, U16, U32, U64, Array, Bit, Bits, Bytes, Nested, WireStruct, message, this, wire

__all__ = (
    "PageRange",
    "PageRangeList",
    "SnpFeatureInfo",
    "SnpInitEx",
    "SnpPageReclaim",
    "SnpPageSetState",
    "SnpPlatformStatusCommand",
    "SnpShutdownEx",
    "TioInit",
    "TioStatus",
)


@message
class TioStatus(WireStruct, errors=SevDecodeError):
    """TIO_STATUS, 16 bytes: write a `pytio.sev.structures.TioPlatformStatus`."""

    length: int = wire(U32, default=16)
    reserved: int = wire(U32, default=0)
    status_paddr: int = wire(U64)


@message
class TioInit(WireStruct, errors=SevDecodeError):
    """TIO_INIT, 16 bytes: begin."""

    length: int = wire(U32, default=16)
    reserved: bytes = wire(Bytes(12), default=bytes(12))


@message
class SnpPlatformStatusCommand(WireStruct, errors=SevDecodeError):
    """SNP_PLATFORM_STATUS, 8 bytes; it has no LENGTH."""

    status_paddr: int = wire(U64)


@message
class SnpFeatureInfo(WireStruct, errors=SevDecodeError):
    """SNP_FEATURE_INFO, 16 bytes: write a `pytio.sev.structures.FeatureInfo`, which may not cross a page."""

    length: int = wire(U32, default=16)
    ecx_in: int = wire(U32, default=0)
    """The sub-leaf."""
    feature_info_paddr: int = wire(U64)


@message
class SnpInitEx(WireStruct, errors=SevDecodeError):
    """SNP_INIT_EX, 64 bytes; it has no LENGTH."""

    init_rmp: bool = wire(Bit, default=True)
    list_paddr_en: bool = wire(Bit, default=False)
    rapl_dis: bool = wire(Bit, default=False)
    ciphertext_hiding_en: bool = wire(Bit, default=False)
    tio_en: bool = wire(Bit, default=False)
    reserved_flags: int = wire(Bits(27), default=0)
    reserved: int = wire(U32, default=0)
    list_paddr: int = wire(U64, default=0)
    """A `PageRangeList`."""
    max_snp_asid: int = wire(U16, default=0)
    reserved_end: bytes = wire(Bytes(46), default=bytes(46))


@message
class PageRange(WireStruct, errors=SevDecodeError):
    """Pages that the firmware takes for itself, 16 bytes."""

    base: int = wire(U64)
    page_count: int = wire(U32)
    reserved: int = wire(U32, default=0)


@message
class PageRangeList(WireStruct, errors=SevDecodeError):
    """What LIST_PADDR of SNP_INIT_EX names."""

    count: int = wire(U32, default=AUTO)
    reserved: int = wire(U32, default=0)
    ranges: tuple[PageRange, ...] = wire(Array(this.count, Nested(PageRange)), default=())


@message
class SnpShutdownEx(WireStruct, errors=SevDecodeError):
    """SNP_SHUTDOWN_EX, 8 bytes: all state of SEV-TIO goes with it."""

    length: int = wire(U32, default=8)
    iommu_snp_shutdown: bool = wire(Bit, default=False)
    x86_snp_shutdown: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(30), default=0)


@message
class SnpPageReclaim(WireStruct, errors=SevDecodeError):
    """SNP_PAGE_RECLAIM, 8 bytes: take a page back from the firmware; it has no LENGTH."""

    is_2mib: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(11), default=0)
    pfn: int = wire(Bits(52))
    """Physical address in pages."""


@message
class SnpPageSetState(WireStruct, errors=SevDecodeError):
    """SNP_PAGE_SET_STATE, 16 bytes: make pages of the firmware HV-Fixed (`SEV_A44`)."""

    length: int = wire(U32, default=16)
    reserved: int = wire(U32, default=0)
    list_paddr: int = wire(U64)
    """A `PageRangeList`."""
