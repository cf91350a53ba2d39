"""Commands of the platform: what it is, what is initialized, and pages that go back to the host.

Documents: AMD 56860, "SNP_…"; AMD 58271, "TIO_STATUS", "TIO_INIT".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytio.errors import SevDecodeError
from pytio.mock.platform import RmpStep, RmpViolation
from pytio.mock.psp.call import Call
from pytio.mock.psp.losses import hang_up
from pytio.mock.psp.pages import FIRMWARE_PAGES, HUGE_PAGE_BYTES
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus, SnpPlatformFlags
from pytio.sev.commands import PageRangeList, SnpFeatureInfo, SnpInitEx, SnpPageReclaim
from pytio.sev.host_ioctl import SnpPlatformStatus
from pytio.sev.structures import FeatureInfo, TioPlatformStatus, TioPlatformStatusR1
from pytio.sev.tio_codes import PAGE_BYTES, Revision, TioStatusFlags

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = (
    "df_flush",
    "feature_info",
    "init_ex",
    "page_reclaim",
    "page_set_state",
    "platform_status",
    "shutdown_ex",
    "tio_init",
    "tio_status",
    "tio_status_bytes",
)

_RANGE_HEADER_BYTES: Final = 8
_RANGE_BYTES: Final = 16
_OLDER: Final = (Revision.R1, Revision.R2)


def platform_status(psp: Psp, call: Call) -> None:
    """SNP_PLATFORM_STATUS."""
    major, minor = psp.config.api_version
    status = SnpPlatformStatus(
        api_major=major,
        api_minor=minor,
        state=int(psp.is_initialized),
        is_rmp_initialized=psp.is_initialized,
        tio_enabled=psp.tio_en,
        build_id=psp.config.build_id,
        flags=SnpPlatformFlags.FEATURE_INFO_AVAILABLE,
        guest_count=len(psp.guests),
    )
    psp.pages.write(call.message.status_paddr, status.build())


def feature_info(psp: Psp, call: Call) -> None:
    """SNP_FEATURE_INFO: only sub-leaf 0 is there; R1 looks for SEV-TIO at another bit than its successors."""
    asked: SnpFeatureInfo = call.message
    if asked.ecx_in:
        raise Refused(SevStatus.INVALID_PARAM, f"there is no sub-leaf {asked.ecx_in}")
    is_first = psp.revision is Revision.R1
    has_tio = psp.config.supports_tio
    info = FeatureInfo(reserved_ebx_0=has_tio and is_first, sev_tio=has_tio and not is_first, x86_snp_shutdown=True)
    psp.pages.write(asked.feature_info_paddr, info.build())


def init_ex(psp: Psp, call: Call) -> None:
    """SNP_INIT_EX."""
    asked: SnpInitEx = call.message
    if psp.is_initialized:
        raise Refused(SevStatus.INVALID_PLATFORM_STATE, "it is initialized")
    if asked.tio_en and not psp.config.supports_tio:
        raise Refused(SevStatus.UNSUPPORTED, "this firmware lacks SEV-TIO")
    if asked.list_paddr_en:
        _read_ranges(psp, asked.list_paddr)
    psp.is_initialized, psp.tio_en = True, asked.tio_en


def _read_ranges(psp: Psp, paddr: int) -> PageRangeList:
    """Return the list of pages that stay the hypervisor's; it may not leave its page."""
    psp.pages.check_range(paddr, _RANGE_HEADER_BYTES)
    try:
        found, _ = PageRangeList.parse_prefix(psp.pages.read(paddr, PAGE_BYTES))
    except SevDecodeError as error:
        raise Refused(SevStatus.INVALID_ADDRESS, str(error)) from error
    return found


def shutdown_ex(psp: Psp, call: Call) -> None:
    """SNP_SHUTDOWN_EX: every context goes, and SEV-TIO with them; keys go, and pages are the firmware's still."""
    for device in psp.devices.values():
        hang_up(psp, device)
    psp.forget_everything()


def df_flush(psp: Psp, call: Call) -> None:
    """SNP_DF_FLUSH: ASIDs of guests that are gone may be given away again."""
    psp.dirty_asids.clear()


def page_reclaim(psp: Psp, call: Call) -> None:
    """SNP_PAGE_RECLAIM."""
    asked: SnpPageReclaim = call.message
    paddr = asked.pfn * PAGE_BYTES
    size = HUGE_PAGE_BYTES if asked.is_2mib else PAGE_BYTES
    if paddr % size:
        raise Refused(SevStatus.INVALID_ADDRESS, f"{paddr:#x} does not begin a page of {size} bytes")
    if bool(psp.platform.rmp.entry(paddr).pagesize) is not asked.is_2mib:
        raise Refused(SevStatus.INVALID_PAGE_SIZE, f"{paddr:#x} has another size in the RMP")
    try:
        for page in range(paddr, paddr + size, PAGE_BYTES):
            psp.platform.rmp.step(page, RmpStep.RECLAIM)
    except RmpViolation as error:
        raise Refused(SevStatus.INVALID_PAGE_STATE, str(error)) from error


def page_set_state(psp: Psp, call: Call) -> None:
    """SNP_PAGE_SET_STATE: all pages of the list, or none."""
    found = _read_ranges(psp, call.message.list_paddr)
    if any(each.base % HUGE_PAGE_BYTES for each in found.ranges):
        raise Refused(SevStatus.INVALID_ADDRESS, "a range does not begin 2 MiB")
    pages = [each.base + at * PAGE_BYTES for each in found.ranges for at in range(each.page_count)]
    psp.pages.check_states(pages, FIRMWARE_PAGES)
    for page in pages:
        psp.platform.rmp.step(page, RmpStep.FIX)


def tio_status_bytes(psp: Psp) -> int:
    """Return how much TIO_STATUS writes."""
    return (TioPlatformStatusR1 if psp.revision in _OLDER else TioPlatformStatus)().length


def tio_status(psp: Psp, call: Call) -> None:
    """TIO_STATUS: sizes are zero before TIO_INIT, the algorithm is unknown (`SEV_A15`, `SEV_A16`)."""
    sizes = psp.config.sizes
    flags = TioStatusFlags.TIO_EN if psp.tio_en else TioStatusFlags(0)
    told = {}
    if psp.tio_init_done:
        flags |= TioStatusFlags.TIO_INIT_DONE
        told = {
            f"spdm_{name}_size_{end}": getattr(sizes, name)[number]
            for name in ("req", "scratch", "out", "rsp")
            for number, end in enumerate(("min", "max"))
        }
        told |= {"devctx_size": sizes.device_context, "tdictx_size": sizes.tdi_context}
    cls = TioPlatformStatusR1 if psp.revision in _OLDER else TioPlatformStatus
    psp.pages.write(call.message.status_paddr, cls(flags=flags, **told).build())


def tio_init(psp: Psp, call: Call) -> None:
    """TIO_INIT."""
    psp.tio_init_done = True
