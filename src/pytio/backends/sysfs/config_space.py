"""Configuration space of a live function: the ``config`` file, one positional access at a time.

Facts: the kernel's PCI sysfs. A 4-byte access at an aligned offset is exactly one 32-bit configuration transaction; a
longer one walks on to the next register. Who opened the file decides how much of it there is: without CAP_SYS_ADMIN in
the initial user namespace 64 bytes, 256 where the function has no extended space. Hardware errors are not reported: a
device that is gone reads as all ones, and takes every write.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pytio.backends.errnos import Meaning, Meanings, translated
from pytio.backends.sysfs.lockdown import lockdown_aware
from pytio.errors import BackendBusyError, BackendError, BackendPermissionError, BackendUnavailableError

__all__ = ("CONVENTIONAL_BYTES", "EXTENDED_BYTES", "UNPRIVILEGED_BYTES", "SysfsConfigSpace")

UNPRIVILEGED_BYTES: Final = 64
"""What a reader without CAP_SYS_ADMIN gets; a CardBus bridge shows 128."""
CONVENTIONAL_BYTES: Final = 256
"""Conventional configuration space."""
EXTENDED_BYTES: Final = 4096
"""With the extended space of PCI Express."""
_WIDTHS: Final = (1, 2, 4)
_OPEN_MEANINGS: Final[Meanings] = {
    errno.EACCES: Meaning(
        BackendPermissionError, "configuration space may not be opened so", "run as root: only root may write to it"
    ),
    errno.ENOENT: Meaning(
        BackendUnavailableError, "there is no such function", "check the address with `pytio pci show` or lspci -D"
    ),
}


class SysfsConfigSpace:
    """The configuration space of one function; a context manager that closes it.

    Guarantees: each `read` and `write` is one access of the width asked for, in the order of the calls; nothing is read
    ahead, merged or repeated. A call may block while the function is in a reset. Not guaranteed: that a
    read-modify-write is atomic against the kernel or other programs; `locked` keeps out those that use it, too.

    Attributes:
        path: the ``config`` file.
        visible_bytes: how much of it this process sees: 64, 256 or 4096.
    """

    def __init__(self, path: Path, *, writable: bool = False, root: Path = Path("/sys")) -> None:
        """Open the file.

        Raises:
            BackendUnavailableError: there is no such function.
            BackendPermissionError: it may not be opened for writing.
        """
        self.path = path
        self._root = root
        with translated(str(path), _OPEN_MEANINGS):
            self._descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size
        self.visible_bytes = len(self._pread(EXTENDED_BYTES, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a lock held through it is released."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self, offset: int, size: int, /) -> bytes:
        """Read 1, 2 or 4 bytes at an offset aligned to them, as one access.

        Raises:
            BackendPermissionError: the register is there, but beyond the 64 bytes that this process sees.
            BackendUnavailableError: the function has no configuration space there.
            BackendGoneError: the function was removed.
            ValueError: the size or the alignment is wrong.
        """
        _check_access(offset, size)
        data = self._pread(size, offset)
        if len(data) != size:
            raise self._beyond(offset)
        return data

    def write(self, offset: int, data: bytes, /) -> None:
        """Write 1, 2 or 4 bytes at an offset aligned to them, as one access.

        Raises:
            BackendLockdownError: the kernel is locked down.
            BackendPermissionError: it was not opened for writing, or a privilege is missing.
            BackendUnavailableError: the function has no configuration space there.
            BackendGoneError: the function was removed.
            ValueError: the size or the alignment is wrong.
        """
        _check_access(offset, len(data))
        with lockdown_aware(str(self.path), self._root, _WRITE_MEANINGS):
            written = os.pwrite(self._descriptor, data, offset)
        if written != len(data):
            raise self._beyond(offset)

    def dump(self) -> bytes:
        """Read all that this process sees, double word by double word: 64, 256 or 4096 bytes. Harmless to registers."""
        return self._pread(self.visible_bytes, 0)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep out other programs that lock this function's configuration space, for the block.

        Raises:
            BackendBusyError: another process holds the lock.
        """
        with translated(str(self.path), _LOCK_MEANINGS):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _pread(self, size: int, offset: int) -> bytes:
        with translated(str(self.path)):
            return os.pread(self._descriptor, size, offset)

    def _beyond(self, offset: int) -> BackendError:
        where = f"{self.path} at {offset:#x}"
        if self.visible_bytes < min(self._size, CONVENTIONAL_BYTES):
            return BackendPermissionError(
                where,
                f"only {self.visible_bytes} bytes of configuration space are visible",
                "run as root in the initial user namespace: without CAP_SYS_ADMIN the kernel shows no capability",
            )
        return BackendUnavailableError(
            where,
            f"this function has {self.visible_bytes} bytes of configuration space",
            "DOE and IDE are in the extended space, which only PCI Express functions have, and only through ECAM",
        )


_WRITE_MEANINGS: Final[Meanings] = {
    errno.EBADF: Meaning(BackendPermissionError, "opened for reading only", "open it with writable=True, as root"),
    errno.ESPIPE: Meaning(BackendPermissionError, "opened for reading only", "open it with writable=True, as root"),
}
_LOCK_MEANINGS: Final[Meanings] = {
    errno.EAGAIN: Meaning(
        BackendBusyError,
        "another process has locked this function's configuration space",
        "wait for it: two users of one DOE mailbox would garble each other's exchanges",
    ),
}


def _check_access(offset: int, size: int) -> None:
    if size not in _WIDTHS or offset < 0 or offset % size:
        raise ValueError(f"{size} bytes at {offset:#x} is no aligned access of 1, 2 or 4 bytes")
