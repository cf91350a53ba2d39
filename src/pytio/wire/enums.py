"""The two enumeration bases that outlive hostile input.

Python's own ``IntFlag`` remembers every combination it ever saw, for ever. A capture is hostile input, so the
members made here for unknown values are ordinary objects that nothing remembers: they compare and hash by value, and
go away with the message that holds them.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from functools import reduce
from operator import or_
from typing import Final, Self, TypeVar

__all__ = ("OpenEnum", "WireFlag")

_WIDEST_INTEGER_BITS = 64
_KNOWN_BITS: Final[dict[type, int]] = {}
_BITS: Final[dict[type, tuple[tuple[int, str], ...]]] = {}
E = TypeVar("E", bound=IntEnum | IntFlag)


class OpenEnum(IntEnum):
    """An open code space: a value without a name stays what it is, as a member called ``UNKNOWN_0x99``."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or value < 0:
            return None
        return _unregistered(cls, value, f"UNKNOWN_0x{value:02x}")

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[int]]:
        """Pickle by value: some versions of Python pickle by name, which an unknown member does not have."""
        return type(self), (self._value_,)


class WireFlag(IntFlag):
    """A bit field of booleans: unknown bits are kept, and no combination is ever registered."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        if value < 0:  # from ``~flag``: the complement over the width, so that ``flags & ~flag`` keeps unknown bits
            value &= (1 << max(_WIDEST_INTEGER_BITS, cls._known().bit_length())) - 1
        names = [name for bits, name in cls._bits() if bits & value]
        unknown = value & ~cls._known()
        if unknown:
            names.append(hex(unknown))
        return _unregistered(cls, value, "|".join(names) or None)

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[int]]:
        """Pickle by value: some versions of Python pickle by name, which a combination does not have."""
        return type(self), (self._value_,)

    @classmethod
    def _known(cls) -> int:
        known = _KNOWN_BITS.get(cls)
        if known is None:
            known = _KNOWN_BITS[cls] = reduce(or_, (member._value_ for member in cls.__members__.values()), 0)
        return known

    @classmethod
    def _bits(cls) -> tuple[tuple[int, str], ...]:
        """Return the members of one bit each, lowest first: every message with a field of flags asks."""
        bits = _BITS.get(cls)
        if bits is None:
            bits = _BITS[cls] = tuple((member._value_, str(member._name_)) for member in cls)
        return bits

    @property
    def unknown_bits(self) -> int:
        """The bits that no member names."""
        return self._value_ & ~self._known()

    def names(self) -> list[str]:
        """Return the names of the members that are set, lowest bit first, unknown bits as one hex number last."""
        named = [name for bits, name in self._bits() if bits & self._value_]
        return [*named, hex(self.unknown_bits)] if self.unknown_bits else named


def _unregistered(cls: type[E], value: int, name: str | None) -> E:
    member = int.__new__(cls, value)
    member._value_ = value
    member._name_ = name  # None for a flag without any bit, as in the standard library
    return member
