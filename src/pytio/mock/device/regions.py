"""What is behind a BAR: memory, a file of registers, the MSI-X table. Whoever may reach it was decided before.

A region of your own has the three methods of `Region`. Reads and writes come as they are on the bus: any bytes within
the BAR, a register by halves among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import attrs

from pytio.mock.device.config import MsiXConfig

__all__ = ("MsiXEntry", "MsiXRegion", "Ram", "Region", "Register", "RegisterFile")

_DWORD: Final = 4
_ENTRY_BYTES: Final = 16
_MASK_BIT: Final = 1 << 0
_VECTOR_CONTROL: Final = 12


class Region(Protocol):
    """The contents of a BAR."""

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes."""

    def write(self, offset: int, data: bytes) -> None:
        """Take bytes."""

    def scrub(self) -> None:
        """Forget what a TVM may have left, as when its interface stops or fails."""


class Ram:
    """Memory, zero at first."""

    def __init__(self, size_bytes: int) -> None:
        """Make ``size_bytes`` of it."""
        self._data = bytearray(size_bytes)

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes; beyond the end there are zeros."""
        return bytes(self._data[offset : offset + size]).ljust(size, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Take bytes; what is beyond the end is lost."""
        fitting = data[: max(0, len(self._data) - offset)]
        self._data[offset : offset + len(fitting)] = fitting

    def scrub(self) -> None:
        """Be zero again."""
        self._data = bytearray(len(self._data))


@attrs.frozen
class Register:
    """A register of 4 bytes."""

    offset: int
    name: str
    initial: int = 0
    writable: int = 0
    """The bits that software writes."""
    written: Callable[[int], object] | None = None
    """Is told the value after each write that takes the register's first byte: what a doorbell does."""


class RegisterFile:
    """Registers of 4 bytes each; what is between them reads as 0, and takes nothing."""

    def __init__(self, *registers: Register) -> None:
        """Start with their initial values."""
        self.registers = {register.offset: register for register in registers}
        self._values: dict[int, int] = {}
        self.scrub()

    def __getitem__(self, name: str) -> int:
        """Return a register's value by name; raises KeyError if there is none."""
        return self._values[self._offset_of(name)]

    def __setitem__(self, name: str, value: int) -> None:
        """Change a register from inside, whatever software may do with it."""
        self._values[self._offset_of(name)] = value

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes, of several registers or of a part of one."""
        first = offset - offset % _DWORD
        places = range(first, offset + size, _DWORD)
        raw = b"".join(self._values.get(at, 0).to_bytes(_DWORD, "little") for at in places)
        return raw[offset - first : offset - first + size]

    def write(self, offset: int, data: bytes) -> None:
        """Take bytes, for several registers or for a part of one, lowest first."""
        end = offset + len(data)
        for at in range(offset - offset % _DWORD, end, _DWORD):
            register = self.registers.get(at)
            if register is None:
                continue
            raw = bytearray(self._values[at].to_bytes(_DWORD, "little"))
            low, high = max(at, offset), min(at + _DWORD, end)
            raw[low - at : high - at] = data[low - offset : high - offset]
            self._store(register, int.from_bytes(raw, "little"), is_rung=low == at)

    def scrub(self) -> None:
        """Have the initial values again."""
        self._values = {offset: register.initial for offset, register in self.registers.items()}

    def _store(self, register: Register, value: int, *, is_rung: bool) -> None:
        kept = self._values[register.offset] & ~register.writable
        self._values[register.offset] = kept | value & register.writable
        if is_rung and register.written is not None:
            register.written(value & register.writable)

    def _offset_of(self, name: str) -> int:
        return next(offset for offset, register in self.registers.items() if register.name == name)


@attrs.frozen
class MsiXEntry:
    """An entry of the MSI-X table."""

    address: int
    data: int
    is_masked: bool


class MsiXRegion:
    """The MSI-X table and the pending bits, which software only reads.

    Attributes:
        pending: the vectors that wait to be unmasked.
        unmasked: is told a vector that software unmasks while it is pending.
    """

    def __init__(self, config: MsiXConfig) -> None:
        """Start with every vector masked."""
        self._config = config
        self._table = Ram(_ENTRY_BYTES * config.vectors)
        self.pending: set[int] = set()
        self.unmasked: Callable[[int], object] = lambda vector: None
        self.scrub()

    def entry(self, vector: int) -> MsiXEntry:
        """Return an entry; raises IndexError if there is no such vector."""
        if not 0 <= vector < self._config.vectors:
            raise IndexError(f"vector {vector} of {self._config.vectors}")
        raw = self._table.read(_ENTRY_BYTES * vector, _ENTRY_BYTES)
        control = raw[_VECTOR_CONTROL]
        return MsiXEntry(
            int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:12], "little"), bool(control & _MASK_BIT)
        )

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of the table, or of the pending bits."""
        table = self._table.read(offset - self._config.table_offset, size) if self._is_in_table(offset) else b""
        if table:
            return table
        bits = sum(1 << vector for vector in self.pending)
        at = offset - self._config.pba_offset
        return (
            (bits >> 8 * at).to_bytes(self._config.vectors // 8 + size + 1, "little")[:size] if at >= 0 else bytes(size)
        )

    def write(self, offset: int, data: bytes) -> None:
        """Take bytes of the table."""
        if not self._is_in_table(offset):
            return
        self._table.write(offset - self._config.table_offset, data)
        for vector in sorted(self.pending):
            if not self.entry(vector).is_masked:
                self.unmasked(vector)

    def scrub(self) -> None:
        """Mask every vector, and forget the rest."""
        self.pending.clear()
        self._table.scrub()
        for vector in range(self._config.vectors):
            self._table.write(_ENTRY_BYTES * vector + _VECTOR_CONTROL, bytes([_MASK_BIT]))

    def _is_in_table(self, offset: int) -> bool:
        return 0 <= offset - self._config.table_offset < len(self._table)
