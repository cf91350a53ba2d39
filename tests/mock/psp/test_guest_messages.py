"""Guest messages: the envelope and its counters, and each message with each of its statuses, in each revision."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.mock.psp import TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import LAST_SEQUENCE
from pytio.sev.rmp import PageState, RmpEntry
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    GuestMessageStatus,
    MeasurementFlags,
    MmioConfigFlags,
    MmioConfigStatus,
    MmioValidateStatus,
    MmioValidateStatusR1,
    Revision,
    SdteWriteStatus,
    SevCommand,
    ValidateFlags,
)
from tests.mock.psp.bench import ASID, FUNCTION, MIB, MMIO, PORT_NUMBER, STREAM
from tests.mock.psp.guest_end import MMIO_CONFIG, MMIO_VALIDATE, SDTE_WRITE, TDI_INFO, GuestEnd
from tests.mock.psp.lives import Interface

REVISIONS = pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N])
GPA = 0x3800_0000_0000
VALIDATED = ValidateFlags.VALIDATED
FORCE = ValidateFlags.FORCE_VALIDATED


def running(revision: Revision = Revision.P2) -> GuestEnd:
    """A guest with an interface that runs."""
    one = Interface(TdiContextState.UNBOUND, revision)
    one.lock()
    if revision is not Revision.R1:
        one.bench.ok(one.bind(run=True))
    return GuestEnd(one)


# the envelope


@pytest.mark.parametrize("vmpck", range(4))
def test_each_key_has_a_counter_of_its_own(vmpck: int) -> None:
    guest = running()
    for count in range(3):
        assert guest.ask(TDI_INFO, vmpck=vmpck).status is GuestMessageStatus.BOUND
        assert guest.sequence[vmpck] == 2 * count + 2


@pytest.mark.parametrize(
    "header",
    [
        {"algo": 2},
        {"hdr_version": 2},
        {"hdr_size": 0x61},
        {"msg_type": 5},
        {"msg_type": 20},
        {"msg_version": 2},
        {"msg_vmpck": 4},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a_header_that_should_not_be(header: dict[str, int]) -> None:
    guest = running()
    page = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build(), **header).build()
    assert guest.hand_over(page) is SevStatus.INVALID_PARAM
    assert guest.bench.host.read(guest.response_page, PAGE_BYTES) == bytes(PAGE_BYTES)
    assert guest.ask(TDI_INFO).status is GuestMessageStatus.BOUND


@pytest.mark.parametrize("payload", [bytes(15), bytes(17), b"", bytes(3900)], ids=len)
def test_a_payload_of_the_wrong_size(payload: bytes) -> None:
    guest = running()
    assert guest.hand_over(guest.seal(TDI_INFO, payload).build()) is SevStatus.INVALID_PARAM


@pytest.mark.parametrize("number", [0, 2, 3, 1 << 40])
def test_a_number_that_is_not_next(number: int) -> None:
    guest = running()
    page = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build(), msg_seqno=number).build()
    assert guest.hand_over(page) is SevStatus.BAD_SIGNATURE
    assert guest.ask(TDI_INFO).status is GuestMessageStatus.BOUND


def test_a_message_is_taken_once() -> None:
    guest = running()
    page = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build()).build()
    guest.bench.ok(guest.hand_over(page))
    guest.open(TDI_INFO)
    assert guest.hand_over(page) is SevStatus.BAD_SIGNATURE


@pytest.mark.parametrize("at", [0x00, 0x0F, 0x20, 0x3D, 0x60, 0x6F])
def test_a_flipped_bit(at: int) -> None:
    guest = running()
    page = bytearray(guest.seal(TDI_INFO, guest.compose(TDI_INFO).build()).build())
    page[at] ^= 0x80
    assert guest.hand_over(bytes(page)) is SevStatus.BAD_SIGNATURE


def test_a_counter_that_is_used_up() -> None:
    guest = running()
    context = guest.bench.psp.guests[guest.one.guest]
    context.sequence[0] = guest.sequence[0] = LAST_SEQUENCE - 3
    assert guest.ask(TDI_INFO).status is GuestMessageStatus.BOUND
    page = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build()).build()
    assert guest.hand_over(page) is SevStatus.AEAD_OFLOW


def test_where_the_pages_have_to_be() -> None:
    guest = running()
    page = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build()).build()
    given = guest.bench.page(firmware=True)
    guest.bench.platform.memory.write(given, page)
    assert guest.hand_over(page, req_paddr=given) is SevStatus.INVALID_PAGE_STATE
    assert guest.hand_over(page, res_paddr=guest.bench.host.allocate(1)) is SevStatus.INVALID_PAGE_STATE
    assert guest.hand_over(page, res_paddr=guest.response_page + 16) is SevStatus.INVALID_ADDRESS
    guest.bench.ok(guest.hand_over(page))


def test_another_guest_is_not_answered() -> None:
    guest = running()
    other = guest.bench.guest(ASID + 1)
    page = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build()).build()
    assert guest.hand_over(page, gctx_paddr=other) is SevStatus.INVALID_GUEST
    assert guest.hand_over(page, gctx_paddr=0x20_0000) is SevStatus.INVALID_GUEST


# TDI_INFO


@REVISIONS
def test_tdi_info_has_the_digests_of_what_the_host_got(revision: Revision) -> None:
    guest = running(revision)
    device = guest.bench.psp.devices[guest.one.context]
    answer = guest.ask(TDI_INFO)
    assert answer.status is GuestMessageStatus.BOUND
    assert answer.meas_flags == MeasurementFlags(0)
    guest.bench.ok(guest.bench.run(SevCommand.TIO_DEV_MEASUREMENTS, meas_nonce=bytes(32), **guest.one.common))
    answer = guest.ask(TDI_INFO)
    assert answer.meas_flags == MeasurementFlags.MEAS_DIGEST_VALID | MeasurementFlags.MEAS_DIGEST_FRESH
    assert (answer.certs_digest, answer.meas_digest) == (device.certs_digest, device.meas_digest)
    assert answer.interface_report_digest == device.tdis[0].report_digest
    if revision is not Revision.R1:
        assert answer.tdi_report_count == device.tdis[0].report_count == 2


@REVISIONS
def test_messages_about_an_interface_that_is_somebody_elses_or_nobodys(revision: Revision) -> None:
    guest = running(revision)
    name = next(iter(guest.identity()))
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        (TDI_INFO, {}),
        (MMIO_VALIDATE, {"subrange_base": GPA, "subrange_page_count": 1}),
        (MMIO_CONFIG, {"range_id": 0}),
        (SDTE_WRITE, {"sdte": Sdte.for_guest()}),
    )
    for message, fields in asked:
        assert guest.ask(message, **(fields | {name: 0x0666})).status == GuestMessageStatus.INVALID_TDI
    guest.bench.ok(guest.bench.run(SevCommand.TIO_TDI_UNBIND, **guest.one.common))
    for message, fields in asked:
        answer = guest.ask(message, **fields)
        assert answer.status == GuestMessageStatus.UNBOUND
        assert getattr(answer, "certs_digest", bytes(48)) == bytes(48)


# MMIO_VALIDATE


class Mmio:
    """Pages of the interface's memory, given to a guest as a host does."""

    def __init__(self, guest: GuestEnd) -> None:
        self.guest = guest
        self.rmp = guest.bench.platform.rmp
        self.unit = PAGE_BYTES if guest.revision is Revision.N else 1

    def give(self, pages: int = 4, **changes: int) -> None:
        immutable = 0 if self.guest.is_older else 1
        for at in range(0, pages * PAGE_BYTES, PAGE_BYTES):
            entry = RmpEntry(**({"assigned": 1, "immutable": immutable, "asid": ASID, "gpa": GPA + at} | changes))
            self.guest.bench.host.rmp_update(MMIO + at, entry)

    def ask(self, pages: int = 4, *, flags: ValidateFlags = VALIDATED, **fields: Any) -> tuple[Any, bool]:
        facts = {
            "subrange_base": GPA // self.unit,
            "subrange_page_count": pages,
            "range_offset": 0,
            "range_id": 0,
            "flags": flags,
        }
        answer = self.guest.ask(MMIO_VALIDATE, **(facts | fields))
        asked = (facts | fields)["subrange_base"], pages
        assert (answer.subrange_base, answer.subrange_page_count) == asked
        return answer.status, answer.changed

    def states(self, pages: int = 4) -> set[PageState]:
        return {self.rmp.state(MMIO + at) for at in range(0, pages * PAGE_BYTES, PAGE_BYTES)}


