"""Configuration space through the real system calls: widths, limits, privilege, lockdown, removal, the lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytio.backends.sysfs import Sysfs, SysfsConfigSpace
from pytio.errors import (
    BackendBusyError,
    BackendGoneError,
    BackendLockdownError,
    BackendPermissionError,
    BackendUnavailableError,
)
from pytio.hosts.model.file_nodes import Text
from tests.fakes.platform import DEVICE, Platform

NOBODY = 65534


def as_nobody(what: Callable[[], None]) -> str:
    """Do something in a child without privileges; return the class of what it raised, nothing if it did not."""
    readable, writable = os.pipe()
    if not (child := os.fork()):
        said = ""
        try:
            os.setgroups([])
            os.setuid(NOBODY)
            what()
        except BaseException as error:  # noqa: BLE001  the parent is told what it was
            said = f"{type(error).__name__}: {error}"
        os.write(writable, said.encode())
        os._exit(0)
    os.close(writable)
    os.waitpid(child, 0)
    said = os.read(readable, 4096).decode()
    os.close(readable)
    return said


def test_each_access_is_one_access(platform: Platform, sysfs: Sysfs) -> None:
    with sysfs.function(DEVICE).open_config(writable=True) as config:
        platform.config().accesses.clear()
        assert config.read(0, 2) == b"\x34\x12"
        assert config.read(2, 2) == b"\xe1\xd0"
        assert config.read(platform.device.ide, 4) == bytes.fromhex("30000100")
        config.write(platform.device.control, b"\x01\0\0\0")
        assert config.read(platform.device.status, 4) == b"\x02\0\0\0"
        config.write(0x3C, b"\x0b")
        assert platform.config().accesses == [
            *[("r", 0, 2), ("r", 2, 2), ("r", platform.device.ide, 4)],
            *[("w", platform.device.control, 4), ("r", platform.device.status, 4), ("w", 0x3C, 1)],
        ]


@pytest.mark.parametrize(("offset", "size"), [(1, 2), (2, 4), (0, 3), (0, 8), (0, 0), (-4, 4)])
def test_only_aligned_accesses(platform: Platform, sysfs: Sysfs, offset: int, size: int) -> None:
    with sysfs.function(DEVICE).open_config() as config, pytest.raises(ValueError, match="no aligned access"):
        config.read(offset, size)


def test_dump(platform: Platform, sysfs: Sysfs) -> None:
    with sysfs.function(DEVICE).open_config() as config:
        assert config.visible_bytes == 4096
        assert config.dump() == bytes(platform.device.function.space)


def test_no_extended_space(platform: Platform, sysfs: Sysfs) -> None:
    platform.config().size = 256
    with sysfs.function(DEVICE).open_config() as config:
        assert config.visible_bytes == 256
        with pytest.raises(BackendUnavailableError, match="only PCI Express functions have"):
            config.read(0x100, 4)


def test_64_bytes_without_privilege(platform: Platform, sysfs: Sysfs, tmp_path: Path) -> None:
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    tmp_path.parent.parent.parent.chmod(0o755)

    def read_a_capability() -> None:
        with sysfs.function(DEVICE).open_config() as config:
            assert config.visible_bytes == 64
            assert config.read(0, 2) == b"\x34\x12"
            config.read(0x100, 4)

    said = as_nobody(read_a_capability)
    assert said.startswith("BackendPermissionError")
    assert "only 64 bytes" in said
    assert "CAP_SYS_ADMIN" in said
    said = as_nobody(lambda: sysfs.function(DEVICE).open_config(writable=True).close())
    assert said.startswith("BackendPermissionError")
    assert "only root may write" in said


def test_opened_for_reading(platform: Platform, sysfs: Sysfs) -> None:
    with sysfs.function(DEVICE).open_config() as config, pytest.raises(BackendPermissionError, match="writable=True"):
        config.write(platform.device.control, bytes(4))


def test_lockdown_is_told_from_a_missing_privilege(platform: Platform, sysfs: Sysfs) -> None:
    platform.config().is_locked_down = True
    with sysfs.function(DEVICE).open_config(writable=True) as config:
        with pytest.raises(BackendPermissionError, match="CAP_SYS_ADMIN") as caught:
            config.write(platform.device.control, bytes(4))
        assert not isinstance(caught.value, BackendLockdownError)
        node = platform.root.find("kernel/security/lockdown")
        assert isinstance(node, Text)
        node.show = "none [integrity] confidentiality"
        with pytest.raises(BackendLockdownError, match=r"kernel lockdown \(integrity\).*Secure Boot"):
            config.write(platform.device.control, bytes(4))
        assert config.read(0, 2) == b"\x34\x12"  # reads still work


def test_removed_while_open(platform: Platform, sysfs: Sysfs) -> None:
    with sysfs.function(DEVICE).open_config(writable=True) as config:
        platform.config().is_removed = True
        with pytest.raises(BackendGoneError):
            config.read(0, 2)
        with pytest.raises(BackendGoneError):
            config.write(platform.device.control, bytes(4))


def test_the_lock_keeps_out_others(platform: Platform, sysfs: Sysfs) -> None:
    device = sysfs.function(DEVICE)
    with (
        device.open_config() as mine,
        device.open_config() as theirs,
        mine.locked(),
        pytest.raises(BackendBusyError, match="another process has locked"),
        theirs.locked(),
    ):
        pass
    with device.open_config() as theirs, theirs.locked():
        pass


def test_closing_twice(platform: Platform, sysfs: Sysfs) -> None:
    config = SysfsConfigSpace(sysfs.function(DEVICE).directory / "config")
    config.close()
    config.close()
