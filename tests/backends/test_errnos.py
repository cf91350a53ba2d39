"""Every errno of every verb: the typed error, its hint, and that a failing write reached the kernel exactly once.

The rows are those of the kernel's documentation and source, as the backends' tables cite them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from pytio.backends.errnos import ANYWHERE, ENOTSUPP, explain, translated
from pytio.backends.sysfs import Sysfs, TsmShape, interface_files, tsm_files
from pytio.backends.sysfs.attribute import write_once
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendGoneError,
    BackendPermissionError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
)
from pytio.hosts.model.file_nodes import Text
from tests.fakes.platform import DEVICE, ROOT_PORT, Platform, add_guest_files

GENERAL = [
    (errno.EACCES, BackendPermissionError, "run as root"),
    (errno.EPERM, BackendPermissionError, "CAP_SYS_ADMIN"),
    (errno.EROFS, BackendPermissionError, "read-write"),
    (errno.ENOENT, BackendUnavailableError, "absent"),
    (errno.ENODEV, BackendGoneError, "removed while it was open"),
    (errno.ENXIO, BackendUnavailableError, "no TSM, no provider, or nothing connected"),
    (errno.EBUSY, BackendBusyError, "release that first"),
    (errno.EINVAL, BackendRefusedError, "check the value"),
    (errno.EFAULT, BackendRefusedError, "no stream is free"),
    (errno.EIO, BackendError, "kernel log"),
    (errno.EINTR, BackendError, "not repeated"),
    (errno.ETIMEDOUT, BackendTimeoutError, "stays dead until the next boot"),
    (errno.ENOTTY, BackendUnavailableError, "no reset method, a disabled guest key"),
    (errno.ERANGE, BackendRefusedError, "the limit is in a file beside this one"),
    (errno.EFBIG, BackendRefusedError, "64 bytes"),
    (errno.EAGAIN, BackendBusyError, "from the beginning"),
]

CONNECT = [
    (errno.ENXIO, BackendUnavailableError, "0001:01 in doe_features"),
    (errno.EFAULT, BackendRefusedError, "0001:01 and 0001:02 must be served by one mailbox"),
    (errno.EBUSY, BackendBusyError, "PSP died"),
    (errno.ENODEV, BackendGoneError, "kernel log for ccp"),
    (errno.EINVAL, BackendRefusedError, "firmware's status"),
    (errno.EIO, BackendError, "pytio doe discover"),
    (errno.ETIMEDOUT, BackendTimeoutError, "next boot"),
    (errno.ENOMEM, BackendError, "contiguous pages"),
    (errno.EEXIST, BackendBusyError, "reload the TSM driver"),
    (errno.EINTR, BackendError, "not started again"),
]


def ids(rows: list[tuple[int, type[BackendError], str]]) -> list[str]:
    return [errno.errorcode.get(number, str(number)) for number, _, _ in rows]


def refusing(number: int) -> Callable[[str], None]:
    """Return a store that always fails with an errno."""

    def store(value: str) -> None:
        raise OSError(number, os.strerror(number))

    return store


@pytest.mark.parametrize(("number", "kind", "hint"), GENERAL, ids=ids(GENERAL))
def test_the_general_table(platform: Platform, sysfs: Sysfs, number: int, kind: type[BackendError], hint: str) -> None:
    """The errno comes out of a real store, through the kernel; the write that failed was made once."""
    node = platform.text(DEVICE, "enable")
    node.store = refusing(number)
    with pytest.raises(BackendError, match=hint) as caught:
        write_once(sysfs.function(DEVICE).directory / "enable", "1")
    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number
    assert caught.value.hint
    assert node.writes == [b"1"]


def test_the_kernels_own_errno_that_has_no_name() -> None:
    """FUSE does not carry it, so it does not come through the kernel here."""
    error = explain(OSError(ENOTSUPP, "Unknown error 524"), "/dev/sev")
    assert type(error) is BackendUnavailableError
    assert "update the platform's firmware" in error.hint


def test_every_meaning_has_a_hint() -> None:
    assert all(meaning.reason and meaning.hint for meaning in ANYWHERE.values())


def test_an_unexpected_errno_says_which() -> None:
    error = explain(OSError(errno.EXDEV, "Invalid cross-device link"), "/sys/x")
    assert str(error) == "/sys/x: Invalid cross-device link (errno EXDEV is unexpected)"
    with pytest.raises(BackendError, match="EXDEV"), translated("/sys/x"):
        raise OSError(errno.EXDEV, "")


@pytest.mark.parametrize(("number", "kind", "hint"), CONNECT, ids=ids(CONNECT))
def test_a_connect_that_the_driver_fails(
    platform: Platform, sysfs: Sysfs, number: int, kind: type[BackendError], hint: str
) -> None:
    platform.fails = number
    with pytest.raises(BackendError, match=hint) as caught:
        tsm_files(sysfs, sysfs.function(DEVICE)).connect("tsm0")
    assert type(caught.value) is kind
    assert platform.text(DEVICE, "tsm/connect").writes == [b"tsm0"]
    assert tsm_files(sysfs, sysfs.function(DEVICE)).connected_to() is None


class TestUpstream:
    """The rules of ``tsm/connect`` and ``tsm/disconnect``, row by row."""

    def test_a_name_that_is_none(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendRefusedError, match=r"does not start with tsmN.*write the name of a link TSM"):
            tsm_files(sysfs, sysfs.function(DEVICE)).connect("trust me")
        assert len(platform.text(DEVICE, "tsm/connect").writes) == 1

    def test_already_connected(self, platform: Platform, sysfs: Sysfs) -> None:
        files = tsm_files(sysfs, sysfs.function(DEVICE))
        files.connect("tsm0")
        with pytest.raises(BackendBusyError, match=r"already connected.*disconnect it first"):
            files.connect("tsm0")

    def test_no_such_tsm(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match=r"no such link TSM.*/sys/class/tsm"):
            tsm_files(sysfs, sysfs.function(DEVICE)).connect("tsm7")

    def test_not_connected(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match=r"not connected.*nothing to disconnect"):
            tsm_files(sysfs, sysfs.function(DEVICE)).disconnect()
        assert len(platform.text(DEVICE, "tsm/disconnect").writes) == 1

    def test_another_name(self, platform: Platform, sysfs: Sysfs) -> None:
        files = tsm_files(sysfs, sysfs.function(DEVICE))
        files.connect("tsm0")
        platform.text(DEVICE, "tsm/connect").show = "tsm1"
        with pytest.raises(BackendRefusedError, match=r"another TSM.*exactly"):
            files.disconnect()

    def test_an_interrupted_disconnect(self, platform: Platform, sysfs: Sysfs) -> None:
        platform.text(DEVICE, "tsm/disconnect").store = refusing(errno.EINTR)
        with pytest.raises(BackendError, match=r"interrupted the disconnect.*not started again"):
            tsm_files(sysfs, sysfs.function(DEVICE)).disconnect()
        assert len(platform.text(DEVICE, "tsm/disconnect").writes) == 1

    def test_connect_and_disconnect(self, platform: Platform, sysfs: Sysfs) -> None:
        files = tsm_files(sysfs, sysfs.function(DEVICE))
        assert files.shape is TsmShape.UPSTREAM
        assert files.connected_to() is None
        files.connect("tsm0")
        assert files.connected_to() == "tsm0"
        files.disconnect()
        assert files.connected_to() is None
        with pytest.raises(BackendUnavailableError, match="generic netlink, family pci-tsm"):
            files.evidence()

    def test_a_function_that_no_tsm_takes(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match=r"does not take this function.*must be function 0"):
            tsm_files(sysfs, sysfs.function(ROOT_PORT))
        del platform.root.entries["class"]
        with pytest.raises(BackendUnavailableError, match=r"no TSM is registered.*pytio doctor"):
            tsm_files(sysfs, sysfs.function(ROOT_PORT))


@pytest.mark.parametrize("platform", [TsmShape.R1, TsmShape.R2], indirect=True, ids=lambda shape: str(shape.name))
class TestRfc:
    """``tsm_dev_connect`` of both RFCs."""

    def node(self, platform: Platform) -> Text:
        folder = f"tsm-dev/tdev:{DEVICE}/" if platform.shape is TsmShape.R2 else ""
        return platform.text(DEVICE, f"{folder}tsm_dev_connect")

    def test_connect_and_disconnect(self, platform: Platform, sysfs: Sysfs) -> None:
        files = tsm_files(sysfs, sysfs.function(DEVICE))
        assert files.shape is platform.shape
        files.connect("tsm0")
        assert files.connected_to() == "tsm0"
        with pytest.raises(BackendBusyError, match="already connected"):
            files.connect("tsm0")
        files.disconnect()
        with pytest.raises(BackendUnavailableError, match="not connected"):
            files.disconnect()
        assert self.node(platform).writes == [b"1", b"1", b"0", b"0"]

    @pytest.mark.parametrize(
        ("number", "kind", "hint"),
        [
            (errno.EPERM, BackendUnavailableError, "kernel log for ccp and tsm"),
            (errno.EBUSY, BackendBusyError, "stop the guest"),
            (errno.EINVAL, BackendRefusedError, "a mailbox with 0001:01 and 0001:02"),
            (errno.EFAULT, BackendRefusedError, "one mailbox"),
            (errno.EIO, BackendError, "tsm_dev_status"),
        ],
    )
    def test_failures(self, platform: Platform, sysfs: Sysfs, number: int, kind: type[BackendError], hint: str) -> None:
        self.node(platform).store = refusing(number)
        with pytest.raises(BackendError, match=hint) as caught:
            tsm_files(sysfs, sysfs.function(DEVICE)).connect("tsm0")
        assert type(caught.value) is kind
        assert len(self.node(platform).writes) == 1

    def test_evidence(self, platform: Platform, sysfs: Sysfs) -> None:
        evidence = tsm_files(sysfs, sysfs.function(DEVICE)).evidence()
        assert evidence.is_text is (platform.shape is TsmShape.R1)
        assert evidence.certificates
        assert (evidence.measurements is None) is (platform.shape is TsmShape.R1)
        assert (evidence.report is None) is (platform.shape is TsmShape.R1)


@pytest.mark.parametrize("platform", TsmShape, indirect=True, ids=lambda shape: str(shape.name))
class TestGuest:
    """Lock, accept and stop, as each shape has them."""

    def test_accept_and_stop(self, platform: Platform, sysfs: Sysfs) -> None:
        add_guest_files(platform)
        files = interface_files(sysfs, sysfs.function(DEVICE))
        assert files.shape is platform.shape
        if platform.shape is TsmShape.UPSTREAM:
            with pytest.raises(BackendRefusedError, match="lock comes first"):
                files.accept()
            files.lock("tsm0")
            with pytest.raises(BackendBusyError, match="unlock first"):
                files.lock("tsm0")
        else:
            with pytest.raises(BackendUnavailableError, match="the host's bind has done so"):
                files.lock("tsm0")
        assert not files.is_accepted()
        files.accept()
        assert files.is_accepted()
        files.stop()
        assert not files.is_accepted()

    def test_a_host_has_none_of_it(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match="confidential guest"):
            interface_files(sysfs, sysfs.function(DEVICE))
