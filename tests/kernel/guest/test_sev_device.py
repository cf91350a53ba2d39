"""``/dev/sev`` and ``/dev/sev-guest`` as devices of the kernel: the real ioctl path, to a model of the firmware."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pytio.backends.dev_sev import open_dev_sev
from pytio.backends.ioctl import IoctlDevice
from pytio.backends.sev_guest import open_sev_guest
from pytio.errors import BackendPermissionError, BackendUnavailableError, SevCommandError
from pytio.sev import Certificate, SevStatus, build_certificate_table
from pytio.sev.guest_ioctl import DerivedKeyRequest
from pytio.sev.host_ioctl import SnpConfig
from tests.fakes.cuse import CuseDevice, ProcessMemory
from tests.fakes.sev import CHAIN, CHIP_ID, PDH, FakeSev, FakeSevGuest

NONCE = bytes(range(64))
CERTIFICATE = Certificate("63da758d-e664-4564-adc5-f4b93be8accd", b"\x30" * 3000)


@pytest.fixture(scope="module")
def sev() -> FakeSev:
    memory = ProcessMemory()
    fake = FakeSev(memory=memory)

    def opened(flags: int) -> IoctlDevice:
        fake.writable = bool(flags & os.O_ACCMODE)
        return fake

    CuseDevice("sev", opened, memory).start()
    _wait_for("/dev/sev")
    return fake


@pytest.fixture(scope="module")
def guest() -> FakeSevGuest:
    memory = ProcessMemory()
    fake = FakeSevGuest(memory=memory, certificates=build_certificate_table((CERTIFICATE,)))
    CuseDevice("sev-guest", lambda flags: fake, memory).start()
    _wait_for("/dev/sev-guest")
    return fake


@pytest.fixture(autouse=True)
def well(sev: FakeSev, guest: FakeSevGuest) -> None:
    """Let the firmware be well before each test."""
    sev.status, sev.fails, sev.is_dead = SevStatus.SUCCESS, 0, False
    guest.fails, guest.is_key_disabled = None, False


def _wait_for(path: str) -> None:
    for _ in range(200):
        if Path(path).exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)


def test_statuses_and_sizes() -> None:
    with open_dev_sev() as device:
        assert device.snp_platform_status().is_tio_enabled
        assert device.get_id() == CHIP_ID
        assert device.pdh_cert_export() == (PDH, CHAIN)


def test_the_status_comes_back_with_the_error(sev: FakeSev) -> None:
    sev.status = SevStatus.INVALID_PLATFORM_STATE
    with open_dev_sev() as device, pytest.raises(SevCommandError, match="INVALID_PLATFORM_STATE") as caught:
        device.snp_commit()
    assert caught.value.status is SevStatus.INVALID_PLATFORM_STATE


def test_writing_needs_writing(sev: FakeSev) -> None:
    with open_dev_sev() as device, pytest.raises(BackendPermissionError, match="writable=True"):
        device.snp_set_config(SnpConfig())
    with open_dev_sev(writable=True) as device:
        device.snp_set_config(SnpConfig(mask_chip_id=True))
    assert sev.stored[-1] == SnpConfig(mask_chip_id=True)


def test_reports_certificates_and_keys() -> None:
    with open_sev_guest() as device:
        report, certificates = device.extended_report(NONCE)
        assert report.report_data == NONCE
        assert certificates == (CERTIFICATE,)
        assert len(device.derived_key(DerivedKeyRequest())) == 32


def test_the_latch(guest: FakeSevGuest) -> None:
    guest.fails = (5, SevStatus.INVALID_GUEST_STATE, 0)
    with open_sev_guest() as device:
        with pytest.raises(SevCommandError, match="INVALID_GUEST_STATE"):
            device.report(NONCE)
        with pytest.raises(BackendUnavailableError, match="vmpck_id"):
            device.report(NONCE)
