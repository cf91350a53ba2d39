"""The way to a configuration space: one small interface, and the bytes of a dump behind it.

What goes to a live function implements the same methods above this package. This file knows no register.
"""

from __future__ import annotations

from typing import Final, Protocol

from pytio.pci.codes import CONVENTIONAL_BYTES, EXTENDED_BYTES, HEADER_BYTES

__all__ = ("ConfigAccess", "DumpAccess", "read_all", "read_bytes", "write_bytes")

_WIDTHS: Final = (4, 2, 1)


class ConfigAccess(Protocol):
    """Reads and writes one function's configuration space, one register access each."""

    @property
    def visible_bytes(self) -> int:
        """How much can be read: 64 without privilege, 256 without extended space, 4096."""

    def read(self, offset: int, size: int, /) -> bytes:
        """Return 1, 2 or 4 bytes at an offset aligned to as many, in one access."""

    def write(self, offset: int, data: bytes, /) -> None:
        """Write 1, 2 or 4 bytes at an offset aligned to as many, in one access."""


class DumpAccess:
    """Access to the bytes of a dump; they are changed in memory only."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes, 64, 256 or 4096 of them as a rule."""
        self._data = bytearray(data)

    @property
    def visible_bytes(self) -> int:
        """How many bytes there are."""
        return len(self._data)

    def read(self, offset: int, size: int, /) -> bytes:
        """Return bytes of the dump.

        Raises:
            ValueError: they are beyond its end.
        """
        return bytes(self._data[self._checked(offset, size)])

    def write(self, offset: int, data: bytes, /) -> None:
        """Change bytes of the dump.

        Raises:
            ValueError: they are beyond its end.
        """
        self._data[self._checked(offset, len(data))] = data

    def _checked(self, offset: int, size: int) -> slice:
        if offset < 0 or offset + size > len(self._data):
            raise ValueError(f"{size} bytes at {offset:#x} of a dump of {len(self._data)} bytes")
        return slice(offset, offset + size)

    def __bytes__(self) -> bytes:
        """Return the bytes as they are now."""
        return bytes(self._data)


def read_all(access: ConfigAccess) -> bytes:
    """Return what can be read, double word by double word; reading has no side effects."""
    sizes = (EXTENDED_BYTES, CONVENTIONAL_BYTES, HEADER_BYTES)
    size = next((size for size in sizes if access.visible_bytes >= size), 0)
    return read_bytes(access, 0, size)


def read_bytes(access: ConfigAccess, offset: int, size: int) -> bytes:
    """Return any number of bytes, by the widest accesses that are aligned."""
    data = b""
    while size:
        width = _widest(offset, size)
        data += access.read(offset, width)
        offset, size = offset + width, size - width
    return data


def write_bytes(access: ConfigAccess, offset: int, data: bytes) -> None:
    """Write any number of bytes, lowest first, by the widest accesses that are aligned."""
    while data:
        width = _widest(offset, len(data))
        access.write(offset, data[:width])
        offset, data = offset + width, data[width:]


def _widest(offset: int, size: int) -> int:
    return next(width for width in _WIDTHS if width <= size and offset % width == 0)