@REVISIONS
def test_validate_and_invalidate(revision: Revision) -> None:
    mmio = Mmio(running(revision))
    mmio.give()
    on, off = (
        (PageState.GUEST_VALID, PageState.GUEST_INVALID)
        if mmio.guest.is_older
        else (PageState.PRE_SWAP, PageState.PRE_GUEST)
    )
    assert mmio.ask() == (0, True)
    assert mmio.states() == {on}
    assert mmio.ask() == (0, False)
    assert mmio.ask(flags=ValidateFlags(0)) == (0, True)
    assert mmio.states() == {off}


@REVISIONS
def test_what_mmio_validate_refuses_in_its_order(revision: Revision) -> None:
    guest = running(revision)
    mmio = Mmio(guest)
    codes: Any = MmioValidateStatusR1 if guest.is_older else MmioValidateStatus
    assert mmio.ask(range_id=5) == (codes.NOT_REPORTED, False)
    for offset in (1, 300):
        assert mmio.ask(range_offset=offset) == (codes.OUT_OF_RANGE, False)
    assert mmio.ask(0) == (codes.OUT_OF_RANGE, False)
    assert mmio.ask(5) == (codes.OUT_OF_RANGE, False)
    assert mmio.ask() == (codes.NOT_ASSIGNED, False)
    mmio.give(asid=ASID + 1)
    assert mmio.ask() == (codes.NOT_ASSIGNED, False)
    _take_back(mmio)
    mmio.give(immutable=0 if guest.is_older else 1)
    assert mmio.ask(subrange_base=GPA // mmio.unit + PAGE_BYTES // mmio.unit) == (codes.NOT_MAPPED, False)
    if not guest.is_older:
        _take_back(mmio)
        mmio.give(immutable=0)
        assert mmio.ask() == (codes.NOT_IMMUTABLE, False)
        mmio.give()
    mmio.rmp.set_validated(MMIO + PAGE_BYTES)
    assert mmio.ask() == (codes.NOT_UNIFORM, False)
    assert mmio.ask(flags=VALIDATED | FORCE) == (0, True)
    assert mmio.ask(flags=VALIDATED | FORCE) == (0, False)


def _take_back(mmio: Mmio) -> None:
    for at in range(0, 4 * PAGE_BYTES, PAGE_BYTES):
        if mmio.rmp.entry(MMIO + at).immutable:
            mmio.guest.bench.ok(mmio.guest.bench.issue(SevCommand.SNP_PAGE_RECLAIM, pfn=(MMIO + at) // PAGE_BYTES))
        mmio.guest.bench.host.rmp_update(MMIO + at, RmpEntry())


@REVISIONS
def test_a_large_page_is_no_page_to_validate(revision: Revision) -> None:
    guest = running(revision)
    mmio = Mmio(guest)
    for at in range(0, 4 * PAGE_BYTES, PAGE_BYTES):
        entry = RmpEntry(assigned=1, immutable=1, asid=ASID, gpa=GPA + at, pagesize=1)
        mmio.rmp.firmware_set(MMIO + at, entry)
    code = MmioValidateStatusR1.NOT_MAPPED if guest.is_older else MmioValidateStatus.NOT_4K
    assert mmio.ask() == (code, False)


@REVISIONS
def test_what_is_not_mmio_is_not_validated(revision: Revision, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = running(revision)
    mmio = Mmio(guest)
    mmio.give()
    monkeypatch.setattr(guest.bench.platform, "is_mmio", lambda paddr: False)
    code = MmioValidateStatusR1.NOT_ASSIGNED if guest.is_older else MmioValidateStatus.NOT_IO
    assert mmio.ask() == (code, False)


def test_a_part_of_a_range() -> None:
    mmio = Mmio(running())
    mmio.give()
    status = mmio.ask(2, range_offset=2, subrange_base=GPA + 2 * PAGE_BYTES)
    assert status == (MmioValidateStatus.SUCCESS, True)
    assert [mmio.rmp.is_validated(MMIO + at * PAGE_BYTES) for at in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("force", [False, True])
def test_unbind_takes_back_what_the_guest_was_given(force: bool) -> None:
    guest = running()
    mmio = Mmio(guest)
    mmio.give()
    assert mmio.ask() == (0, True)
    guest.ask(SDTE_WRITE, sdte=Sdte.for_guest())
    guest.bench.ok(guest.bench.run(SevCommand.TIO_TDI_UNBIND, force=force, **guest.one.common))
    assert mmio.states() == {PageState.PRE_GUEST}
    assert guest.bench.platform.iommu.sdte(FUNCTION.requester_id) is None


def test_a_locked_interface_may_be_prepared() -> None:
    one = Interface(TdiContextState.BIND_LOCKED)
    mmio = Mmio(GuestEnd(one))
    mmio.give()
    assert mmio.ask() == (0, True)


# MMIO_CONFIG


@REVISIONS
def test_attributes_are_read_without_the_device(revision: Revision) -> None:
    guest = running(revision)
    before = len(guest.bench.exchanges)
    assert guest.ask(MMIO_CONFIG, range_id=2).flags == MmioConfigFlags.MEM_ATTR_UPDATABLE
    assert guest.ask(MMIO_CONFIG, range_id=0).flags == MmioConfigFlags(0)
    assert guest.ask(MMIO_CONFIG, range_id=7).status is MmioConfigStatus.NOT_REPORTED
    assert len(guest.bench.exchanges) == before


@REVISIONS
def test_the_device_is_asked_to_change_them(revision: Revision) -> None:
    guest = running(revision)
    before = len(guest.bench.exchanges)
    refused = guest.ask(MMIO_CONFIG, range_id=0, write=True, flags=MmioConfigFlags.NON_TEE_MEM)
    assert (refused.status, refused.flags) == (MmioConfigStatus.COULD_NOT_CHANGE, MmioConfigFlags(0))
    assert len(guest.bench.exchanges) == before
    answer = guest.ask(MMIO_CONFIG, range_id=2, write=True, flags=MmioConfigFlags.NON_TEE_MEM)
    both = MmioConfigFlags.MEM_ATTR_UPDATABLE | MmioConfigFlags.NON_TEE_MEM
    assert (answer.status, answer.flags, answer.write) == (MmioConfigStatus.SUCCESS, both, True)
    assert len(guest.bench.exchanges) == before + 1
    [changed] = guest.bench.device.tdis[FUNCTION].changed
    assert (changed.address, changed.range_id, int(changed.attributes)) == (MMIO + MIB, 2, int(both))
    assert guest.ask(MMIO_CONFIG, range_id=2).flags == both
    guest.bench.device.tdis[FUNCTION].is_stubborn = True
    answer = guest.ask(MMIO_CONFIG, range_id=2, write=True)
    assert (answer.status, answer.flags) == (MmioConfigStatus.COULD_NOT_CHANGE, both)
    guest.bench.device.tdis[FUNCTION].is_stubborn = False
    answer = guest.ask(MMIO_CONFIG, range_id=2, write=True)
    assert (answer.status, answer.flags) == (MmioConfigStatus.SUCCESS, MmioConfigFlags.MEM_ATTR_UPDATABLE)


def test_attributes_change_only_of_what_runs() -> None:
    guest = GuestEnd(Interface(TdiContextState.BIND_LOCKED))
    assert guest.ask(MMIO_CONFIG, range_id=2, write=True).status is MmioConfigStatus.COULD_NOT_CHANGE


# SDTE_WRITE


@REVISIONS
def test_the_firmware_completes_what_the_guest_writes(revision: Revision) -> None:
    guest = running(revision)
    iommu = guest.bench.platform.iommu
    assert guest.ask(SDTE_WRITE, sdte=Sdte.for_guest(0x100000)).status is SdteWriteStatus.SUCCESS
    entry = iommu.sdte(FUNCTION.requester_id)
    assert entry is not None
    assert entry.guest_part() == Sdte.for_guest(0x100000)
    assert (entry.asid, entry.guest_device_id, entry.rp_id) == (ASID, 0x0100, PORT_NUMBER)
    assert entry.ide_stream_id[0] == STREAM
    assert guest.ask(SDTE_WRITE, sdte=Sdte()).status is SdteWriteStatus.SUCCESS
    assert iommu.sdte(FUNCTION.requester_id) is None


@pytest.mark.parametrize(
    "field", ["asid", "domain_id", "i", "rp_id", "reserved_1", "guest_device_id", "sd", "reserved_357"]
)
def test_bits_that_are_not_the_guests(field: str) -> None:
    guest = running()
    entry = Sdte.for_guest().replace(**{field: 1})
    assert guest.ask(SDTE_WRITE, sdte=entry).status is SdteWriteStatus.RESERVED
    assert guest.bench.platform.iommu.sdte(FUNCTION.requester_id) is None
