"""BARs: exact widths on a real mapping, and each reason why there is none. A mapping of FUSE's would hang in here."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pytio.backends.sysfs import MappedBar, PortBar, ResourceFlags, Sysfs
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendLockdownError,
    BackendPermissionError,
    BackendRefusedError,
    BackendUnavailableError,
)

DEVICE = "0000:e1:00.0"
UNUSED = "0x0000000000000000 0x0000000000000000 0x0000000000000000"
BAR_0 = "0x00003f0000000000 0x00003f0000001fff 0x000000000014220c"
BAR_2 = "0x000000000000c000 0x000000000000c01f 0x0000000000040101"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a function with a memory BAR and an I/O BAR, in an ordinary file system."""
    folder = tmp_path / "bus/pci/devices" / DEVICE
    folder.mkdir(parents=True)
    (folder / "resource").write_text("\n".join([BAR_0, UNUSED, BAR_2, *[UNUSED] * 4]) + "\n")
    (folder / "resource0").write_bytes(bytes(range(256)) * 32)
    (folder / "resource2").write_bytes(bytes(32))
    (folder / "config").write_bytes(bytes.fromhex("34 12 e1 d0 03 00 10 00") + bytes(4088))
    return folder


def test_resources(folder: Path, tmp_path: Path) -> None:
    memory, ports = Sysfs(tmp_path).function(DEVICE).resources()
    assert (memory.index, memory.start, memory.size_bytes, memory.is_bar) == (0, 0x3F00_0000_0000, 0x2000, True)
    assert memory.flags & ResourceFlags.MEMORY_64
    assert memory.flags & ResourceFlags.PREFETCHABLE
    assert (ports.index, ports.size_bytes) == (2, 32)
    assert ports.flags & ResourceFlags.IO


def test_a_resource_file_that_is_none(folder: Path, tmp_path: Path) -> None:
    (folder / "resource").write_text("zero\n")
    with pytest.raises(BackendError, match="line 0 is not three numbers"):
        Sysfs(tmp_path).function(DEVICE).resources()


@pytest.mark.parametrize(("size", "value"), [(1, 0x08), (2, 0x0908), (4, 0x0B0A0908), (8, 0x0F0E0D0C0B0A0908)])
def test_every_width(folder: Path, tmp_path: Path, size: int, value: int) -> None:
    bar = Sysfs(tmp_path).function(DEVICE).open_bar(0)
    assert isinstance(bar, MappedBar)
    with bar:
        assert bar.size_bytes == 0x2000
        assert bar.read(8, size) == value
        bar.write(0x1000, size, 0xA5)
        assert bar.read(0x1000, size) == 0xA5
        with pytest.raises(ValueError, match="no aligned access"):
            bar.read(0x2000, size)
    assert (folder / "resource0").read_bytes()[0x1000] == 0xA5


@pytest.mark.parametrize(("offset", "size"), [(1, 2), (4, 8), (0, 3), (-4, 4)])
def test_only_aligned_accesses(folder: Path, offset: int, size: int) -> None:
    with MappedBar(folder / "resource0") as bar, pytest.raises(ValueError, match="no aligned access"):
        bar.read(offset, size)


def test_read_only_mapping(folder: Path) -> None:
    with MappedBar(folder / "resource0", writable=False) as bar, pytest.raises(TypeError):
        bar.write(0, 4, 1)


def test_ports(folder: Path, tmp_path: Path) -> None:
    bar = Sysfs(tmp_path).function(DEVICE).open_bar(2)
    assert isinstance(bar, PortBar)
    with bar:
        bar.write(4, 2, 0xBEEF)
        assert bar.read(4, 2) == 0xBEEF
        with pytest.raises(BackendUnavailableError, match="outside the BAR"):
            bar.read(32, 4)
        with pytest.raises(ValueError, match="no access of 1, 2 or 4"):
            bar.read(0, 8)
        bar.close()


def test_no_such_bar(folder: Path, tmp_path: Path) -> None:
    function = Sysfs(tmp_path).function(DEVICE)
    with pytest.raises(BackendUnavailableError, match="there is no BAR 1"):
        function.open_bar(1)
    with pytest.raises(BackendUnavailableError, match=r"no encrypted mapping.*SEV-TIO RFC"):
        function.open_bar(0, encrypted=True)
    (folder / "resource0").unlink()
    with pytest.raises(BackendUnavailableError, match="there is no such BAR"):
        function.open_bar(0)


def test_the_encrypted_mapping(folder: Path, tmp_path: Path) -> None:
    (folder / "resource0_enc").write_bytes(b"\x5a" * 0x2000)
    bar = Sysfs(tmp_path).function(DEVICE).open_bar(0, encrypted=True)
    with bar:
        assert bar.read(0, 4) == 0x5A5A5A5A


def test_addresses_that_are_not_decoded(folder: Path, tmp_path: Path) -> None:
    with (folder / "config").open("r+b") as config:
        os.pwrite(config.fileno(), bytes(2), 4)
    function = Sysfs(tmp_path).function(DEVICE)
    for index in (0, 2):
        with pytest.raises(BackendRefusedError, match=r"Command is 0x0000.*enable it first"):
            function.open_bar(index)


@pytest.mark.parametrize(
    ("number", "locked_down", "kind", "hint"),
    [
        (errno.EINVAL, False, BackendBusyError, "CONFIG_IO_STRICT_DEVMEM"),
        (errno.ENODEV, False, BackendUnavailableError, "read and written, not mapped"),
        (errno.EPERM, False, BackendPermissionError, "run as root"),
        (errno.EPERM, True, BackendLockdownError, "Secure Boot"),
    ],
)
def test_a_mapping_that_the_kernel_refuses(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    locked_down: bool,
    kind: type[BackendError],
    hint: str,
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("mmap.mmap", refuse)
    (tmp_path / "kernel/security").mkdir(parents=True)
    (tmp_path / "kernel/security/lockdown").write_text("none [integrity]\n" if locked_down else "[none] integrity\n")
    with pytest.raises(BackendError, match=hint) as caught:
        Sysfs(tmp_path).function(DEVICE).open_bar(0)
    assert type(caught.value) is kind
