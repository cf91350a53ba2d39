"""A device that is used by ioctl: one call, a block in, the same block out.

Facts: ``fcntl.ioctl`` with a mutable buffer copies the block back even when the call fails, so a status in it is there
after EIO. Addresses in a block are of this process: what they point to must outlive the call.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pytio.backends.errnos import Meanings, translated

__all__ = ("IoctlDevice", "IoctlFile", "Memory")


class IoctlDevice(Protocol):
    """What a backend needs of a device; `IoctlFile` is the real one.

    Guarantees: a call is made once. The block may have changed after a call that failed, too.
    """

    def ioctl(self, request: int, block: bytearray) -> int:
        """Make the call; return its result. Raises OSError as the kernel does, for the backend to explain."""

    def close(self) -> None:
        """Let go of the device; harmless the second time."""


class IoctlFile:
    """A character device; a context manager that closes it."""

    def __init__(self, path: Path, *, writable: bool = False, meanings: Meanings | None = None) -> None:
        """Open the device.

        Raises:
            BackendError: it is absent or may not be opened, by the table given.
        """
        with translated(str(path), meanings):
            self._descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self.close()

    def ioctl(self, request: int, block: bytearray) -> int:
        """Make the call; return its result.

        Raises:
            OSError: as the kernel says; the block may have changed all the same.
        """
        result: int = fcntl.ioctl(self._descriptor, request, block)
        return result

    def close(self) -> None:
        """Close the device."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Memory:
    """Some bytes of this process at an address that stays the same, for a block to point to."""

    def __init__(self, content: bytes | int) -> None:
        """Copy ``content``, or take as many zero bytes; at least one, so that there is an address."""
        size = content if isinstance(content, int) else len(content)
        self._buffer = ctypes.create_string_buffer(max(size, 1))
        self.size_bytes = size
        if isinstance(content, bytes):
            ctypes.memmove(self._buffer, content, size)

    @property
    def address(self) -> int:
        """Where it is."""
        return ctypes.addressof(self._buffer)

    def content(self) -> bytes:
        """Return what is there now."""
        return ctypes.string_at(self._buffer, self.size_bytes)

    def wipe(self) -> None:
        """Overwrite it with zeros, where it held a secret."""
        ctypes.memset(self._buffer, 0, len(self._buffer))
