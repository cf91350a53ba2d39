"""A guest's four messages about an interface: sent, answered, and the answer seen to be about what was asked.

Document: AMD 58271, "Guest messages". Layouts and numbers are by revision, `pytio.clients.guest.manner`'s to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import attrs

from pytio.clients.guest.actions import Plan
from pytio.clients.guest.attestation import AnyTdiInfo
from pytio.clients.guest.channel import Channel
from pytio.clients.guest.interface import GuestInterface
from pytio.clients.guest.manner import GUEST_MANNERS, MmioSpan
from pytio.errors import RemoteProtocolError, SevMessageError
from pytio.sev.blobs import parse_blobs
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import EvidenceFlags, MmioConfigFlags, Revision, ValidateFlags
from pytio.tdisp import TdiState

__all__ = ("GuestMessages", "TdiInfoAnswer")

_USUAL_DATA_PAGES: Final = 8
_NONCE_BYTES: Final = 32
_EVERYTHING: Final = (
    EvidenceFlags.STATE | EvidenceFlags.CERTIFICATES | EvidenceFlags.MEASUREMENTS | EvidenceFlags.REPORT
)


@attrs.frozen
class TdiInfoAnswer:
    """What came of TDI_INFO.

    Attributes:
        info: the firmware's word.
        state: the hypervisor's word on the interface's state.
        blobs: what the hypervisor handed over, by GUID, unchecked.
    """

    info: AnyTdiInfo
    state: TdiState | None
    blobs: Mapping[UUID, bytes] = attrs.field(repr=False)


class GuestMessages:
    """What a guest may ask the firmware about its interfaces, one message a plan.

    Attributes:
        channel: the key and the counter it speaks with.
        manner: what a guest of the revision does.
    """

    def __init__(self, channel: Channel, revision: Revision = Revision.P2) -> None:
        """Speak through a channel; raises ValueError for U, which has no guests."""
        if revision not in GUEST_MANNERS:
            raise ValueError(f"revision {revision.value} has no guests")
        self.channel = channel
        self.manner = GUEST_MANNERS[revision]

    def tdi_info(
        self, interface: GuestInterface, wanted: EvidenceFlags = _EVERYTHING, *, nonce: bytes | None = None
    ) -> Plan[TdiInfoAnswer]:
        """Ask whose the interface is and what its evidence has to hash to; the evidence comes along.

        Args:
            interface: which.
            wanted: what the hypervisor is to bring along.
            nonce: 32 bytes that fresh measurements are taken with, in N.

        Raises:
            SevMessageError: the interface is not this guest's, or not bound.
            SevDecodeError: what the hypervisor handed over has not the shape of a table.
            PytioError: as `Channel.exchange`.
        """
        if nonce is not None and (not self.manner.takes_nonce or len(nonce) != _NONCE_BYTES):
            raise ValueError(f"revision {self.manner.revision.value} takes no nonce of {len(nonce)} bytes")
        has_area = bool(wanted & ~EvidenceFlags.STATE)
        answer, reply = yield from self._ask(
            "TDI_INFO",
            interface,
            {},
            rdx=self.manner.evidence(wanted),
            data_pages=_USUAL_DATA_PAGES if has_area else 0,
            data=nonce or b"",
        )
        return TdiInfoAnswer(answer, self.manner.tdisp_state(reply.rdx), parse_blobs(reply.data) if has_area else {})

    def mmio_validate(
        self, interface: GuestInterface, span: MmioSpan, *, is_validated: bool = True, is_forced: bool = False
    ) -> Plan[bool]:
        """Make pages the guest's own, or give that up; return whether anything changed.

        The span goes out in as many messages as the registers need.

        Raises:
            SevMessageError: the firmware sees a reason why not.
            PytioError: as `Channel.exchange`.
        """
        flags = ValidateFlags.VALIDATED if is_validated else ValidateFlags(0)
        flags |= ValidateFlags.FORCE_VALIDATED if is_forced else ValidateFlags(0)
        changed = False
        for piece in self.manner.pieces(span):
            rcx, rdx = self.manner.mmio(piece, interface.guest_rid, is_private=is_validated)
            fields = {
                "subrange_base": self.manner.address(piece.gpa),
                "subrange_page_count": piece.pages,
                "range_offset": piece.offset_pages,
                "range_id": piece.range_id,
            }
            answer, _ = yield from self._ask("MMIO_VALIDATE", interface, {**fields, "flags": flags}, rcx=rcx, rdx=rdx)
            self._check_echo(answer, fields)
            changed |= answer.changed
        return changed

    def mmio_config(
        self, interface: GuestInterface, range_id: int, *, non_tee_mem: bool | None = None
    ) -> Plan[MmioConfigFlags]:
        """Return the attributes of a range, and change before whether it may be mapped shared, too.

        Raises:
            SevMessageError: there is no such range, or the device does not change it.
            PytioError: as `Channel.exchange`.
        """
        fields = {
            "range_id": range_id,
            "write": non_tee_mem is not None,
            "flags": MmioConfigFlags.NON_TEE_MEM if non_tee_mem else MmioConfigFlags(0),
        }
        bar = interface.bars.get(range_id)
        rcx, rdx = interface.guest_rid, 0
        if bar is not None:
            span = MmioSpan(bar.gpa, 1, range_id, 0)
            rcx, rdx = self.manner.mmio(span, interface.guest_rid, is_private=not non_tee_mem)
        answer, _ = yield from self._ask("MMIO_CONFIG", interface, fields, rcx=rcx, rdx=rdx)
        self._check_echo(answer, {"range_id": range_id})
        flags: MmioConfigFlags = answer.flags
        return flags

    def sdte_write(self, interface: GuestInterface, sdte: Sdte) -> Plan[None]:
        """Write the fields of the device table entry that are the guest's; an entry of zeros shuts the device out.

        Raises:
            SevMessageError: the interface is not bound, or a bit is set that is not the guest's.
            PytioError: as `Channel.exchange`.
        """
        yield from self._ask("SDTE_WRITE", interface, {"sdte": sdte}, rdx=self.manner.sdte(sdte))

    def _ask(
        self, name: str, interface: GuestInterface, fields: dict[str, Any], *, rcx: int | None = None, **registers: Any
    ) -> Plan[tuple[Any, Any]]:
        """Exchange one message, and see that its answer is about the interface, and of success."""
        request_type, layout = self.manner.message(f"TIO_{name}_REQ")
        response_type, answer_layout = self.manner.message(f"TIO_{name}_RSP")
        identity = self.manner.identity(interface.guest_rid, interface.tdi_id)
        raw, reply = yield from self.channel.exchange(
            request_type,
            response_type,
            layout(**identity, **fields).build(),
            version=self.manner.version,
            rcx=interface.guest_rid if rcx is None else rcx,
            **registers,
        )
        answer: Any = answer_layout.parse(raw)
        self._check_echo(answer, identity)
        if answer.status:
            raise SevMessageError(name, answer.status)
        return answer, reply

    @staticmethod
    def _check_echo(answer: Any, due: Mapping[str, int]) -> None:
        for name, value in due.items():
            if getattr(answer, name) != value:
                got = f"an answer with {name} {getattr(answer, name):#x}"
                raise RemoteProtocolError(type(answer).__name__, got, f"{value:#x} is due")
