"""``/dev/sev-guest``: reports of every version, certificates, keys, every failure, and the latch."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pytio.backends.sev_guest import SevGuest, open_sev_guest
from pytio.errors import (
    BackendError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
    SevCommandError,
    SevDecodeError,
    VerificationError,
)
from pytio.sev import Certificate, CertificateTableEntry, SevStatus, build_certificate_table, parse_certificate_table
from pytio.sev.codes import DerivedKeyFields
from pytio.sev.guest_ioctl import DerivedKeyRequest, DerivedKeyRequestV2
from tests.fakes.sev import FakeSevGuest

NONCE = bytes(range(64))
CHAIN = (
    Certificate("c0b406a4-a803-4952-9743-3fb6014cd0ae", b"\x30" * 1700),
    Certificate("63da758d-e664-4564-adc5-f4b93be8accd", b"\x31" * 3000),
)


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_reports_of_every_version(version: int) -> None:
    report = SevGuest(FakeSevGuest(version=version)).report(NONCE, vmpl=1)
    assert (report.version, report.report_data, report.vmpl) == (version, NONCE, 1)
    assert len(report.build()) == 1184
    assert len(report.signed_bytes()) == 672
    assert (report.cpuid_family is None) is (version < 3)
    assert (report.launch_mitigation_vector is None) is (version < 5)
    assert bool(report.problems()) is (version in {4, 6})


def test_a_report_over_other_data_is_refused() -> None:
    fake = FakeSevGuest()
    fake.replaces_user_data = True
    with pytest.raises(VerificationError, match="report data"):
        SevGuest(fake).report(NONCE)


def test_user_data_has_64_bytes() -> None:
    with pytest.raises(ValueError, match="user_data"):
        SevGuest(FakeSevGuest()).report(b"short")


def test_certificates_take_two_calls() -> None:
    fake = FakeSevGuest(certificates=build_certificate_table(CHAIN))
    report, certificates = SevGuest(fake).extended_report(NONCE)
    assert report.report_data == NONCE
    assert certificates == CHAIN
    assert [certificate.kind for certificate in certificates] == ["ARK", "VCEK"]
    assert len(fake.versions) == 2


def test_a_host_without_certificates() -> None:
    fake = FakeSevGuest()
    assert SevGuest(fake).extended_report(NONCE)[1] == ()
    assert len(fake.versions) == 1


def test_derived_keys() -> None:
    fake = FakeSevGuest()
    guest = SevGuest(fake)
    key = guest.derived_key(DerivedKeyRequest(fields=DerivedKeyFields.MEASUREMENT))
    assert key.reveal() == b"\x6b" * 32
    assert "6b" not in repr(key)
    guest.derived_key(DerivedKeyRequestV2(launch_mitigation_vector=1))
    assert fake.versions == [1, 2]


ERRNOS = [
    (errno.EINVAL, BackendRefusedError, "16 KiB at most"),
    (errno.EFAULT, BackendRefusedError, "defect of the caller"),
    (errno.ENOMEM, BackendError, "out of memory"),
    (errno.EIO, BackendError, "erased its key"),
    (errno.EBADMSG, BackendError, r"did not authenticate.*vmpck_id"),
    (errno.ETIMEDOUT, BackendTimeoutError, "ask less often"),
]


@pytest.mark.parametrize(("number", "kind", "text"), ERRNOS, ids=[errno.errorcode[number] for number, _, _ in ERRNOS])
def test_errnos(number: int, kind: type[BackendError], text: str) -> None:
    fake = FakeSevGuest()
    fake.fails = (number, 0xFF, 0)
    with pytest.raises(BackendError, match=text) as caught:
        SevGuest(fake).report(NONCE)
    assert type(caught.value) is kind
    assert caught.value.hint


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADMSG])
def test_the_key_is_gone_after_a_failure(number: int) -> None:
    fake = FakeSevGuest()
    fake.fails = (number, 0xFF, 0)
    guest = SevGuest(fake)
    with pytest.raises(BackendError):
        guest.report(NONCE)
    with pytest.raises(BackendUnavailableError, match=r"disabled or empty.*vmpck_id"):
        guest.report(NONCE)


def test_the_firmwares_status() -> None:
    fake = FakeSevGuest()
    fake.fails = (errno.EIO, SevStatus.INVALID_GUEST_STATE, 0)
    with pytest.raises(SevCommandError, match=r"INVALID_GUEST_STATE.*SNP_GET_REPORT.*erased its key"):
        SevGuest(fake).report(NONCE)


@pytest.mark.parametrize("code", [2, 7, 0xFFFFFFFF])
def test_the_hypervisors_refusal(code: int) -> None:
    fake = FakeSevGuest()
    fake.fails = (errno.EIO, 0, code)
    with pytest.raises(BackendError, match=r"the hypervisor refused.*host's operator"):
        SevGuest(fake).report(NONCE)


@pytest.mark.parametrize(
    ("status", "hint"), [(SevStatus.INVALID_PARAM, "VMPL"), (SevStatus.INVALID_KEY, "VLEK"), (SevStatus(9), "refused")]
)
def test_the_status_in_a_response(status: SevStatus, hint: str) -> None:
    fake = FakeSevGuest()
    fake.status = status
    with pytest.raises(SevCommandError, match=hint) as caught:
        SevGuest(fake).report(NONCE)
    assert caught.value.status == status
    with pytest.raises(SevCommandError):
        SevGuest(fake).derived_key(DerivedKeyRequest())


def test_no_device(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="no SEV-SNP guest"):
        open_sev_guest(tmp_path / "sev-guest")


class TestCertificateTable:
    def test_empty(self) -> None:
        assert parse_certificate_table(b"") == ()
        assert parse_certificate_table(bytes(4096)) == ()

    def test_no_end(self) -> None:
        with pytest.raises(SevDecodeError, match=r"entry 1: needs") as caught:
            parse_certificate_table(CertificateTableEntry(guid=b"g" * 16, offset=0, length=4).build())
        assert caught.value.offset == 24

    def test_outside(self) -> None:
        table = build_certificate_table(CHAIN)
        with pytest.raises(SevDecodeError, match="outside the") as caught:
            parse_certificate_table(table[:-1])
        assert caught.value.offset == 24 + 16

    def test_an_unknown_guid_is_its_own_kind(self) -> None:
        other = Certificate("00000000-0000-0000-0000-000000000001", b"x")
        assert parse_certificate_table(build_certificate_table((other,)))[0].kind == other.guid
