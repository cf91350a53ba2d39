"""The way to a configuration space: one small interface, and the bytes of a dump behind it.

What goes to a live function implements the same two methods above this package. This file knows no register.
"""

from __future__ import annotations

from typing import Final, Protocol

from pytio.pci.codes import CONVENTIONAL_BYTES, EXTENDED_BYTES, HEADER_BYTES

__all__ = ("ConfigAccess", "DumpAccess", "read_all")

_DW_BYTES: Final = 4


class ConfigAccess(Protocol):
    """Reads and writes one function's configuration space, one register access each."""

    @property
    def size(self) -> int:
        """How many bytes can be read: 64 without privilege, 256 without extended space, 4096."""

    def read(self, offset: int, width: int, /) -> int:
        """Return 1, 2 or 4 bytes at an offset aligned to as many, little-endian, in one access."""

    def write(self, offset: int, width: int, value: int, /) -> None:
        """Write 1, 2 or 4 bytes at an offset aligned to as many, little-endian, in one access."""


class DumpAccess:
    """Access to the bytes of a dump; they are changed in memory only."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes, 64, 256 or 4096 of them as a rule."""
        self._data = bytearray(data)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self._data)

    def read(self, offset: int, width: int, /) -> int:
        """Return bytes of the dump; all ones beyond its end."""
        if offset + width > len(self._data):
            return (1 << 8 * width) - 1
        return int.from_bytes(self._data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int, /) -> None:
        """Change bytes of the dump.

        Raises:
            ValueError: they are beyond its end.
        """
        if offset + width > len(self._data):
            raise ValueError(f"the dump ends at {len(self._data):#x}")
        self._data[offset : offset + width] = value.to_bytes(width, "little")

    def __bytes__(self) -> bytes:
        """Return the bytes as they are now."""
        return bytes(self._data)


def read_all(access: ConfigAccess) -> bytes:
    """Return what can be read, double word by double word; reading has no side effects."""
    size = next((size for size in (EXTENDED_BYTES, CONVENTIONAL_BYTES, HEADER_BYTES) if access.size >= size), 0)
    return b"".join(access.read(at, _DW_BYTES).to_bytes(_DW_BYTES, "little") for at in range(0, size, _DW_BYTES))
