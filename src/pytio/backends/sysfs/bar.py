"""Base address registers of a live function: ``resourceN`` mapped, and accessed at exact widths.

Facts: the kernel's PCI sysfs. A memory BAR can only be mapped, ``read()`` fails; an I/O BAR can only be read and
written, 1, 2 or 4 bytes at a time. ``resourceN_enc``, of kernels with the SEV-TIO RFC, maps the same memory with the
attribute that makes a confidential guest's accesses private. Mapping does not turn memory decoding on: while Memory
Space Enable is clear, loads return all ones.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import attrs

from pytio.backends.errnos import Meaning, Meanings, translated
from pytio.backends.sysfs.attribute import read_text
from pytio.backends.sysfs.lockdown import lockdown_aware
from pytio.errors import BackendBusyError, BackendError, BackendPermissionError, BackendUnavailableError
from pytio.wire import WireFlag

__all__ = ("MappedBar", "PortBar", "Resource", "ResourceFlags", "read_resources")

_FORMATS: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_PORT_WIDTHS: Final = (1, 2, 4)
_ROM_INDEX: Final = 6
_COLUMNS: Final = 3


class ResourceFlags(WireFlag):
    """The third column of the ``resource`` file."""

    IO = 0x100
    MEMORY = 0x200
    PREFETCHABLE = 0x2000
    READ_ONLY = 0x4000
    SIZE_ALIGNED = 0x40000
    START_ALIGNED = 0x80000
    MEMORY_64 = 0x100000
    WINDOW = 0x200000
    DISABLED = 0x10000000
    UNSET = 0x20000000


@attrs.frozen
class Resource:
    """One line of the ``resource`` file that is in use.

    Attributes:
        index: 0 to 5 the BARs, 6 the expansion ROM, then those of virtual functions, then a bridge's windows.
        start: first address.
        end: last address.
        flags: what it is.
    """

    index: int
    start: int
    end: int
    flags: ResourceFlags

    @property
    def size_bytes(self) -> int:
        """The size; 0 where the line gives none."""
        return self.end - self.start + 1 if self.end > self.start else 0

    @property
    def is_bar(self) -> bool:
        """Whether it is one of the six base address registers."""
        return self.index < _ROM_INDEX


def read_resources(directory: Path) -> tuple[Resource, ...]:
    """Return the resources of the function in ``directory`` that are in use.

    Raises:
        BackendError: the file is absent, or has no such lines.
    """
    path = directory / "resource"
    found = []
    for index, line in enumerate(read_text(path).splitlines()):
        try:
            start, end, flags = (int(column, 16) for column in line.split())
        except ValueError as error:
            raise BackendError(str(path), f"line {index} is not three numbers", "is this a sysfs tree?") from error
        if flags or end:
            found.append(Resource(index, start, end, ResourceFlags(flags)))
    return tuple(found)


class MappedBar:
    """A mapped memory BAR; a context manager that unmaps it.

    Guarantees: each `read` and `write` is one load or store of the width asked for, in the order of the calls. A device
    that is removed, or a driver that claims it, ends in SIGBUS or all ones; the kernel gives no error.
    """

    def __init__(self, path: Path, *, writable: bool = True, root: Path = Path("/sys")) -> None:
        """Map the whole BAR.

        Raises:
            BackendLockdownError: the kernel is locked down.
            BackendBusyError: a driver has claimed the memory.
            BackendUnavailableError: there is no such BAR, or no encrypted mapping of it.
            BackendPermissionError: not root.
        """
        self.path = path
        access = os.O_RDWR if writable else os.O_RDONLY
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        with translated(str(path), _open_meanings(path)):
            descriptor = os.open(path, access | os.O_CLOEXEC | os.O_SYNC)
        try:
            self.size_bytes = os.fstat(descriptor).st_size
            with lockdown_aware(str(path), root, _MAP_MEANINGS):
                self._map = mmap.mmap(descriptor, self.size_bytes, mmap.MAP_SHARED, protection)
        finally:
            os.close(descriptor)
        self._views = {size: memoryview(self._map).cast("B").cast(code) for size, code in _FORMATS.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the BAR."""
        for view in self._views.values():
            view.release()
        self._views.clear()
        self._map.close()

    def read(self, offset: int, size: int) -> int:
        """Load 1, 2, 4 or 8 bytes, little-endian, at an offset aligned to them.

        Raises:
            ValueError: the size or the alignment is wrong, or the offset is outside the BAR.
        """
        index = self._index(offset, size)
        return self._views[size][index]

    def write(self, offset: int, size: int, value: int) -> None:
        """Store 1, 2, 4 or 8 bytes, little-endian, at an offset aligned to them.

        Raises:
            ValueError: the size or the alignment is wrong, the offset is outside the BAR, or the value does not fit.
        """
        index = self._index(offset, size)
        self._views[size][index] = value

    def _index(self, offset: int, size: int) -> int:
        if size not in self._views or offset % size or not 0 <= offset <= self.size_bytes - size:
            raise ValueError(f"{size} bytes at {offset:#x} is no aligned access in {self.size_bytes:#x} bytes")
        return offset // size


class PortBar:
    """An I/O BAR: one ``read()`` or ``write()`` for each access; a context manager that closes it."""

    def __init__(self, path: Path, *, root: Path = Path("/sys")) -> None:
        """Open the file.

        Raises:
            BackendError: as `MappedBar`.
        """
        self.path = path
        self._root = root
        with translated(str(path), _open_meanings(path)):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self, offset: int, size: int) -> int:
        """Read 1, 2 or 4 bytes, little-endian.

        Raises:
            BackendUnavailableError: the offset is outside the BAR.
            ValueError: the size is wrong.
        """
        self._check(size)
        with translated(str(self.path)):
            data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            raise BackendUnavailableError(str(self.path), f"{offset:#x} is outside the BAR", "look at its size")
        return int.from_bytes(data, "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes, little-endian.

        Raises:
            BackendLockdownError: the kernel is locked down; it still allows reads.
            BackendUnavailableError: the offset is outside the BAR.
            ValueError: the size is wrong.
        """
        self._check(size)
        with lockdown_aware(str(self.path), self._root):
            written = os.pwrite(self._descriptor, value.to_bytes(size, "little"), offset)
        if written != size:
            raise BackendUnavailableError(str(self.path), f"{offset:#x} is outside the BAR", "look at its size")

    @staticmethod
    def _check(size: int) -> None:
        if size not in _PORT_WIDTHS:
            raise ValueError(f"{size} bytes is no access of 1, 2 or 4 bytes")


_MAP_MEANINGS: Final[Meanings] = {
    errno.EINVAL: Meaning(
        BackendBusyError,
        "the memory is claimed",
        "a driver holds the BAR (CONFIG_IO_STRICT_DEVMEM): unbind it, or go through vfio-pci",
    ),
    errno.ENODEV: Meaning(
        BackendUnavailableError, "this file cannot be mapped", "an I/O BAR is read and written, not mapped"
    ),
    errno.EPERM: Meaning(BackendPermissionError, "mapping is not permitted", "run as root outside a container"),
}


def _open_meanings(path: Path) -> Meanings:
    if path.name.endswith("_enc"):
        hint = "only kernels with the SEV-TIO RFC have encrypted mappings, inside the confidential guest"
        return {errno.ENOENT: Meaning(BackendUnavailableError, "there is no encrypted mapping", hint)}
    hint = "the function has no such BAR: look at its `resource` file"
    return {errno.ENOENT: Meaning(BackendUnavailableError, "there is no such BAR", hint)}
