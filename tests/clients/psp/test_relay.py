"""The relay on a host of paper: registers in, registers out, and every page where it belongs, whatever fails."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.clients.psp import Assignment, GuestOperation, GuestReply, GuestRequest, PspClient, Relay
from pytio.errors import BackendError
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID, parse_blobs
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.ghcb import MmioParameter, RequestResult
from pytio.sev.guest_envelope import GuestMessage
from pytio.sev.rmp import PageState, RmpEntry
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    EvidenceFlags,
    GuestMessageType,
    GuestMessageTypeR1,
    Revision,
    SevCommand,
    SpdmDataType,
    TioOperation,
)
from pytio.tdisp import TdiState
from tests.clients.psp.fake import EVIDENCE, HANDLERS, INTERFACE, FakeHost
from tests.clients.psp.test_interface import FENCED, Paper, started

C = SevCommand
RID = 0x0100
REQUEST, RESPONSE, AREA, BAR = 0x1000, 0x2000, 0x10000, 0x8000_0000
SHARED, MMIO = 0x500_0000, 0x600_0000
WITH_GUESTS = pytest.mark.parametrize(
    "revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N], ids=lambda revision: revision.name
)
LATER = (Revision.P2, Revision.N)
WITH_LOCK = pytest.mark.parametrize("revision", LATER, ids=lambda revision: revision.name)
EVERYTHING = EvidenceFlags.STATE | EvidenceFlags.CERTIFICATES | EvidenceFlags.MEASUREMENTS | EvidenceFlags.REPORT


class Relayed:
    """A host, a guest with one interface, and the relay between."""

    def __init__(self, revision: Revision = Revision.P2, *, is_bound: bool = True) -> None:
        self.revision = revision
        self.host: Paper
        self.client: PspClient
        self.host, self.client, self.device, self.guest = started(revision)
        for gpa in (REQUEST, RESPONSE, *range(AREA, AREA + 0x4000, PAGE_BYTES)):
            self.host.pages[SHARED + gpa] = bytearray(PAGE_BYTES)
        for number in range(8):
            self.host.pages[MMIO + number * PAGE_BYTES] = bytearray(PAGE_BYTES)
        self.own = set(self.host.pages)
        self.relay = Relay(
            self.client, self.guest, self.find, {RID: Assignment(self.device, INTERFACE, bar_pages={0: 4})}
        )
        self.host.handlers[C.TIO_GUEST_REQUEST] = self._answer
        self.host.handlers[C.TIO_TDI_INFO] = self._info
        self.seen: list[bytes] = []
        self.states: list[PageState] = []
        if is_bound and revision in LATER:
            assert self.operate(TioOperation.BIND).result == RequestResult()
        self.host.done.clear()

    @staticmethod
    def find(gpa: int) -> int:
        if gpa in range(BAR, BAR + 8 * PAGE_BYTES):
            return MMIO + gpa - BAR
        if gpa in range(0x100000):
            return SHARED + gpa
        raise BackendError("test", f"nothing is at {gpa:#x}")

    def _answer(self, host: FakeHost, buffer: Any) -> int:
        assert host.state(buffer.req_paddr) is PageState.HYPERVISOR
        assert host.state(buffer.res_paddr) is PageState.FIRMWARE
        assert buffer.gctx_paddr == self.guest.context
        self.seen.append(host.peek(buffer.req_paddr, PAGE_BYTES))
        self.states = [host.state(MMIO + number * PAGE_BYTES) for number in range(8)]
        host.poke(buffer.res_paddr, b"answer".ljust(PAGE_BYTES, b"!"))
        return 0

    def _info(self, host: FakeHost, buffer: Any) -> int:
        raw = bytearray(192)
        raw[0] = 192
        raw[0xBC] = 77
        host.poke(buffer.status_paddr, bytes(raw))
        return 0

    def message(self, name: str) -> bytes:
        old = self.revision in (Revision.R1, Revision.R2)
        kind = GuestMessageTypeR1[name] if old else GuestMessageType[name]
        return GuestMessage(msg_seqno=1, msg_type=kind, payload=b"secret").build().ljust(PAGE_BYTES, b"\x5a")

    def ask(self, name: str, *, rbx: int = 4, rcx: int = RID, rdx: int = 0) -> GuestReply:
        self.host.poke(SHARED + REQUEST, self.message(f"TIO_{name}_REQ"))
        request = GuestRequest(REQUEST, RESPONSE, AREA, rbx, rcx, rdx)
        reply: GuestReply = self.host.run(self.relay.request(request))
        return reply

    def operate(self, action: TioOperation, rid: int = RID) -> GuestReply:
        reply: GuestReply = self.host.run(self.relay.operation(GuestOperation(int(action) << 32 | rid)))
        return reply

    def mmio(self, *, is_private: bool, pages: int = 4) -> tuple[int, int]:
        """Return RCX and RDX."""
        order = 0 if self.revision is Revision.N else pages.bit_length() - 1
        rdx = MmioParameter(range_number=0, is_private=is_private, order=order, page=BAR >> 12)
        rcx = RID | pages << 32 if self.revision is Revision.N else RID
        return rcx, int.from_bytes(rdx.build(), "little")

    def area(self) -> bytes:
        return b"".join(self.host.peek(SHARED + AREA + at, PAGE_BYTES) for at in range(0, 0x4000, PAGE_BYTES))

    def extra_pages(self) -> set[int]:
        """Return the pages that nobody should have any more."""
        bound = {page for each in self.relay.interfaces.values() if each.context for page in each.context.pages}
        scatter = {each.context.scatter_page for each in self.relay.interfaces.values() if each.context}
        return set(self.host.pages) - self.own - bound - scatter

    def end(self) -> None:
        """Take everything back, and see that nothing is left."""
        self.host.run(self.relay.end())
        self.host.run(self.client.destroy(self.guest))
        self.host.run(self.client.disconnect(self.device))
        assert all(self.host.rmp.get(MMIO + number * PAGE_BYTES, RmpEntry()) == RmpEntry() for number in range(8))
        for paddr in [paddr for paddr in self.host.pages if paddr >= SHARED]:
            del self.host.pages[paddr]
        assert self.host.is_clean()
        assert not self.host.trusted


@WITH_GUESTS
def test_a_page_goes_whole_and_comes_whole(revision: Revision) -> None:
    relayed = Relayed(revision)
    reply = relayed.ask("MMIO_CONFIG")
    assert reply.result == RequestResult()
    assert relayed.seen == [relayed.message("TIO_MMIO_CONFIG_REQ")]
    assert relayed.host.peek(SHARED + RESPONSE, PAGE_BYTES) == b"answer".ljust(PAGE_BYTES, b"!")
    assert not relayed.extra_pages()
    relayed.end()


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2], ids=lambda revision: revision.name)
def test_before_p2_the_first_request_binds(revision: Revision) -> None:
    relayed = Relayed(revision)
    relayed.ask("TDI_INFO")
    relayed.ask("TDI_INFO")
    assert relayed.host.commands().count(C.TIO_TDI_CREATE) == 1
    assert relayed.relay.interfaces[RID].was_started
    assert relayed.operate(TioOperation.BIND).result.fw_err is SevStatus.INVALID_PARAM
    relayed.end()


@pytest.mark.parametrize(
    ("revision", "rdx"), [(Revision.R1, 3), (Revision.R2, 2), (Revision.P2, 1), (Revision.N, 1)], ids=str
)
def test_tdi_info_brings_state_and_evidence(revision: Revision, rdx: int) -> None:
    relayed = Relayed(revision)
    wanted = 0b1001 if revision is Revision.P2 else int(EVERYTHING) if revision is Revision.N else 0
    reply = relayed.ask("TDI_INFO", rdx=wanted)
    assert reply.rdx == rdx  # RUN in R1 and R2, CONFIG_LOCKED after a bind of P2; R1 counts from 1
    assert parse_blobs(relayed.area()) == {
        MEASUREMENTS_GUID: EVIDENCE[C.TIO_DEV_MEASUREMENTS][1],
        CERTIFICATES_GUID: EVIDENCE[C.TIO_DEV_CONNECT][1],
        INTERFACE_REPORT_GUID: EVIDENCE[C.TIO_TDI_BIND][1],
    }


def test_what_is_not_asked_for_is_not_brought() -> None:
    relayed = Relayed()
    assert relayed.ask("TDI_INFO", rdx=0, rbx=0).rdx == 0
    assert relayed.ask("TDI_INFO", rdx=1, rbx=0).rdx == 1
    assert not any(relayed.area())
    relayed = Relayed(Revision.N)
    relayed.ask("TDI_INFO", rdx=int(EvidenceFlags.REPORT))
    assert set(parse_blobs(relayed.area())) == {INTERFACE_REPORT_GUID}


@WITH_GUESTS
def test_an_area_that_is_too_small_costs_nothing(revision: Revision) -> None:
    relayed = Relayed(revision)
    relayed.ask("MMIO_CONFIG")  # binds where that is to be done
    assert relayed.device.certificates is not None
    relayed.device.certificates = relayed.device.certificates.replace(data=bytes(9000))
    relayed.host.done.clear()
    reply = relayed.ask("TDI_INFO", rbx=2, rdx=int(EVERYTHING))
    assert reply.result == RequestResult(vmm_err=HypervisorError.INVALID_LEN)
    assert reply.rbx == 3
    assert C.TIO_GUEST_REQUEST not in relayed.host.commands()  # the firmware has not counted it
    assert relayed.ask("TDI_INFO", rbx=3, rdx=int(EVERYTHING)).result == RequestResult()


def test_a_guest_of_r1_may_say_bytes() -> None:
    relayed = Relayed(Revision.R1)
    assert relayed.ask("TDI_INFO", rbx=0x4000).result == RequestResult()
    relayed.device.certificates = relayed.device.certificates.replace(data=bytes(0x4000))  # type: ignore[union-attr]
    assert relayed.ask("TDI_INFO", rbx=0x4000).rbx == 5


def test_n_measures_with_the_nonce_that_the_guest_left() -> None:
    relayed = Relayed(Revision.N)
    relayed.host.poke(SHARED + AREA, bytes(range(32)))
    relayed.ask("TDI_INFO", rdx=int(EVERYTHING))
    assert relayed.host.issued(C.TIO_DEV_MEASUREMENTS).meas_nonce == bytes(range(32))
    relayed.host.done.clear()
    relayed.host.poke(SHARED + AREA, bytes(32))
    relayed.ask("TDI_INFO", rdx=int(EVERYTHING))
    assert C.TIO_DEV_MEASUREMENTS not in relayed.host.commands()


@WITH_GUESTS
def test_pages_are_the_guests_while_the_firmware_looks_and_after(revision: Revision) -> None:
    relayed = Relayed(revision)
    rcx, rdx = relayed.mmio(is_private=True)
    assert relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx).result == RequestResult()
    during = PageState.PRE_GUEST if revision in LATER else PageState.GUEST_INVALID
    assert relayed.states == [during] * 4 + [PageState.HYPERVISOR] * 4
    entries = [relayed.host.rmp[MMIO + number * PAGE_BYTES] for number in range(4)]
    assert entries == [RmpEntry(gpa=BAR + number * PAGE_BYTES, assigned=1, asid=7) for number in range(4)]
    assert len(relayed.relay.interfaces[RID].private_pages) == 4
    rcx, rdx = relayed.mmio(is_private=False)
    relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx)
    assert relayed.states == [during] * 4 + [PageState.HYPERVISOR] * 4
    after = RmpEntry(gpa=BAR, assigned=1, asid=7) if revision is Revision.R1 else RmpEntry()  # R1 has no T
    assert relayed.host.rmp[MMIO] == after
    relayed.end()


def test_r1_wants_whole_bars() -> None:
    relayed = Relayed(Revision.R1)
    rcx, rdx = relayed.mmio(is_private=True, pages=2)
    reply = relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx)
    assert reply.result == RequestResult(fw_err=SevStatus.INVALID_PARAM)
    assert "2 pages of BAR 0, which has 4" in str(reply.cause)
    assert MMIO not in relayed.host.rmp


@WITH_GUESTS
def test_a_refusal_takes_the_pages_back(revision: Revision) -> None:
    relayed = Relayed(revision)
    rcx, rdx = relayed.mmio(is_private=True, pages=4)
    relayed.host.refuse[C.TIO_GUEST_REQUEST] = SevStatus.BAD_SIGNATURE
    reply = relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx)
    assert reply.result == RequestResult(fw_err=SevStatus.BAD_SIGNATURE)
    assert all(relayed.host.rmp[MMIO + number * PAGE_BYTES] == RmpEntry() for number in range(4))
    assert not any(relayed.host.peek(SHARED + RESPONSE, PAGE_BYTES))
    assert not relayed.extra_pages()
    relayed.host.refuse.clear()
    relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx)
    relayed.host.refuse[C.TIO_GUEST_REQUEST] = SevStatus.BAD_SIGNATURE
    relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx)  # what was the guest's before stays the guest's
    assert relayed.host.rmp[MMIO] == RmpEntry(gpa=BAR, assigned=1, asid=7)
    relayed.host.refuse.clear()
    relayed.end()


@WITH_GUESTS
def test_the_function_moves_when_the_entry_is_written(revision: Revision) -> None:
    relayed = Relayed(revision)
    relayed.ask("SDTE_WRITE", rdx=1)
    assert relayed.host.trusted == {INTERFACE: 7}
    relayed.ask("SDTE_WRITE", rdx=0)
    assert relayed.host.trusted == ({INTERFACE: 7} if revision in (Revision.R1, Revision.R2) else {})
    relayed.end()


@WITH_LOCK
def test_an_interface_that_is_not_bound_is_not_trusted(revision: Revision) -> None:
    relayed = Relayed(revision)
    assert relayed.operate(TioOperation.RUN).result == RequestResult()
    assert relayed.operate(TioOperation.STOP).result == RequestResult()
    assert relayed.ask("SDTE_WRITE", rdx=1).result == RequestResult()
    assert not relayed.host.trusted
    relayed.end()


@WITH_LOCK
def test_operations_bind_start_stop_and_unbind(revision: Revision) -> None:
    relayed = Relayed(revision, is_bound=False)
    reply = relayed.operate(TioOperation.BIND)
    assert reply.rcx == (77 if revision is Revision.N else RID)
    said = [relayed.host.says]
    for action in (TioOperation.RUN, TioOperation.STOP):
        relayed.operate(action)
        said.append(relayed.host.says)
    assert said == [TdiState.CONFIG_LOCKED, TdiState.RUN, TdiState.CONFIG_UNLOCKED]
    relayed.host.fence = FENCED
    relayed.operate(TioOperation.UNBIND)
    assert not relayed.relay.interfaces
    assert C.TIO_ASID_FENCE_CLEAR in relayed.host.commands()
    relayed.end()


def test_an_id_that_cannot_be_asked_for_unbinds_again() -> None:
    relayed = Relayed(Revision.N, is_bound=False)
    relayed.host.refuse[C.TIO_TDI_INFO] = SevStatus.INVALID_TDI_CTX
    del relayed.host.handlers[C.TIO_TDI_INFO]
    reply = relayed.operate(TioOperation.BIND)
    assert reply.result.fw_err is SevStatus.INVALID_TDI_CTX
    assert not relayed.relay.interfaces
    relayed.host.refuse.clear()
    relayed.end()


@WITH_LOCK
def test_what_the_guest_has_not(revision: Revision) -> None:
    relayed = Relayed(revision)
    reply = relayed.ask("TDI_INFO", rcx=0x200)
    assert reply.result == RequestResult(vmm_err=HypervisorError.GENERIC)
    assert relayed.operate(TioOperation.BIND, 0x200).result.fw_err is SevStatus.INVALID_TDI
    assert relayed.operate(TioOperation.BIND).result.fw_err is SevStatus.IN_USE
    assert relayed.operate(TioOperation(9)).result.fw_err is SevStatus.INVALID_PARAM
    relayed.end()


def test_addresses_where_nothing_is() -> None:
    relayed = Relayed()
    plan = relayed.relay.request(GuestRequest(0x9000_0000, RESPONSE, rcx=RID))
    reply: GuestReply = relayed.host.run(plan)
    assert reply.result.vmm_err is HypervisorError.GENERIC
    assert "nothing is at 0x90000000" in str(reply.cause)
    rdx = MmioParameter(order=4, is_private=True, page=BAR >> 12)  # 16 pages, of which there are 8
    reply = relayed.ask("MMIO_VALIDATE", rdx=int.from_bytes(rdx.build(), "little"))
    assert reply.result.vmm_err is HypervisorError.GENERIC
    assert relayed.host.rmp[MMIO] == RmpEntry()
    relayed.end()


def test_an_exchange_that_fails_is_the_hosts_failure() -> None:
    relayed = Relayed()
    relayed.host.dialogue[C.TIO_GUEST_REQUEST] = [(SpdmDataType.SECURED, b"attribute")]

    def fail(action: Any) -> bytes:
        raise BackendError("test", "no answer")

    relayed.host._do_DoeExchange = fail  # type: ignore[method-assign]
    reply = relayed.ask("MMIO_CONFIG")
    assert reply.result.vmm_err is HypervisorError.GENERIC
    assert relayed.host.commands().count(C.TIO_GUEST_REQUEST) == 2  # the second one gave up
    assert not relayed.extra_pages()


def test_what_fails_after_the_firmware_has_counted_is_not_the_guests_to_know() -> None:
    relayed = Relayed()
    rcx, rdx = relayed.mmio(is_private=True)

    def refuse_mmio(host: FakeHost, buffer: Any) -> int:
        is_mmio = buffer.pfn * PAGE_BYTES >= MMIO
        return SevStatus.INVALID_PAGE_STATE if is_mmio else HANDLERS[C.SNP_PAGE_RECLAIM](host, buffer)

    relayed.host.handlers[C.SNP_PAGE_RECLAIM] = refuse_mmio
    reply = relayed.ask("MMIO_VALIDATE", rcx=rcx, rdx=rdx)
    assert reply.result == RequestResult()
    assert relayed.host.peek(SHARED + RESPONSE, 6) == b"answer"
    assert "SNP_PAGE_RECLAIM failed with INVALID_PAGE_STATE" in str(reply.cause)
    del relayed.host.handlers[C.SNP_PAGE_RECLAIM]
    relayed.end()  # it is reclaimed when it goes back


@WITH_GUESTS
@pytest.mark.parametrize("name", ["TDI_INFO", "MMIO_VALIDATE", "SDTE_WRITE"])
def test_whatever_fails_the_relay_answers_and_nothing_is_left(revision: Revision, name: str) -> None:
    def ask(relayed: Relayed) -> GuestReply:
        rcx, rdx = relayed.mmio(is_private=True) if name == "MMIO_VALIDATE" else (RID, 1)
        return relayed.ask(name, rcx=rcx, rdx=rdx)

    counted = Relayed(revision)
    ask(counted)
    whole = list(counted.host.done)
    for failing in range(1, len(whole) + 1):
        relayed = Relayed(revision)
        relayed.host.fails_at = failing
        reply = ask(relayed)
        assert reply.cause is not None, (failing, whole[failing - 1])
        relayed.host.fails_at = None
        relayed.host.run(relayed.client.recover())
        assert not set(relayed.host.pages) - relayed.own, whole[failing - 1]
        entries = (relayed.host.rmp.get(MMIO + number * PAGE_BYTES, RmpEntry()) for number in range(8))
        assert all(entry == RmpEntry() for entry in entries), whole[failing - 1]
        assert not relayed.host.trusted, whole[failing - 1]
