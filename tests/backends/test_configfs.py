"""Reports through configfs: the counter that says whether the input was taken, and every refusal."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytio.backends.configfs import ConfigfsReports
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendPermissionError,
    BackendRefusedError,
    BackendUnavailableError,
)
from pytio.hosts.model.file_nodes import Directory
from tests.fakes.configfs import Reports
from tests.fakes.fuse import Mount, why_not

NONCE = bytes(range(64))


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[Reports]:
    if reason := why_not():
        pytest.skip(f"a live configfs needs FUSE: {reason}")
    root, reports = Directory(), Reports()
    root.add("tsm/report", reports)
    with Mount(tmp_path, root):
        yield reports


def test_a_report(reports: Reports, tmp_path: Path) -> None:
    reports.certificates = b"table"
    report = ConfigfsReports(tmp_path).make(NONCE, privlevel=1)
    assert (report.provider, report.generation) == ("sev_guest", 2)
    assert report.outblob == b"report over " + NONCE
    assert report.auxblob == b"table"
    assert report.manifestblob is None
    assert reports.made[0].privlevel == 1
    assert reports.entries == {}  # it was removed again


def test_an_input_that_was_not_taken(reports: Reports, tmp_path: Path) -> None:
    reports.takes_input = False
    with pytest.raises(BackendError, match=r"the input was not taken: generation 0 instead of 1.*64"):
        ConfigfsReports(tmp_path).make(NONCE)
    assert reports.entries == {}


def test_another_program_in_between(reports: Reports, tmp_path: Path) -> None:
    def answer(inblob: bytes) -> bytes:
        reports.made[0].generation = 2
        return inblob

    reports.answer = answer
    with pytest.raises(BackendBusyError, match=r"another program changed the report.*name of your own"):
        ConfigfsReports(tmp_path).make(NONCE)


@pytest.mark.parametrize("size", [0, 65])
def test_input_has_1_to_64_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="not 1 to 64"):
        ConfigfsReports().make(bytes(size))


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.ENXIO, BackendUnavailableError, "load the guest's driver"),
        (errno.EEXIST, BackendBusyError, "choose another"),
        (errno.EACCES, BackendPermissionError, "run as root"),
    ],
)
def test_no_report(reports: Reports, tmp_path: Path, number: int, kind: type[BackendError], hint: str) -> None:
    reports.refuses = number
    with pytest.raises(BackendError, match=hint) as caught:
        ConfigfsReports(tmp_path).make(NONCE)
    assert type(caught.value) is kind


def test_no_configfs(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"kernel 6\.7 or newer"):
        ConfigfsReports(tmp_path).make(NONCE)


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.EINVAL, BackendRefusedError, "exactly 64 bytes"),
        (errno.ENXIO, BackendUnavailableError, "kernel log"),
        (errno.ENOTTY, BackendUnavailableError, "vmpck_id"),
        (errno.EFBIG, BackendRefusedError, "at most 64 bytes"),
    ],
)
def test_a_provider_that_fails(
    reports: Reports, tmp_path: Path, number: int, kind: type[BackendError], hint: str
) -> None:
    def fail(inblob: bytes) -> bytes:
        raise OSError(number, "")

    reports.answer = fail
    with pytest.raises(BackendError, match=hint) as caught:
        ConfigfsReports(tmp_path).make(NONCE)
    assert type(caught.value) is kind


def test_a_privilege_level_that_there_is_not(reports: Reports, tmp_path: Path) -> None:
    with pytest.raises(BackendRefusedError, match="privlevel_floor to 3"):
        ConfigfsReports(tmp_path).make(NONCE, privlevel=4)
