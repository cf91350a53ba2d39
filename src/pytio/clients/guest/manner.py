"""What a guest of each revision does: the numbers of its messages, what the registers say, in which order it goes.

Document: AMD 58271, and the kernel's guest driver for each revision; SEV-TIO's sequence "Guest: attest, validate, run".
Layouts are in `pytio.sev.guest_messages.GUEST_MESSAGES`. Nothing here performs a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import attrs

from pytio.sev.ghcb import MmioParameter, SdteParameter, SdteParameterN, TdiInfoParameter, tdisp_state_r1
from pytio.sev.guest_messages import GUEST_MESSAGES, MESSAGE_VERSIONS
from pytio.sev.sdte import ALL_PRIVATE, VTOM_GRANULE_BYTES, Sdte
from pytio.sev.tio_codes import PAGE_BYTES, EvidenceFlags, GuestMessageType, GuestMessageTypeR1, Revision
from pytio.tdisp import TdiState
from pytio.wire import WireStruct

__all__ = ("GUEST_MANNERS", "GuestManner", "GuestStep", "MmioSpan")

_PAGE_SHIFT: Final = 12
_RCX_PAGES_SHIFT: Final = 32
_TWO_TIB: Final = 2 << 40
_Types = Mapping[str, GuestMessageType] | Mapping[str, GuestMessageTypeR1]


class GuestStep(Enum):
    """A step of a guest's way with an interface."""

    ENABLE_MEMORY = "set Memory Space Enable"
    BIND = "TIO_OP BIND"
    RUN = "TIO_OP RUN"
    STOP = "TIO_OP STOP"
    UNBIND = "TIO_OP UNBIND"
    ATTEST = "TDI_INFO, evidence against its digests, the policy"
    SEE_RUN = "the interface runs"
    SEE_SAME = "TDI_INFO once more: it runs, and is what was attested"
    OPEN_DMA = "SDTE_WRITE"
    CLOSE_DMA = "SDTE_WRITE of zeros"
    VALIDATE_MMIO = "MMIO_VALIDATE for each usable range"
    INVALIDATE_MMIO = "MMIO_VALIDATE clear for each range that was validated"
    CLEAR_BUS_MASTER = "clear Bus Master Enable"


@attrs.frozen
class MmioSpan:
    """Pages of a range of the interface report, at a guest physical address.

    Attributes:
        gpa: of the first page.
        pages: how many.
        range_id: the range, which is the BAR's number.
        offset_pages: where they are in the range.
    """

    gpa: int
    pages: int
    range_id: int
    offset_pages: int


def _number(register: WireStruct) -> int:
    return int.from_bytes(register.build(), "little")


def _powers_of_two(span: MmioSpan) -> Iterator[MmioSpan]:
    """Cut a span into pieces whose number of pages RDX can say."""
    at = 0
    while at < span.pages:
        pages = 1 << (span.pages - at).bit_length() - 1
        yield MmioSpan(span.gpa + at * PAGE_BYTES, pages, span.range_id, span.offset_pages + at)
        at += pages


def _whole(span: MmioSpan) -> Iterator[MmioSpan]:
    yield span


def _mmio_by_order(span: MmioSpan, rid: int, *, is_private: bool) -> tuple[int, int]:
    parameter = MmioParameter(
        range_number=span.range_id,
        is_private=is_private,
        order=span.pages.bit_length() - 1,
        page=span.gpa >> _PAGE_SHIFT,
    )
    return rid, _number(parameter)


def _mmio_without_t(span: MmioSpan, rid: int, *, is_private: bool) -> tuple[int, int]:
    return _mmio_by_order(span, rid, is_private=False)


def _mmio_by_count(span: MmioSpan, rid: int, *, is_private: bool) -> tuple[int, int]:
    parameter = MmioParameter(range_number=span.range_id, is_private=is_private, page=span.gpa >> _PAGE_SHIFT)
    return rid | span.pages << _RCX_PAGES_SHIFT, _number(parameter)


def _no_parameter(sdte: Sdte) -> int:
    return 0


def _sdte_bit(sdte: Sdte) -> int:
    return _number(SdteParameter(validate=sdte.v))


def _sdte_and_vtom(sdte: Sdte) -> int:
    return _number(SdteParameterN(validate=sdte.v, vtom=sdte.vtom))


def _no_flags(wanted: EvidenceFlags) -> int:
    return 0


def _state_and_report(wanted: EvidenceFlags) -> int:
    """P2 has no flags for certificates and measurements: they come with the report."""
    has_evidence = bool(wanted & ~EvidenceFlags.STATE)
    flags = wanted & EvidenceFlags.STATE | (EvidenceFlags.REPORT if has_evidence else EvidenceFlags(0))
    return _number(TdiInfoParameter(wanted=flags))


def _all_flags(wanted: EvidenceFlags) -> int:
    return _number(TdiInfoParameter(wanted=wanted))


def _wire_state(rdx: int) -> int | None:
    return rdx


