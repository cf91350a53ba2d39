"""The guest's verbs on a firmware of paper: every order, every register, nothing open that was not judged."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.clients.guest import GUEST_MANNERS, Attestation, GuestBar, GuestClient, GuestInterface, GuestStep, MmioSpan
from pytio.clients.guest.interface import usable_spans
from pytio.errors import (
    BackendError,
    LocalProtocolError,
    PytioError,
    RemoteProtocolError,
    SevCommandError,
    SevDecodeError,
    SevMessageError,
    VerificationError,
)
from pytio.ids import Bdf
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.ghcb import RequestResult
from pytio.sev.sdte import Sdte
from pytio.sev.structures import SpdmAlgos, TdiLockState
from pytio.sev.tio_codes import (
    MeasurementFlags,
    MmioValidateStatus,
    MmioValidateStatusR1,
    Revision,
    SdteWriteStatus,
    SpdmAead,
    TioOperation,
    ValidateFlags,
)
from pytio.tdisp import InterfaceReport, MmioRange, TdiState
from tests.clients.guest.fake import REPORT, FakeFirmware, sha384

BARS = {0: GuestBar(0x8000_0000, 0x4000), 2: GuestBar(0x8010_0000, 0x4000), 4: GuestBar(0x8020_0000, 0x8000)}
FUNCTION = Bdf.parse("0000:01:00.0")
WITH_GUESTS = pytest.mark.parametrize("revision", list(GUEST_MANNERS), ids=lambda revision: revision.name)
OLD = (Revision.R1, Revision.R2)


def started(revision: Revision = Revision.P2) -> tuple[FakeFirmware, GuestClient, GuestInterface]:
    firmware = FakeFirmware(revision)
    if revision in OLD:
        firmware.state = TdiState.RUN
    return firmware, GuestClient(firmware.channel(), revision), GuestInterface(FUNCTION, BARS)


def trust(firmware: FakeFirmware, client: GuestClient, interface: GuestInterface, policy: Any = lambda _: None) -> None:
    if client.manner.validate:
        firmware.run(client.validate(interface, policy))
    else:
        firmware.run(client.lock(interface, policy))
        firmware.run(client.accept(interface))


def names(firmware: FakeFirmware) -> list[str]:
    return [type(message).__name__.removesuffix("N").removesuffix("Req") for message in firmware.seen]


@WITH_GUESTS
def test_each_revision_has_its_order(revision: Revision) -> None:
    firmware, client, interface = started(revision)
    trust(firmware, client, interface)
    validations = ["MmioValidate"] * (3 if revision is Revision.N else 5)  # 7 pages are 4 and 2 and 1
    checked = ["TdiInfo"] if revision in OLD else ["TdiInfo", "TdiInfo"]
    assert names(firmware) == [*checked, "SdteWrite", *validations]
    operations = [] if revision in OLD else [TioOperation.BIND, TioOperation.RUN]
    assert firmware.operations == operations
    assert interface.is_dma_open
    assert len(interface.validated) == 3
    firmware.seen.clear()
    firmware.run(client.invalidate(interface))
    closed = {
        Revision.P2: ["SdteWrite", *validations],
        Revision.N: ["SdteWrite", *validations],
    }.get(revision, [*validations, "SdteWrite"])
    assert names(firmware) == closed
    assert firmware.operations == [*operations, *([] if revision in OLD else [TioOperation.STOP, TioOperation.UNBIND])]
    assert not interface.is_trusted
    assert interface.attestation is None
    sdte = next(message.sdte for message in firmware.seen if hasattr(message, "sdte"))
    assert sdte == Sdte()
    assert all(
        message.flags == ValidateFlags.FORCE_VALIDATED for message in firmware.seen if hasattr(message, "subrange_base")
    )


def test_the_registers_of_p2() -> None:
    firmware, client, interface = started()
    trust(firmware, client, interface)
    assert [request.rdx for request in firmware.requests[:3]] == [0b1001, 0b0001, 1]
    assert [request.data_pages for request in firmware.requests[:3]] == [8, 0, 0]
    assert {request.rcx for request in firmware.requests} == {0x0100}
    mmio = [f"{request.rdx:#x}" for request in firmware.requests[3:]]
    assert mmio == ["0x80000028", "0x8010201a", "0x8020002c", "0x8020401c", "0x8020600c"]


def test_the_registers_of_r1_say_nothing_of_t() -> None:
    firmware, client, interface = started(Revision.R1)
    trust(firmware, client, interface)
    assert [request.rdx for request in firmware.requests[:2]] == [0, 0]
    assert [f"{request.rdx:#x}" for request in firmware.requests[2:4]] == ["0x80000020", "0x80102012"]


def test_the_registers_of_n_count_pages_in_rcx() -> None:
    firmware, client, interface = started(Revision.N)
    trust(firmware, client, interface)
    assert [request.rdx for request in firmware.requests[:2]] == [0b1111, 0b0001]
    assert firmware.requests[2].rdx == 0x200_0000_0001  # vTOM at 2 TiB, and the bit
    assert [f"{request.rcx:#x}" for request in firmware.requests[3:]] == ["0x400000100", "0x200000100", "0x700000100"]
    assert {message.tdi_id for message in firmware.seen} == {1}
    assert firmware.seen[3].subrange_base == 0x80000
    assert firmware.seen[2].sdte.build().hex().startswith("0100000000000060")


def test_the_golden_register() -> None:
    span = MmioSpan(0x3800_0000_0000, 16, 0, 0)
    assert GUEST_MANNERS[Revision.P2].mmio(span, 0x100, is_private=True) == (0x100, 0x0000_3800_0000_0048)


def test_ranges_of_the_report_in_the_guest() -> None:
    spans = list(usable_spans(InterfaceReport.parse(REPORT), BARS))
    assert spans == [
        MmioSpan(0x8000_0000, 4, 0, 0),
        MmioSpan(0x8010_2000, 2, 2, 2),
        MmioSpan(0x8020_0000, 7, 4, 0),
    ]


def test_a_bar_whose_beginning_is_not_reported() -> None:
    report = InterfaceReport(mmio_ranges=(MmioRange(first_page=0x2002, page_count=2, range_id=2),))
    assert list(usable_spans(report, BARS)) == [MmioSpan(0x8010_2000, 2, 2, 0)]


@pytest.mark.parametrize(
    "found",
    [
        MmioRange(first_page=0x1000, page_count=5, range_id=0),
        MmioRange(first_page=0x1000, page_count=1, range_id=1),
        MmioRange(first_page=0x1003, page_count=2, range_id=0),
        MmioRange(first_page=0x1000, page_count=0xFFFF_FFFF, range_id=0),
        MmioRange(first_page=0x1000, page_count=1, range_id=0xFFFF),
    ],
    ids=str,
)
def test_a_report_of_what_the_guest_has_not(found: MmioRange) -> None:
    with pytest.raises(VerificationError, match="the guest has no BAR with"):
        list(usable_spans(InterfaceReport(mmio_ranges=(found,)), BARS))


@pytest.mark.parametrize("guid", [CERTIFICATES_GUID, MEASUREMENTS_GUID, INTERFACE_REPORT_GUID])
@pytest.mark.parametrize("blob", [b"", b"something else"])
@WITH_GUESTS
def test_evidence_is_what_the_firmware_vouches_for(revision: Revision, guid: Any, blob: bytes) -> None:
    firmware, client, interface = started(revision)
    firmware.blobs[guid] = blob
    judged: list[Attestation] = []
    with pytest.raises(VerificationError, match=r"did not hand over|firmware's digest"):
        trust(firmware, client, interface, judged.append)
    assert not judged
    assert not interface.is_trusted
    assert client.channel.is_usable
    assert names(firmware) == ["TdiInfo"]  # nothing was opened


def test_measurements_that_the_firmware_has_not_are_none() -> None:
    firmware, client, interface = started()
    firmware.facts = {"meas_flags": MeasurementFlags(0)}
    judged: list[Attestation] = []
    trust(firmware, client, interface, judged.append)
    [attestation] = judged
    assert attestation.measurements == b""
    with pytest.raises(VerificationError, match="an interface without measurements"):
        _ = attestation.evidence


@WITH_GUESTS
def test_the_policy_judges_before_anything_is_open(revision: Revision) -> None:
    firmware, client, interface = started(revision)

    def refuse(attestation: Attestation) -> None:
        assert not interface.is_trusted
        assert attestation.certificates == b"certs"
        raise PermissionError("not this one")

    with pytest.raises(PermissionError):
        trust(firmware, client, interface, refuse)
    assert names(firmware) == ["TdiInfo"]
    assert not interface.is_bound
    if revision not in OLD:
        assert firmware.operations == [TioOperation.BIND, TioOperation.UNBIND]


@pytest.mark.parametrize("table", [b"\x11" * 24, b"\x11" * 32768])
def test_a_table_of_evidence_that_is_none(table: bytes) -> None:
    firmware, client, interface = started()
    firmware.table = table
    with pytest.raises(SevDecodeError):
        firmware.run(client.tdi_info(interface))
    assert client.channel.is_usable


@WITH_GUESTS
def test_whatever_fails_everything_is_closed_again(revision: Revision) -> None:
    """Every action fails once: nothing stays open, or the key is gone and the firmware cannot be told."""
    counted, client, interface = started(revision)
    trust(counted, client, interface)
    for failing in range(1, counted.count + 1):
        firmware, client, interface = started(revision)
        firmware.fails_at = failing
        with pytest.raises(BackendError):
            trust(firmware, client, interface)
        if client.channel.is_usable:
            assert not interface.is_trusted, failing
        if revision not in OLD:
            assert not interface.is_started, failing
        assert interface.attestation is None, failing


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("TIO_TDI_INFO", 1),
        ("TIO_TDI_INFO", 2),
        ("TIO_SDTE_WRITE", SdteWriteStatus.RESERVED),
        *[("TIO_MMIO_VALIDATE", status) for status in MmioValidateStatus if status],
    ],
)
def test_every_status_is_typed_and_closes(message: str, status: int) -> None:
    firmware, client, interface = started()
    firmware.run(client.lock(interface, lambda _: None)) if message != "TIO_TDI_INFO" else None
    firmware.status[message] = status
    verb = client.lock(interface, lambda _: None) if message == "TIO_TDI_INFO" else client.accept(interface)
    with pytest.raises(SevMessageError) as caught:
        firmware.run(verb)
    assert caught.value.status == status
    assert caught.value.message in message
    assert client.channel.is_usable  # the answer was authentic: the count is known
    assert not interface.is_started


@pytest.mark.parametrize("status", [status for status in MmioValidateStatusR1 if status])
def test_every_status_of_r1_has_its_own_name(status: MmioValidateStatusR1) -> None:
    firmware, client, interface = started(Revision.R1)
    firmware.status["TIO_MMIO_VALIDATE"] = status
    with pytest.raises(SevMessageError, match=f"answered with {status.name}"):
        trust(firmware, client, interface)


@pytest.mark.parametrize("revision", [Revision.P2, Revision.N], ids=lambda revision: revision.name)
def test_closing_what_the_firmware_has_closed_is_no_failure(revision: Revision) -> None:
    firmware, client, interface = started(revision)
    trust(firmware, client, interface)
    firmware.status = {"TIO_SDTE_WRITE": 2, "TIO_MMIO_VALIDATE": 2}
    firmware.run(client.unlock(interface))
    assert not interface.is_trusted
    assert not interface.is_bound


def test_closing_goes_on_after_a_failure() -> None:
    firmware, client, interface = started()
    trust(firmware, client, interface)
    firmware.refuses[TioOperation.STOP] = RequestResult(fw_err=SevStatus.SPDM_ERROR)
    with pytest.raises(SevCommandError, match="TIO_OP STOP"):
        firmware.run(client.invalidate(interface))
    assert not interface.is_trusted
    assert not interface.is_bound


@pytest.mark.parametrize("action", [TioOperation.BIND, TioOperation.RUN])
@pytest.mark.parametrize(
    ("result", "error"),
    [
        (RequestResult(fw_err=SevStatus.INVALID_TDI_STATE), SevCommandError),
        (RequestResult(vmm_err=HypervisorError.GENERIC), RemoteProtocolError),
    ],
)
def test_an_operation_that_is_refused(action: TioOperation, result: RequestResult, error: type[PytioError]) -> None:
    firmware, client, interface = started()
    firmware.refuses[action] = result
    with pytest.raises(error, match=action.name):
        trust(firmware, client, interface)
    assert not interface.is_trusted
    assert firmware.operations[-1] is (TioOperation.UNBIND if action is TioOperation.BIND else TioOperation.STOP)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("certs_digest", sha384(b"another")),
        ("meas_digest", sha384(b"another")),
        ("interface_report_digest", sha384(b"another")),
        ("lock_flags", TdiLockState(lock_msix=True)),
        ("spdm_algos", SpdmAlgos(aead=SpdmAead.AES_256_GCM)),
    ],
)
def test_another_interface_in_its_place_is_not_accepted(name: str, other: object) -> None:
    firmware, client, interface = started()
    firmware.run(client.lock(interface, lambda _: None))
    firmware.facts = {name: other}
    with pytest.raises(VerificationError, match=f"{name} has changed"):
        firmware.run(client.accept(interface))
    assert "SdteWrite" not in names(firmware)
    assert firmware.operations == [TioOperation.BIND, TioOperation.RUN, TioOperation.STOP]


@pytest.mark.parametrize("revision", OLD, ids=lambda revision: revision.name)
def test_an_interface_that_does_not_run_is_not_validated(revision: Revision) -> None:
    firmware, client, interface = started(revision)
    firmware.state = TdiState.ERROR
    with pytest.raises(VerificationError, match="runs: it is ERROR"):
        trust(firmware, client, interface)
    assert names(firmware) == ["TdiInfo"]


@pytest.mark.parametrize("revision", [Revision.P2, Revision.N], ids=lambda revision: revision.name)
def test_an_interface_that_does_not_run_is_not_accepted(revision: Revision) -> None:
    firmware, client, interface = started(revision)
    firmware.run(client.lock(interface, lambda _: None))
    firmware.stays = TdiState.ERROR
    with pytest.raises(VerificationError, match="runs: it is ERROR"):
        firmware.run(client.accept(interface))
    assert "SdteWrite" not in names(firmware)


def test_an_answer_about_something_else() -> None:
    firmware, client, interface = started()
    firmware.facts = {"guest_device_id": 0x200}
    with pytest.raises(RemoteProtocolError, match="guest_device_id 0x200"):
        firmware.run(client.tdi_info(interface))
    firmware, client, interface = started()
    firmware.facts = {"range_id": 3}
    with pytest.raises(RemoteProtocolError, match="range_id 0x3"):
        firmware.run(client.mmio_validate(interface, MmioSpan(0x8000_0000, 1, 0, 0)))


def test_lock_enables_memory_and_leaves_bus_master_alone() -> None:
    firmware, client, interface = started()
    firmware.config[4:6] = b"\x04\x01"
    firmware.config[6:8] = b"\xff\xff"
    firmware.run(client.lock(interface, lambda _: None))
    assert firmware.config[4:8] == b"\x06\x01\0\0"  # the status half is RW1C


def test_unlock_of_n_clears_bus_master() -> None:
    firmware, client, interface = started(Revision.N)
    firmware.config[4:6] = b"\x06\0"
    trust(firmware, client, interface)
    firmware.run(client.unlock(interface))
    assert firmware.config[4:6] == b"\x02\0"


@WITH_GUESTS
def test_verbs_out_of_order(revision: Revision) -> None:
    firmware, client, interface = started(revision)
    wrong = client.lock(interface, lambda _: None) if revision in OLD else client.validate(interface, lambda _: None)
    with pytest.raises(LocalProtocolError, match="another way"):
        firmware.run(wrong)
    if revision not in OLD:
        with pytest.raises(LocalProtocolError, match="lock it first"):
            firmware.run(client.accept(interface))
    trust(firmware, client, interface)
    with pytest.raises(LocalProtocolError, match="invalidate it first"):
        trust(firmware, client, interface)
    assert interface.is_trusted
    assert client.channel.is_usable


def test_u_has_no_guests() -> None:
    with pytest.raises(ValueError, match="revision U has no guests"):
        GuestClient(FakeFirmware().channel(), Revision.U)


@pytest.mark.parametrize(("revision", "nonce"), [(Revision.P2, bytes(32)), (Revision.N, bytes(31))])
def test_a_nonce_that_goes_nowhere(revision: Revision, nonce: bytes) -> None:
    firmware, client, interface = started(revision)
    with pytest.raises(ValueError, match="takes no nonce"):
        firmware.run(client.tdi_info(interface, nonce=nonce))
    assert not firmware.requests


def test_every_step_of_every_manner_is_performed() -> None:
    assert set(GuestClient._STEPS) == set(GuestStep)
    used = {
        step
        for manner in GUEST_MANNERS.values()
        for step in (*manner.validate, *manner.lock, *manner.accept, *manner.invalidate)
    }
    assert used == set(GuestStep)
