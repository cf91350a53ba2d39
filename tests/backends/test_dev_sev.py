"""``/dev/sev``: every command, every errno, and the firmware's status."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from pytio.backends.dev_sev import DevSev, open_dev_sev
from pytio.backends.errnos import ENOTSUPP
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendPermissionError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
    SevCommandError,
)
from pytio.sev import SevHostCommand, SevStatus, TcbVersion, TurinTcbVersion
from pytio.sev.codes import FIRMWARE_NEVER_CALLED, SEV_ISSUE_CMD
from pytio.sev.host_ioctl import IssueCommand, SnpConfig, WrappedVlekHashstick
from tests.fakes.sev import CHAIN, CHIP_ID, CSR, PDH, FakeSev


@pytest.fixture
def fake() -> FakeSev:
    return FakeSev()


@pytest.fixture
def sev(fake: FakeSev) -> DevSev:
    return DevSev(fake)


def test_statuses(sev: DevSev) -> None:
    assert (sev.platform_status().api_major, sev.platform_status().guest_count) == (1, 2)
    status = sev.snp_platform_status()
    assert (status.api_minor, status.is_rmp_initialized, status.is_tio_enabled) == (58, True, True)


def test_what_takes_two_calls(sev: DevSev, fake: FakeSev) -> None:
    assert sev.get_id() == CHIP_ID
    assert sev.pek_csr() == CSR
    assert sev.pdh_cert_export() == (PDH, CHAIN)
    assert [command.name for command in fake.done] == [*["GET_ID2"] * 2, *["PEK_CSR"] * 2, *["PDH_CERT_EXPORT"] * 2]


def test_what_carries_data(sev: DevSev, fake: FakeSev) -> None:
    config = SnpConfig(reported_tcb=TcbVersion(snp=22, microcode=213).build(), mask_chip_id=True)
    stick = WrappedVlekHashstick(iv=bytes(12), wrapped=b"\x11" * 384, tcb=TurinTcbVersion(fmc=1).build(), tag=bytes(16))
    sev.pek_cert_import(b"pek", b"oca!")
    sev.snp_set_config(config)
    sev.snp_vlek_load(stick)
    assert fake.stored == [(b"pek", b"oca!"), config, stick.build()]


@pytest.mark.parametrize(
    ("method", "command"),
    [
        (DevSev.pek_gen, SevHostCommand.PEK_GEN),
        (DevSev.pdh_gen, SevHostCommand.PDH_GEN),
        (DevSev.factory_reset, SevHostCommand.FACTORY_RESET),
        (DevSev.snp_commit, SevHostCommand.SNP_COMMIT),
        (DevSev.get_ids, SevHostCommand.GET_ID),
    ],
)
def test_each_command_is_one_call(
    sev: DevSev, fake: FakeSev, method: Callable[[DevSev], object], command: SevHostCommand
) -> None:
    method(sev)
    assert fake.done == [command]


def test_every_command_has_a_method() -> None:
    methods = {name for name in vars(DevSev) if not name.startswith("_")}
    spelled = {command.name.lower().replace("get_id2", "get_id") for command in SevHostCommand}
    assert spelled - {"get_id"} <= methods
    assert {"get_id", "get_ids"} <= methods


ERRNOS = [
    (errno.ENODEV, BackendUnavailableError, "no usable PSP"),
    (errno.EINVAL, BackendRefusedError, r"SNP is not initialised.*kvm_amd"),
    (errno.EFAULT, BackendRefusedError, "16 KiB"),
    (errno.EPERM, BackendPermissionError, "writable=True"),
    (errno.EIO, BackendError, "gave no status"),
    (errno.EBUSY, BackendBusyError, "marked dead"),
    (errno.ETIMEDOUT, BackendTimeoutError, "dead now until the next boot"),
    (ENOTSUPP, BackendUnavailableError, r"firmware is too old.*0.16"),
    (errno.ENOMEM, BackendError, "out of memory"),
]


@pytest.mark.parametrize(("number", "kind", "text"), ERRNOS, ids=[str(number) for number, _, _ in ERRNOS])
def test_errnos(sev: DevSev, fake: FakeSev, number: int, kind: type[BackendError], text: str) -> None:
    fake.fails = number
    with pytest.raises(BackendError, match=text) as caught:
        sev.snp_platform_status()
    assert type(caught.value) is kind
    assert caught.value.hint
    assert fake.done == []


def test_a_psp_that_timed_out_stays_dead(sev: DevSev, fake: FakeSev) -> None:
    fake.fails = errno.ETIMEDOUT
    with pytest.raises(BackendTimeoutError):
        sev.platform_status()
    with pytest.raises(BackendBusyError, match="dead until the next boot"):
        sev.platform_status()


@pytest.mark.parametrize("status", [status for status in SevStatus if status], ids=lambda status: str(status.name))
def test_the_firmwares_status(sev: DevSev, fake: FakeSev, status: SevStatus) -> None:
    fake.status = status
    with pytest.raises(SevCommandError, match=f"SNP_COMMIT failed with {status.name}") as caught:
        sev.snp_commit()
    assert caught.value.status is status
    assert caught.value.command is SevHostCommand.SNP_COMMIT
    assert caught.value.hint
    assert caught.value.hint in str(caught.value)


def test_a_status_without_a_name(sev: DevSev, fake: FakeSev) -> None:
    fake.status = SevStatus(0x34)
    with pytest.raises(SevCommandError, match="UNKNOWN_0x34"):
        sev.snp_commit()


def test_a_size_query_that_fails_otherwise(sev: DevSev, fake: FakeSev) -> None:
    fake.status = SevStatus.INVALID_PLATFORM_STATE
    with pytest.raises(SevCommandError, match="INVALID_PLATFORM_STATE"):
        sev.get_id()


def test_the_rule_of_writing() -> None:
    reader = DevSev(FakeSev(writable=False))
    assert reader.platform_status().state == 1
    with pytest.raises(BackendPermissionError, match="opened for reading only"):
        reader.pek_gen()


def test_an_unknown_command_leaves_the_block_alone() -> None:
    block = bytearray(IssueCommand(command=SevHostCommand(13), status=SevStatus(7)).build())
    with pytest.raises(OSError, match="22"):
        FakeSev().ioctl(SEV_ISSUE_CMD, block)
    assert IssueCommand.parse(bytes(block)).status == 7
    with pytest.raises(BackendRefusedError):
        DevSev(FakeSev()).issue(SevHostCommand(13))


def test_the_pointer_is_not_aligned() -> None:
    raw = IssueCommand(command=SevHostCommand.GET_ID2, data=0x0102030405060708).build()
    assert raw.hex(" ") == "08 00 00 00 08 07 06 05 04 03 02 01 00 00 00 00"
    assert not IssueCommand(command=SevHostCommand.GET_ID, status=SevStatus(FIRMWARE_NEVER_CALLED)).reached_firmware


def test_no_device(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="found no SEV"):
        open_dev_sev(tmp_path / "sev")


def test_another_device() -> None:
    with open_dev_sev(Path("/dev/null")) as device, pytest.raises(BackendUnavailableError, match="not /dev/sev"):
        device.platform_status()