@attrs.frozen
class GuestManner:
    """What a guest of one revision does.

    Attributes:
        revision: whose manner it is.
        types: its message types by name.
        has_tdi_id: whether messages name the interface by the 64-bit id of its bind, and addresses are in pages.
        mmio: RCX and RDX of an MMIO request.
        pieces: how a span is cut for its requests.
        sdte: RDX of an SDTE_WRITE.
        evidence: RDX of a TDI_INFO.
        state: the TDISP state that RDX of its answer says; None for unavailable.
        takes_nonce: whether the data area may begin with a nonce.
        vtom: the vTOM of its device table entry, in 2 MiB.
        validate: the steps to a running interface, where one verb does everything.
        lock: the steps to one that is locked and attested.
        accept: the steps from there to one that runs.
        invalidate: the steps back.
    """

    revision: Revision
    types: _Types
    has_tdi_id: bool = False
    mmio: Callable[..., tuple[int, int]] = _mmio_by_order
    pieces: Callable[[MmioSpan], Iterator[MmioSpan]] = _powers_of_two
    sdte: Callable[[Sdte], int] = _sdte_bit
    evidence: Callable[[EvidenceFlags], int] = _state_and_report
    state: Callable[[int], int | None] = _wire_state
    takes_nonce: bool = False
    vtom: int = ALL_PRIVATE
    validate: tuple[GuestStep, ...] = ()
    lock: tuple[GuestStep, ...] = ()
    accept: tuple[GuestStep, ...] = ()
    invalidate: tuple[GuestStep, ...] = ()

    @property
    def version(self) -> int:
        """MSG_VERSION."""
        return MESSAGE_VERSIONS[self.revision]

    def message(self, name: str) -> tuple[int, type[WireStruct]]:
        """Return type and layout of a message, by its name."""
        kind = self.types[name]
        return kind, GUEST_MESSAGES[self.revision][kind]

    def identity(self, device_id: int, tdi_id: int) -> dict[str, Any]:
        """Return the fields that name an interface in messages."""
        return {"tdi_id": tdi_id} if self.has_tdi_id else {"guest_device_id": device_id}

    def address(self, gpa: int) -> int:
        """Return SUBRANGE_BASE: bytes, in N pages."""
        return gpa >> _PAGE_SHIFT if self.has_tdi_id else gpa

    def tdisp_state(self, rdx: int) -> TdiState | None:
        """Return the state that RDX says after TDI_INFO; None for unavailable, and for what is no state."""
        state = self.state(rdx)
        return TdiState(state) if state is not None and state in set(TdiState) else None


_OLD: Final = {member.name: member for member in GuestMessageTypeR1 if member.name.startswith("TIO_")}
_NEW: Final = {member.name: member for member in GuestMessageType if member.name.startswith("TIO_")}
_VALIDATE: Final = (GuestStep.ATTEST, GuestStep.SEE_RUN, GuestStep.OPEN_DMA, GuestStep.VALIDATE_MMIO)
_LOCK: Final = (GuestStep.ENABLE_MEMORY, GuestStep.BIND, GuestStep.ATTEST)
_ACCEPT: Final = (GuestStep.RUN, GuestStep.SEE_SAME, GuestStep.OPEN_DMA, GuestStep.VALIDATE_MMIO)

GUEST_MANNERS: Final[Mapping[Revision, GuestManner]] = MappingProxyType(
    {
        manner.revision: manner
        for manner in (
            GuestManner(
                Revision.R1,
                _OLD,
                mmio=_mmio_without_t,
                sdte=_no_parameter,
                evidence=_no_flags,
                state=tdisp_state_r1,
                validate=_VALIDATE,
                invalidate=(GuestStep.INVALIDATE_MMIO, GuestStep.CLOSE_DMA),
            ),
            GuestManner(
                Revision.R2,
                _OLD,
                sdte=_no_parameter,
                evidence=_no_flags,
                validate=_VALIDATE,
                invalidate=(GuestStep.INVALIDATE_MMIO, GuestStep.CLOSE_DMA),
            ),
            GuestManner(
                Revision.P2,
                _NEW,
                lock=_LOCK,
                accept=_ACCEPT,
                invalidate=(GuestStep.STOP, GuestStep.CLOSE_DMA, GuestStep.INVALIDATE_MMIO, GuestStep.UNBIND),
            ),
            GuestManner(
                Revision.N,
                _NEW,
                has_tdi_id=True,
                mmio=_mmio_by_count,
                pieces=_whole,
                sdte=_sdte_and_vtom,
                evidence=_all_flags,
                takes_nonce=True,
                vtom=_TWO_TIB // VTOM_GRANULE_BYTES,
                lock=_LOCK,
                accept=_ACCEPT,
                invalidate=(
                    GuestStep.CLOSE_DMA,
                    GuestStep.INVALIDATE_MMIO,
                    GuestStep.STOP,
                    GuestStep.CLEAR_BUS_MASTER,
                    GuestStep.UNBIND,
                ),
            ),
        )
    }
)
"""The manner of each revision that has guests; U has none."""
