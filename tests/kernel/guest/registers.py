"""Registers as numbers."""

from __future__ import annotations

from pytio.pci import ConfigAccess

__all__ = ("read", "write")


def read(config: ConfigAccess, offset: int, size: int = 4) -> int:
    """Read a register."""
    return int.from_bytes(config.read(offset, size), "little")


def write(config: ConfigAccess, offset: int, value: int, size: int = 4) -> None:
    """Write a register."""
    config.write(offset, value.to_bytes(size, "little"))
