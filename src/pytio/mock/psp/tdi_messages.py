"""The four messages a guest has about an interface, each as a conversation that ends in its answer.

Document: AMD 58271, "TIO_MSG_…". Whatever the guest asks for wrongly is answered with a status inside the answer, which
the host cannot see. Only MMIO_CONFIG that writes has to talk to the device (`SEV_A34`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.errors import LocalProtocolError, TdispPeerError
from pytio.mock.psp.contexts import Conversation, TdiContext
from pytio.mock.psp.device_commands import line_of
from pytio.mock.psp.tdi_commands import measurement_flags
from pytio.sev.rmp import PageState
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    GuestMessageStatus,
    MmioConfigFlags,
    MmioConfigStatus,
    MmioValidateStatus,
    MmioValidateStatusR1,
    Revision,
    SdteWriteStatus,
    ValidateFlags,
)
from pytio.tdisp import MmioRange, SetMmioAttributeRequest
from pytio.tdisp.codes import MmioAttributes
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("mmio_config", "mmio_validate", "sdte_write", "tdi_info")

_OLDER: Final = (Revision.R1, Revision.R2)
_Status = MmioValidateStatus
_GUESTS_PAGES: Final = frozenset(
    {PageState.PRE_GUEST, PageState.GUEST_INVALID, PageState.GUEST_VALID, PageState.PRE_SWAP}
)


def _identity(psp: Psp, request: Any) -> dict[str, int]:
    """Return the fields that name the interface, which an answer repeats."""
    name = "tdi_id" if psp.revision is Revision.N else "guest_device_id"
    return {name: getattr(request, name)}


def _whose(psp: Psp, tdi: TdiContext, request: Any) -> GuestMessageStatus:
    """Return whether the request names this interface, and whether that is bound; the statuses of all four agree.

    One that was the guest's and is not any more is said to be unbound, so that a guest can tidy up (`SEV_A36`).
    """
    [named] = _identity(psp, request).values()
    known = tdi.tdi_id if psp.revision is Revision.N else tdi.guest_device_id
    if tdi.guest is not None and named != known:
        return GuestMessageStatus.INVALID_TDI
    return GuestMessageStatus.BOUND if tdi.is_bound else GuestMessageStatus.UNBOUND


def tdi_info(psp: Psp, tdi: TdiContext, request: Any, layout: type[Any]) -> Conversation[WireStruct]:
    """TDI_INFO: digests only of an interface that is the guest's."""
    status = _whose(psp, tdi, request)
    facts: dict[str, Any] = {}
    if status is GuestMessageStatus.BOUND:
        facts = {
            "meas_flags": measurement_flags(tdi),
            "lock_flags": tdi.lock,
            "spdm_algos": tdi.device.algos,
            "certs_digest": tdi.device.certs_digest,
            "meas_digest": tdi.device.meas_digest,
            "interface_report_digest": tdi.report_digest,
        }
        if psp.revision is not Revision.R1:
            facts["tdi_report_count"] = tdi.report_count
    yield from ()  # a conversation, though there is nothing to carry
    answer: WireStruct = layout(**_identity(psp, request), status=status, **facts)
    return answer


# MMIO_VALIDATE


def mmio_validate(psp: Psp, tdi: TdiContext, request: Any, layout: type[Any]) -> Conversation[WireStruct]:
    """MMIO_VALIDATE: all pages, or none."""
    yield from ()
    status, changed = _validate(psp, tdi, request)
    answer: WireStruct = layout(
        **_identity(psp, request),
        status=MmioValidateStatusR1[_R1_NAMES[status]] if psp.revision in _OLDER else status,
        subrange_base=request.subrange_base,
        subrange_page_count=request.subrange_page_count,
        range_offset=request.range_offset,
        changed=changed,
        range_id=request.range_id,
    )
    return answer


_R1_NAMES: Final[Mapping[MmioValidateStatus, str]] = {
    **{status: status.name for status in _Status if status.name in MmioValidateStatusR1.__members__},
    _Status.NOT_IO: MmioValidateStatusR1.NOT_ASSIGNED.name,
    _Status.NOT_4K: MmioValidateStatusR1.NOT_MAPPED.name,
}
"""R1 and R2 lack two codes, and say the nearest instead (`SEV_A42`)."""


def _validate(psp: Psp, tdi: TdiContext, request: Any) -> tuple[MmioValidateStatus, bool]:
    """Check in the order of `SEV_A23`, then set Validated; return the status and whether anything changed."""
    whose = _whose(psp, tdi, request)
    if whose is not GuestMessageStatus.BOUND:
        return _Status(whose), False
    pages = _reported_pages(tdi, request.range_id)
    if not pages:
        return _Status.NOT_REPORTED, False
    first = min(pages) + request.range_offset
    wanted = range(first, first + request.subrange_page_count)
    if not wanted or not set(wanted) <= pages:
        return _Status.OUT_OF_RANGE, False
    gpa = request.subrange_base * (PAGE_BYTES if psp.revision is Revision.N else 1)
    for number, page in enumerate(wanted):
        status = _judge_page(psp, tdi, page * PAGE_BYTES, gpa + number * PAGE_BYTES)
        if status is not _Status.SUCCESS:
            return status, False
    return _set_validated(psp, tdi, [page * PAGE_BYTES for page in wanted], request.flags)


def _reported_pages(tdi: TdiContext, range_id: int) -> set[int]:
    """Return the numbers of the pages that the report has under a range id."""
    ranges = tdi.report.mmio_ranges if tdi.report is not None else ()
    return {
        page
        for each in ranges
        if each.range_id == range_id
        for page in range(each.first_page, each.first_page + each.page_count)
    }


