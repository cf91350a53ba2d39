"""A writable configuration space as the function behind it sees it: what a write changes, and who is told.

Document: PCIe Base 6.x chapter 7, "Configuration Register Types" and "Configuration Space". Each bit is read-only
unless it was made writable (RW), cleared by writing one (RW1C), or reserved and to be preserved (RsvdP). This file
knows no capability; `pytio.mock.function` lays them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

__all__ = (
    "BusAccess",
    "CONVENTIONAL_BYTES",
    "EXTENDED_BYTES",
    "Change",
    "ConfigSpace",
    "Reader",
    "Violation",
    "Watcher",
    "Writer",
)

CONVENTIONAL_BYTES: Final = 256
"""What a function without extended configuration space has."""
EXTENDED_BYTES: Final = 4096
"""What a PCI Express function has."""
_WIDTHS: Final = frozenset({1, 2, 4})
_BYTE_BITS: Final = 8
_BYTE_MASK: Final = 0xFF


@attrs.frozen
class Change:
    """A write from the bus to a watched register."""

    offset: int
    old: int
    """The register before the write; all of it, however wide the access was."""
    new: int
    """The register after the write."""
    written: int
    """What was written, at the register's own width; bits outside the access are those of ``old``."""

    def rises(self, mask: int) -> bool:
        """Return whether a bit of ``mask`` went from 0 to 1."""
        return bool(~self.old & self.new & mask)

    def falls(self, mask: int) -> bool:
        """Return whether a bit of ``mask`` went from 1 to 0."""
        return bool(self.old & ~self.new & mask)


@attrs.frozen
class Violation:
    """Software that broke a rule, which hardware bears in silence."""

    offset: int
    reason: str


Reader: TypeAlias = Callable[[], int]
"""Makes the value of a register when it is read."""
Writer: TypeAlias = Callable[[int], None]
"""Takes what is written to a register."""
Watcher: TypeAlias = Callable[[Change], None]
"""Is told about a write after it happened."""


@attrs.frozen
class _Live:
    """A register that is not memory."""

    offset: int
    read: Reader | None
    write: Writer | None


