"""Where BARs are: how large each is, found as every operating system finds it, and addresses for all of them.

Document: PCIe Base 6.x, "Base Address Registers" and "VF BAR0 to VF BAR5". Software writes all ones, reads back which
bits it could set, and writes an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from pytio.pci import ConfigAccess

__all__ = ("BARS", "VF_BARS", "BarPlace", "assign", "places")

BARS: Final = 0x10
"""Where the header has its BARs."""
VF_BARS: Final = 0x24
"""Where the SR-IOV capability has those of virtual functions."""
_COUNT: Final = 6
_REGISTER_BYTES: Final = 4
_ALL_ONES: Final = b"\xff" * _REGISTER_BYTES
_FLAGS: Final = 0xF
_IO: Final = 1 << 0
_IS_64_BIT: Final = 1 << 2


@attrs.frozen
class BarPlace:
    """A BAR of memory.

    Attributes:
        index: 0 to 5.
        address: where it is, physically; 0 where it has none yet.
        size_bytes: how large; of one function, where a register has that of each virtual function.
    """

    index: int
    address: int
    size_bytes: int


def places(space: ConfigAccess, at: int = BARS) -> tuple[BarPlace, ...]:
    """Return the memory BARs whose registers begin at ``at``; each is written and restored."""
    return tuple(_places(space, at))


def _places(space: ConfigAccess, at: int) -> Iterator[BarPlace]:
    index = 0
    while index < _COUNT:
        low = int.from_bytes(space.read(at + index * _REGISTER_BYTES, _REGISTER_BYTES), "little")
        registers = 1 + bool(low & _IS_64_BIT and not low & _IO)
        offsets = [at + (index + number) * _REGISTER_BYTES for number in range(registers)]
        old = [space.read(offset, _REGISTER_BYTES) for offset in offsets]
        for offset in offsets:
            space.write(offset, _ALL_ONES)
        settable = int.from_bytes(b"".join(space.read(offset, _REGISTER_BYTES) for offset in offsets), "little")
        for offset, value in zip(offsets, old, strict=True):
            space.write(offset, value)
        size = (1 << 8 * _REGISTER_BYTES * registers) - (settable & ~_FLAGS)
        if settable & ~_FLAGS and not low & _IO:
            yield BarPlace(index, int.from_bytes(b"".join(old), "little") & ~_FLAGS, size)
        index += registers


def assign(space: ConfigAccess, base: int, *, at: int = BARS, count: int = 1) -> tuple[Mapping[int, BarPlace], int]:
    """Give every memory BAR an address from ``base`` on, each with room for ``count`` functions.

    Returns:
        The BARs by index, and the first address behind them.
    """
    assigned = {}
    for bar in sorted(places(space, at), key=lambda bar: -bar.size_bytes):
        base = -(-base // bar.size_bytes) * bar.size_bytes
        assigned[bar.index] = attrs.evolve(bar, address=base)
        flags = space.read(at + bar.index * _REGISTER_BYTES, 1)[0]
        width = 2 if flags & _IS_64_BIT else 1
        address = base.to_bytes(_REGISTER_BYTES * width, "little")
        for number in range(width):
            part = address[number * _REGISTER_BYTES :][:_REGISTER_BYTES]
            space.write(at + (bar.index + number) * _REGISTER_BYTES, part)
        base += bar.size_bytes * count
    return assigned, base