def _judge_page(psp: Psp, tdi: TdiContext, paddr: int, gpa: int) -> MmioValidateStatus:
    rmp = psp.platform.rmp
    entry = rmp.entry(paddr)
    if rmp.state(paddr) not in _GUESTS_PAGES or tdi.guest is None or entry.asid != tdi.guest.asid:
        return _Status.NOT_ASSIGNED
    if not psp.platform.is_mmio(paddr):
        return _Status.NOT_IO
    if entry.pagesize:
        return _Status.NOT_4K
    if entry.gpa != gpa:
        return _Status.NOT_MAPPED
    if psp.revision not in _OLDER and not entry.immutable:
        return _Status.NOT_IMMUTABLE
    return _Status.SUCCESS


def _set_validated(
    psp: Psp, tdi: TdiContext, pages: list[int], flags: ValidateFlags
) -> tuple[MmioValidateStatus, bool]:
    rmp, wanted = psp.platform.rmp, ValidateFlags.VALIDATED in flags
    before = {rmp.is_validated(page) for page in pages}
    if len(before) > 1 and ValidateFlags.FORCE_VALIDATED not in flags:
        return _Status.NOT_UNIFORM, False
    for page in pages:
        rmp.set_validated(page, wanted)
    (tdi.validated.update if wanted else tdi.validated.difference_update)(pages)
    return _Status.SUCCESS, before != {wanted}


# MMIO_CONFIG


def mmio_config(psp: Psp, tdi: TdiContext, request: Any, layout: type[Any]) -> Conversation[WireStruct]:
    """MMIO_CONFIG: read the attributes of a range, or have the device change whether it takes what is not trusted."""
    status = MmioConfigStatus(_whose(psp, tdi, request))
    ranges = [each for each in _ranges(tdi) if each.range_id == request.range_id]
    if status is MmioConfigStatus.SUCCESS and not ranges:
        status = MmioConfigStatus.NOT_REPORTED
    flags = MmioConfigFlags(0)
    if status is MmioConfigStatus.SUCCESS:
        if request.write:
            status = yield from _change(tdi, ranges, MmioConfigFlags.NON_TEE_MEM in request.flags)
        flags = MmioConfigFlags(int(_ranges_of(tdi, request.range_id)[0].attributes))
    answer: WireStruct = layout(
        **_identity(psp, request), status=status, flags=flags, range_id=request.range_id, write=request.write
    )
    return answer


def _ranges(tdi: TdiContext) -> tuple[MmioRange, ...]:
    return tdi.report.mmio_ranges if tdi.report is not None else ()


def _ranges_of(tdi: TdiContext, range_id: int) -> list[MmioRange]:
    return [each for each in _ranges(tdi) if each.range_id == range_id]


def _change(tdi: TdiContext, ranges: list[MmioRange], is_non_tee: bool) -> Conversation[MmioConfigStatus]:
    """Have the device change each range; it may only where the report says that it can."""
    if any(MmioAttributes.IS_MEM_ATTR_UPDATABLE not in each.attributes for each in ranges):
        return MmioConfigStatus.COULD_NOT_CHANGE
    for each in ranges:
        others = each.attributes & ~MmioAttributes.IS_NON_TEE_MEM
        wanted = each.replace(attributes=others | (MmioAttributes.IS_NON_TEE_MEM if is_non_tee else MmioAttributes(0)))
        request = SetMmioAttributeRequest(interface_id=tdi.interface_id, mmio_range=wanted)
        try:
            yield from line_of(tdi.device).ask_tdisp(request)
        except (TdispPeerError, LocalProtocolError):  # it refuses, cannot, or does not run yet
            return MmioConfigStatus.COULD_NOT_CHANGE
        _replace_range(tdi, each, wanted)
    return MmioConfigStatus.SUCCESS


def _replace_range(tdi: TdiContext, before: MmioRange, after: MmioRange) -> None:
    assert tdi.report is not None
    ranges = tuple(after if each is before else each for each in tdi.report.mmio_ranges)
    tdi.report = tdi.report.replace(mmio_ranges=ranges)


# SDTE_WRITE


def sdte_write(psp: Psp, tdi: TdiContext, request: Any, layout: type[Any]) -> Conversation[WireStruct]:
    """SDTE_WRITE: the guest says what its device may do; where its memory is, the firmware says."""
    yield from ()
    status = SdteWriteStatus(_whose(psp, tdi, request))
    sdte: Sdte = request.sdte
    if status is SdteWriteStatus.SUCCESS and sdte != sdte.guest_part():  # `SEV_A25`
        status = SdteWriteStatus.RESERVED
    if status is SdteWriteStatus.SUCCESS:
        _write(psp, tdi, sdte)
    answer: WireStruct = layout(**_identity(psp, request), status=status)
    return answer


def _write(psp: Psp, tdi: TdiContext, sdte: Sdte) -> None:
    requester_id, guest = tdi.interface_id.function_id.requester_id, tdi.guest
    if not sdte.v or guest is None:
        psp.platform.iommu.clear_sdte(requester_id)
        return
    entry = psp.platform.iommu.dte(requester_id)
    whole = sdte.replace(
        domain_id=entry.domain_id if entry is not None else 0,
        asid=guest.asid,
        guest_device_id=tdi.guest_device_id,
        ide_stream_id=tdi.device.ide_stream_id,
        rp_id=psp.root_port_of(tdi.device).port_number & _RP_ID_MASK,
    )
    psp.platform.iommu.set_sdte(requester_id, whole, guest.asid)


_RP_ID_MASK: Final = 0x1F