class ConfigSpace:
    """Configuration space with per-bit access rules and side effects.

    The bus reads and writes 1, 2 or 4 aligned bytes; the device peeks and pokes, which has no side effects. A read
    beyond the end, or of a function that is gone, gives all ones; such a write is dropped.

    Attributes:
        is_present: cleared when the function goes away.
        violations: where software changed bits that it must preserve, or accessed a live register by halves.
    """

    def __init__(self, size: int = EXTENDED_BYTES) -> None:
        """Make ``size`` bytes, read-only zeros."""
        self.is_present = True
        self.violations: list[Violation] = []
        self._data = bytearray(size)
        self._initial = bytearray(size)
        self._rw = bytearray(size)
        self._rw1c = bytearray(size)
        self._rsvdp = bytearray(size)
        self._sticky = bytearray(size)
        self._live: dict[int, _Live] = {}
        self._watchers: dict[tuple[int, int], list[Watcher]] = {}

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._data)

    def __bytes__(self) -> bytes:
        """Return what a dump of the memory behind it would show; live registers are not asked."""
        return bytes(self._data)

    @property
    def bus(self) -> BusAccess:
        """The bus's way to these registers, in bytes."""
        return BusAccess(self)

    # the device's side

    def define(
        self, offset: int, width: int, value: int = 0, *, rw: int = 0, rw1c: int = 0, rsvdp: int = 0, sticky: int = 0
    ) -> None:
        """Define the ``width`` bytes at ``offset``: the value after reset, and what its bits allow.

        Args:
            offset: the first byte.
            width: how many bytes; any number of them.
            value: after a conventional reset.
            rw: bits that the bus writes.
            rw1c: bits that the bus clears by writing one.
            rsvdp: reserved bits that software has to write back as it read them.
            sticky: bits that a function-level reset leaves alone.
        """
        for memory, number in (
            (self._data, value),
            (self._initial, value),
            (self._rw, rw),
            (self._rw1c, rw1c),
            (self._rsvdp, rsvdp),
            (self._sticky, sticky),
        ):
            memory[offset : offset + width] = number.to_bytes(width, "little")

    def live(self, offset: int, *, read: Reader | None = None, write: Writer | None = None) -> None:
        """Make the double word at ``offset`` a live register: the device answers its reads and takes its writes.

        Accesses to a part of it read as 0 and are dropped (PCIE_A8), and recorded as violations.
        """
        self._live[offset] = _Live(offset, read, write)

    def watch(self, offset: int, width: int, watcher: Watcher) -> None:
        """Call ``watcher`` after each write from the bus that touches the register."""
        self._watchers.setdefault((offset, width), []).append(watcher)

    def peek(self, offset: int, width: int = 4) -> int:
        """Return bytes as the device holds them."""
        return int.from_bytes(self._data[offset : offset + width], "little")

    def poke(self, offset: int, width: int, value: int) -> None:
        """Change bytes from inside, whatever the bus may do with them."""
        self._data[offset : offset + width] = value.to_bytes(width, "little")

    def set_bits(self, offset: int, mask: int, width: int = 4) -> None:
        """Set bits from inside, such as an RW1C status."""
        self.poke(offset, width, self.peek(offset, width) | mask)

    def clear_bits(self, offset: int, mask: int, width: int = 4) -> None:
        """Clear bits from inside."""
        self.poke(offset, width, self.peek(offset, width) & ~mask)

    def reset(self, *, keep_sticky: bool = False) -> None:
        """Return to the values after reset; a function-level reset keeps sticky bits."""
        for at, initial in enumerate(self._initial):
            kept = self._sticky[at] if keep_sticky else 0
            self._data[at] = (self._data[at] & kept) | (initial & ~kept)

    # the bus's side

    def read(self, offset: int, width: int) -> int:
        """Return ``width`` bytes as the bus reads them.

        Raises:
            ValueError: the width is not 1, 2 or 4, or the offset is not aligned to it.
        """
        _check_access(offset, width)
        if not self.is_present or offset + width > len(self._data):
            return (1 << width * _BYTE_BITS) - 1
        live = self._live.get(offset & ~3)
        if live is None or live.read is None:
            return self.peek(offset, width)
        return live.read() if self._is_whole(offset, width) else 0

    def write(self, offset: int, width: int, value: int) -> None:
        """Write ``width`` bytes from the bus, and tell those who watch.

        Raises:
            ValueError: the width is not 1, 2 or 4, the offset is not aligned to it, or the value does not fit.
        """
        _check_access(offset, width)
        if value < 0 or value >> width * _BYTE_BITS:
            raise ValueError(f"{value:#x} does not fit in {width} bytes")
        if not self.is_present or offset + width > len(self._data):
            return
        live = self._live.get(offset & ~3)
        if live is not None and live.write is not None:
            if self._is_whole(offset, width):
                live.write(value)
            return
        self._store(offset, width, value)

    def _is_whole(self, offset: int, width: int) -> bool:
        """Return whether an access takes a live register as a whole, which it has to."""
        is_whole = width == 4  # noqa: PLR2004  a double word
        if not is_whole:
            self.violations.append(Violation(offset, f"{width} bytes of a register of 4"))
        return is_whole

    def _store(self, offset: int, width: int, value: int) -> None:
        touched = [
            (place, watchers)
            for place, watchers in self._watchers.items()
            if place[0] < offset + width and offset < sum(place)
        ]
        before = {place: self.peek(*place) for place, _ in touched}
        old = self.peek(offset, width)
        for at, byte in enumerate(value.to_bytes(width, "little"), offset):
            self._store_byte(at, byte)
        for (at, size), watchers in touched:
            written = _overlay(before[at, size], at, size, offset, width, value)
            change = Change(at, before[at, size], self.peek(at, size), written)
            for watcher in watchers:
                watcher(change)
        preserved = int.from_bytes(self._rsvdp[offset : offset + width], "little")
        if (old ^ value) & preserved:
            self.violations.append(
                Violation(offset, f"{value:#x} changes reserved bits {(old ^ value) & preserved:#x}")
            )

    def _store_byte(self, at: int, byte: int) -> None:
        kept = self._data[at] & ~self._rw[at] & _BYTE_MASK
        self._data[at] = (kept | byte & self._rw[at]) & ~(byte & self._rw1c[at])


class BusAccess:
    """Reads and writes a configuration space from the bus, in bytes instead of numbers."""

    def __init__(self, space: ConfigSpace) -> None:
        self._space = space

    @property
    def visible_bytes(self) -> int:
        """How much there is."""
        return len(self._space)

    def read(self, offset: int, size: int, /) -> bytes:
        """Return 1, 2 or 4 aligned bytes."""
        return self._space.read(offset, size).to_bytes(size, "little")

    def write(self, offset: int, data: bytes, /) -> None:
        """Write 1, 2 or 4 aligned bytes."""
        self._space.write(offset, len(data), int.from_bytes(data, "little"))


def _check_access(offset: int, width: int) -> None:
    if width not in _WIDTHS or offset < 0 or offset % width:
        raise ValueError(f"no access of {width} bytes at {offset:#x}: 1, 2 or 4 aligned bytes")


def _overlay(old: int, at: int, size: int, offset: int, width: int, value: int) -> int:
    """Return register ``old`` with the written bytes laid over it."""
    whole = bytearray(old.to_bytes(size, "little"))
    for index, byte in enumerate(value.to_bytes(width, "little"), offset - at):
        if 0 <= index < size:
            whole[index] = byte
    return int.from_bytes(whole, "little")
