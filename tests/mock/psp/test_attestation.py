"""The attestation report, as a guest asks for it under the counters of its other messages."""

from __future__ import annotations

import pytest

from pytio.crypto import (
    HashAlgorithm,
    PrivateKey,
    SignatureAlgorithm,
    SignatureParameters,
)
from pytio.mock.psp import PspConfig, TdiContextState
from pytio.sev.attestation import AttestationReport
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import GuestMessage, open_message, seal_message
from pytio.sev.guest_ioctl import ReportRequest, ReportResponseHeader
from pytio.sev.tio_codes import PAGE_BYTES, GuestMessageType, SevCommand
from tests.mock.psp.guest_end import MMIO_CONFIG, TDI_INFO, GuestEnd
from tests.mock.psp.lives import Interface

DATA = bytes(range(64))


def guest(**config: object) -> GuestEnd:
    end = GuestEnd(Interface(TdiContextState.BIND_RUN))
    end.bench.psp.config = PspConfig(**config)  # type: ignore[arg-type]
    return end


def ask(end: GuestEnd, request: ReportRequest, *, vmpck: int = 0, kind: int = GuestMessageType.REPORT_REQ) -> SevStatus:
    header = GuestMessage(msg_seqno=end.sequence[vmpck] + 1, msg_type=kind, msg_vmpck=vmpck, payload=b"")
    page = seal_message(end.keys[vmpck], header, request.build()).build()
    end.bench.host.write(end.request_page, page.ljust(PAGE_BYTES, b"\0"))
    return end.bench.issue(
        SevCommand.SNP_GUEST_REQUEST,
        gctx_paddr=end.one.guest,
        req_paddr=end.request_page,
        res_paddr=end.response_page,
    )


def report_of(end: GuestEnd, request: ReportRequest, vmpck: int = 0) -> tuple[SevStatus, AttestationReport | None]:
    end.bench.ok(ask(end, request, vmpck=vmpck))
    answer, _ = GuestMessage.parse_prefix(end.bench.host.read(end.response_page, PAGE_BYTES))
    assert (answer.msg_type, answer.msg_seqno) == (GuestMessageType.REPORT_RSP, end.sequence[vmpck] + 2)
    end.sequence[vmpck] += 2
    header, report = ReportResponseHeader.split(open_message(end.keys[vmpck], answer))
    return header.status, report


def test_a_report_says_how_the_guest_was_launched_and_is_signed() -> None:
    vcek = PrivateKey.generate(SignatureAlgorithm.ECDSA_P384)
    end = guest(vcek=vcek, chip_id=b"\x11" * 64)
    status, report = report_of(end, ReportRequest(user_data=DATA))
    assert status is SevStatus.SUCCESS
    assert report is not None
    context = end.bench.psp.guests[end.one.guest]
    assert (report.measurement, report.report_data) == (context.launch_digest, DATA)
    assert int.from_bytes(report.policy.build(), "little") == context.policy
    assert report.platform_info.tio_enabled
    assert report.chip_id == b"\x11" * 64
    assert report.key_info.signing_key == 0
    signature = report.signature_r[:48][::-1] + report.signature_s[:48][::-1]
    parameters = SignatureParameters(SignatureAlgorithm.ECDSA_P384, HashAlgorithm.SHA_384)
    vcek.public_key.verify(signature, report.signed_bytes(), parameters)
    assert not report.problems()


def test_without_a_key_a_report_says_that_nobody_signed_it() -> None:
    _, report = report_of(guest(), ReportRequest(user_data=DATA))
    assert report is not None
    assert (report.key_info.signing_key, report.signature_r) == (7, bytes(72))


@pytest.mark.parametrize(("vmpck", "vmpl", "is_good"), [(0, 0, True), (0, 3, True), (0, 4, False), (2, 1, False)])
def test_a_key_speaks_for_its_level_and_those_below(vmpck: int, vmpl: int, is_good: bool) -> None:
    status, report = report_of(guest(), ReportRequest(user_data=DATA, vmpl=vmpl), vmpck)
    assert (status is SevStatus.SUCCESS) is is_good is (report is not None)


def test_all_messages_under_a_key_share_a_counter() -> None:
    end = guest()
    assert end.ask(TDI_INFO).status == 0
    report_of(end, ReportRequest(user_data=DATA))
    assert end.ask(TDI_INFO).status == 0
    assert end.sequence[0] == 6


def test_other_messages_are_not_there() -> None:
    end = guest()
    request = ReportRequest(user_data=DATA)
    assert ask(end, request, kind=GuestMessageType.KEY_REQ) is SevStatus.INVALID_PARAM
    assert ask(end, request, kind=GuestMessageType.TIO_TDI_INFO_REQ) is SevStatus.INVALID_PARAM


def test_no_number_is_used_twice_while_the_device_is_asked() -> None:
    """A message that waits for the device is overtaken by another under the same key: it gets no answer then."""
    end = guest()
    page = end.seal(MMIO_CONFIG, end.compose(MMIO_CONFIG, range_id=2, write=True).build()).build()
    end.bench.host.write(end.request_page, page.ljust(PAGE_BYTES, b"\0"))
    fields = end.one.common | {"req_paddr": end.request_page, "res_paddr": end.response_page}
    end.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_GUEST_REQUEST, **fields)
    report_of(end, ReportRequest(user_data=DATA))
    before = end.bench.host.read(end.response_page, PAGE_BYTES)
    end.bench.carry(end.one.control)
    end.bench.refuses(SevStatus.BAD_SIGNATURE, SevCommand.TIO_GUEST_REQUEST, **fields)
    assert end.bench.host.read(end.response_page, PAGE_BYTES) == before
