"""KVM's part: a guest's exit comes in, the firmware is asked, and the registers go back.

Documents: AMD 56421 (GHCB); SEV-TIO's "GHCB exits" and "Host answer path". The message is encrypted: the relay sees its
type and what the registers say, moves pages, and copies 4096 bytes each way. What can fail on the host's side is done
before the firmware is asked, since a message that the firmware has counted cannot be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import attrs

from pytio.clients.psp.actions import Plan, Read, TrustDma, Write
from pytio.clients.psp.client import PspClient
from pytio.clients.psp.device import NONCE_BYTES, Device
from pytio.clients.psp.exits import GuestOperation, GuestReply, GuestRequest, register_bytes
from pytio.clients.psp.interface import Interface
from pytio.clients.psp.launch import SnpGuest
from pytio.clients.psp.relay_manner import RELAY_MANNERS, MmioPages
from pytio.clients.rollback import Undo, try_all
from pytio.errors import LocalProtocolError, PytioError, SevCommandError
from pytio.ids import Bdf
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID, build_blobs, pages_needed
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.commands import LockFlags
from pytio.sev.data_objects import ResultObject
from pytio.sev.ghcb import TioOperationInfo
from pytio.sev.rmp import RmpEntry
from pytio.sev.structures import TdiInfo
from pytio.sev.tio_codes import PAGE_BYTES, EvidenceFlags, SevCommand, TioOperation

__all__ = ("Assignment", "Relay")

_MSG_TYPE: Final = 0x34
"""Where a guest message says what it is."""
_RID_MASK: Final = 0xFFFF_FFFF
_DEVICE_ID_MASK: Final = 0xFFFF


@attrs.frozen
class Assignment:
    """An interface that the guest was given.

    Attributes:
        device: whose.
        function: which, on the host.
        bar_pages: pages of its BARs, by number; what is missing is not checked.
        lock_flags: what it is locked with when it is bound.
    """

    device: Device
    function: Bdf
    bar_pages: Mapping[int, int] = MappingProxyType({})
    lock_flags: LockFlags | None = None


@attrs.define
class _Asked:
    """A request on its way: what the host has to do beside it."""

    request: GuestRequest
    interface: Interface
    registers: dict[str, int] = attrs.field(factory=dict)
    after: list[Callable[[], Plan[Any]]] = attrs.field(factory=list)
    undo: Undo = attrs.field(factory=Undo)


class _Short(Exception):  # noqa: N818  it is no error, but an early answer
    """The data area is too small."""

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        self.pages = pages


class Relay:
    """The exits of one guest.

    Attributes:
        guest: whose.
        assignments: what it was given, by requester id in the guest.
        interfaces: what is bound, or was and is not released yet, by requester id in the guest.
    """

    def __init__(
        self,
        client: PspClient,
        guest: SnpGuest,
        find: Callable[[int], int],
        assignments: Mapping[int, Assignment],
    ) -> None:
        """Make the relay of a guest.

        ``find`` returns the system physical address behind a guest's, of shared memory and of MMIO; it raises
        PytioError where there is none.
        """
        self.guest = guest
        self.assignments = dict(assignments)
        self.interfaces: dict[int, Interface] = {}
        self._client = client
        self._find = find
        self._manner = RELAY_MANNERS[client.manner.revision]

    # requests

    def request(self, request: GuestRequest) -> Plan[GuestReply]:
        """Answer a guest request. It never raises: what fails is in the reply, and everything taken back."""
        try:
            interface = yield from self._interface(request.rcx & _RID_MASK)
            if interface.device.is_busy:
                return GuestReply.saying(vmm_err=HypervisorError.BUSY)
            return (yield from self._answer(request, interface))
        except _Short as short:
            return GuestReply.saying(vmm_err=HypervisorError.INVALID_LEN, rbx=short.pages)
        except PytioError as error:
            return GuestReply.of_failure(error)

    def _interface(self, guest_rid: int) -> Plan[Interface]:
        """Return the interface that the guest means; bind it first where the revision does."""
        if guest_rid not in self.interfaces and self._manner.binds_on_request and guest_rid in self.assignments:
            yield from self._bind(guest_rid)
        if guest_rid not in self.interfaces:
            raise LocalProtocolError(f"the guest has no interface {guest_rid:#x}", "a request about it")
        return self.interfaces[guest_rid]

    def _answer(self, request: GuestRequest, interface: Interface) -> Plan[GuestReply]:
        asked = _Asked(request, interface)
        page = yield Read(self._find(request.sw_exitinfo1), PAGE_BYTES)
        prepare = self._PREPARE.get(self._manner.message_name(page[_MSG_TYPE]))
        try:
            if prepare is not None:
                yield from prepare(self, asked)
            answer = yield from self._forward(page, interface)
        except Exception as error:
            yield from asked.undo.unwind(error)
            raise
        cause = None
        try:  # the firmware has counted the message: the guest gets the answer, whatever fails here
            yield from try_all(partial(self._write, request.sw_exitinfo2, answer), *asked.after)
        except PytioError as error:
            cause = error
        return GuestReply.saying(cause=cause, **asked.registers)

    def _forward(self, page: bytes, interface: Interface) -> Plan[bytes]:
        """Have the firmware answer a page (`SEV_A35`: the request stays the hypervisor's, the response is donated)."""
        pool, undo = self._client.firmware.pool, Undo()
        try:
            asked = yield from pool.page(is_donated=False)
            undo.push(partial(pool.release_page, asked, is_donated=False))
            answered = yield from pool.page(is_donated=True)
            undo.push(partial(pool.release_page, answered, is_donated=True))
            yield Write(asked, page)
            yield from interface.device.bounce.issue(
                SevCommand.TIO_GUEST_REQUEST,
                **interface.names(),
                gctx_paddr=self.guest.context,
                req_paddr=asked,
                res_paddr=answered,
            )
            answer: bytes = yield Read(answered, PAGE_BYTES)
        except Exception as error:
            yield from undo.unwind(error)
            raise
        yield from try_all(
            partial(pool.release_page, answered, is_donated=True), partial(pool.release_page, asked, is_donated=False)
        )
        return answer

    def _write(self, gpa: int, data: bytes) -> Plan[None]:
        """Write to shared memory of the guest, page by page."""
        for at in range(0, len(data), PAGE_BYTES):
            yield Write(self._find(gpa + at), data[at : at + PAGE_BYTES])

    # what the host does beside a message

    def _prepare_info(self, asked: _Asked) -> Plan[None]:
        """Put the evidence into the data area, and the state into RDX."""
        request, interface = asked.request, asked.interface
        wanted = self._manner.evidence(request.rdx)
        if self._manner.takes_nonce and wanted & EvidenceFlags.MEASUREMENTS and request.rbx:
            nonce = yield Read(self._find(request.rax), NONCE_BYTES)
            if any(nonce):  # a guest that wants what there is leaves it zero
                yield from interface.device.measure(nonce)
        blobs = self._blobs(interface, wanted)
        if blobs:
            needed = pages_needed(blobs)
            if needed > self._manner.area_pages(request.rbx):
                raise _Short(needed)
            asked.after.append(partial(self._write, request.rax, build_blobs(blobs)))
        if wanted & EvidenceFlags.STATE:
            asked.registers["rdx"] = self._manner.state((yield from interface.status()))

    @staticmethod
    def _blobs(interface: Interface, wanted: EvidenceFlags) -> dict[UUID, bytes]:
        """Return the three blobs in their order, empty where they are not wanted or not there."""
        if not wanted & ~EvidenceFlags.STATE:
            return {}
        device = interface.device
        parts: tuple[tuple[EvidenceFlags, UUID, ResultObject | None], ...] = (
            (EvidenceFlags.MEASUREMENTS, MEASUREMENTS_GUID, device.measurements),
            (EvidenceFlags.CERTIFICATES, CERTIFICATES_GUID, device.certificates),
            (EvidenceFlags.REPORT, INTERFACE_REPORT_GUID, interface.report),
        )
        return {guid: found.data if found is not None and wanted & flag else b"" for flag, guid, found in parts}

    def _prepare_mmio(self, asked: _Asked) -> Plan[None]:
        """Give the pages to the guest before; after it let them go on, or take them back."""
        pages = self._manner.mmio_pages(asked.request.rdx, asked.request.rcx)
        self._check_bar(asked.request.rcx & _RID_MASK, pages)
        entry = RmpEntry(assigned=1, immutable=int(self._manner.are_mmio_pages_immutable), asid=self.guest.asid)
        private = asked.interface.private_pages
        for number in range(pages.count):
            gpa = pages.gpa + number * PAGE_BYTES
            paddr = self._find(gpa)
            settle = partial(private.settle, paddr)
            was_private = paddr in private
            yield from private.give(paddr, entry.replace(gpa=gpa))
            asked.undo.push(partial(settle, is_private=was_private))
            asked.after.append(partial(settle, is_private=pages.is_private))

    def _check_bar(self, guest_rid: int, pages: MmioPages) -> None:
        whole = self.assignments[guest_rid].bar_pages.get(pages.bar)
        if self._manner.has_whole_bars and whole is not None and whole != pages.count:
            detail = f"{pages.count} pages of BAR {pages.bar}, which has {whole}"
            raise SevCommandError(SevCommand.TIO_GUEST_REQUEST, SevStatus.INVALID_PARAM, detail)

    def _prepare_sdte(self, asked: _Asked) -> Plan[None]:
        """Move the function to the trusted domain after the entry was set, to the host's after it was cleared."""
        is_trusted = self._manner.is_sdte_set(asked.request.rdx) and asked.interface.is_bound
        asked.after.append(partial(self._trust, asked.interface, is_trusted=is_trusted))
        yield from ()

    def _trust(self, interface: Interface, *, is_trusted: bool) -> Plan[None]:
        yield TrustDma(interface.function, self.guest.asid, is_trusted)
        interface.is_dma_trusted = is_trusted

    _PREPARE: Final[Mapping[str, Callable[[Relay, _Asked], Plan[None]]]] = MappingProxyType(
        {
            "TIO_TDI_INFO_REQ": _prepare_info,
            "TIO_MMIO_VALIDATE_REQ": _prepare_mmio,
            "TIO_SDTE_WRITE_REQ": _prepare_sdte,
        }
    )

    # operations

    def operation(self, operation: GuestOperation) -> Plan[GuestReply]:
        """Bind, start, stop or unbind for a guest. It never raises: what fails is in the reply."""
        asked = TioOperationInfo.parse(register_bytes(operation.sw_exitinfo1))
        perform = self._OPERATIONS.get(asked.action)
        try:
            if perform is None or self._manner.binds_on_request:
                detail = f"action {int(asked.action)} of revision {self._manner.revision.value}"
                raise SevCommandError(SevCommand.TIO_GUEST_REQUEST, SevStatus.INVALID_PARAM, detail)
            tdi_id = yield from perform(self, asked.guest_rid)
        except PytioError as error:
            return GuestReply.of_failure(error)
        return GuestReply.saying(rcx=tdi_id)

    def _bind(self, guest_rid: int) -> Plan[int]:
        """Bind, and return the interface's name in messages."""
        given = self.assignments.get(guest_rid)
        if given is None:
            raise SevCommandError(SevCommand.TIO_TDI_BIND, SevStatus.INVALID_TDI, f"no interface {guest_rid:#x}")
        if guest_rid in self.interfaces:
            raise SevCommandError(SevCommand.TIO_TDI_BIND, SevStatus.IN_USE, f"{given.function} is bound")
        name = guest_rid & _DEVICE_ID_MASK
        interface = yield from self._client.bind(
            given.device, given.function, self.guest, name, lock_flags=given.lock_flags
        )
        self.interfaces[guest_rid] = interface
        if not self._manner.has_tdi_id:
            return name
        try:
            info = yield from interface.info()
        except Exception as error:
            undo = Undo()
            undo.push(partial(self._unbind, guest_rid))
            yield from undo.unwind(error)
            raise
        return info.reserved_end if isinstance(info, TdiInfo) else name  # `SEV_A27`

    def _run(self, guest_rid: int) -> Plan[int]:
        yield from self._known(guest_rid).run()
        return 0

    def _stop(self, guest_rid: int) -> Plan[int]:
        yield from self._known(guest_rid).stop()
        return 0

    def _unbind(self, guest_rid: int) -> Plan[int]:
        interface = self._known(guest_rid)
        yield from interface.unbind()
        del self.interfaces[guest_rid]
        return 0

    def _known(self, guest_rid: int) -> Interface:
        if guest_rid not in self.interfaces:
            raise SevCommandError(SevCommand.TIO_TDI_UNBIND, SevStatus.INVALID_TDI, f"no interface {guest_rid:#x}")
        return self.interfaces[guest_rid]

    _OPERATIONS: Final[Mapping[TioOperation, Callable[[Relay, int], Plan[int]]]] = MappingProxyType(
        {
            TioOperation.BIND: _bind,
            TioOperation.UNBIND: _unbind,
            TioOperation.RUN: _run,
            TioOperation.STOP: _stop,
        }
    )

    def end(self) -> Plan[None]:
        """Unbind everything, when the guest is gone; every interface is tried, and the first failure raised."""
        yield from try_all(*(partial(self._unbind, guest_rid) for guest_rid in tuple(self.interfaces)))
