"""The words a wire format may be written in.

Each word is a small frozen object that says what the bytes are and does nothing. Three readers interpret it:
`pytio.wire.schema` makes the construct object that explains, `pytio.wire.derive` the straight-line code that runs,
`pytio.wire.show` the text. The list is closed, so that all three can know every word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from pytio.wire.enums import OpenEnum, WireFlag
from pytio.wire.expressions import Computed, Condition, Expression, Linear, given

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = (
    "I64",
    "REST",
    "U8",
    "U16",
    "U16BE",
    "U24",
    "U32",
    "U32BE",
    "U64",
    "U64BE",
    "Array",
    "Bit",
    "Bits",
    "Byte",
    "Bytes",
    "Code",
    "Flags",
    "Integer",
    "Nested",
    "OpenCode",
    "Rest",
    "Size",
    "Sized",
    "Switch",
    "WireType",
    "Within",
    "computed",
)

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)
O = TypeVar("O", bound=OpenEnum)  # noqa: E741  # one letter, like its neighbours
F = TypeVar("F", bound=WireFlag)
M = TypeVar("M", bound="WireStruct")


@attrs.frozen
class Rest:
    """The size or count of whatever is left; only for the last field of what surrounds it."""

    def __str__(self) -> str:
        """Return the word for documentation."""
        return "rest"


#: The size or count of whatever is left.
REST: Final = Rest()
#: What sizes and counts are made of.
Size = int | Expression | Rest


def computed(function: Callable[..., int], *arguments: Linear) -> Computed:
    """Return a size or count that ``function``, which must be pure, makes from earlier fields."""
    return Computed(function, arguments)


class WireType(Generic[T]):
    """Base of the vocabulary; ``T`` is the Python type of the value."""

    @property
    def minimum_size(self) -> int:
        """The fewest bytes a value can take; bounds how often a hostile count can make a reader loop."""
        raise NotImplementedError


@attrs.frozen
class Integer(WireType[int]):
    """An integer of ``size`` bytes, little-endian unless ``big_endian``."""

    size: int
    signed: bool = False
    big_endian: bool = False

    @property
    def minimum_size(self) -> int:
        """The size."""
        return self.size

    def __str__(self) -> str:
        """Return the word for documentation."""
        return f"{'i' if self.signed else 'u'}{8 * self.size}{'be' if self.big_endian and self.size > 1 else ''}"


#: One byte.
U8: Final = Integer(1)
#: One byte, by its usual name.
Byte: Final = U8
#: Two bytes, little-endian.
U16: Final = Integer(2)
#: Three bytes, little-endian.
U24: Final = Integer(3)
#: Four bytes, little-endian.
U32: Final = Integer(4)
#: Eight bytes, little-endian.
U64: Final = Integer(8)
#: Eight bytes, little-endian, two's complement.
I64: Final = Integer(8, signed=True)
#: Two bytes, big-endian.
U16BE: Final = Integer(2, big_endian=True)
#: Four bytes, big-endian.
U32BE: Final = Integer(4, big_endian=True)
#: Eight bytes, big-endian.
U64BE: Final = Integer(8, big_endian=True)


@attrs.frozen
class Code(WireType[E]):
    """A closed code space: a value without a name is a ``DecodeError``."""

    integer: Integer
    enum: type[E]

    @property
    def minimum_size(self) -> int:
        """The size of the integer."""
        return self.integer.size

    def __str__(self) -> str:
        """Return the word for documentation."""
        return f"{self.integer} {self.enum.__name__}"


@attrs.frozen
class OpenCode(WireType[O]):
    """An open code space: a value without a name survives as ``UNKNOWN_0x99``."""

    integer: Integer
    enum: type[O]

    @property
    def minimum_size(self) -> int:
        """The size of the integer."""
        return self.integer.size

    def __str__(self) -> str:
        """Return the word for documentation."""
        return f"{self.integer} {self.enum.__name__}"


@attrs.frozen
class Flags(WireType[F]):
    """A bit field of booleans; unknown bits are kept."""

    integer: Integer
    enum: type[F]

    @property
    def minimum_size(self) -> int:
        """The size of the integer."""
        return self.integer.size

    def __str__(self) -> str:
        """Return the word for documentation."""
        return f"{self.integer} {self.enum.__name__}"


@attrs.frozen
class Bits(WireType[T]):
    """A number of ``width`` bits beside its neighbours.

    Fields of bits that follow each other share bytes: the first one takes the lowest bits (the highest in a structure
    declared ``msb_first``), and a run of them must end on a byte boundary. ``enum``, if any, is closed, or open when
    it derives from `OpenEnum`.
    """

    width: int
    enum: type[T] | None = None

    @property
    def minimum_size(self) -> int:
        """Counted with the run of bits, not here."""
        return 0

    def __str__(self) -> str:
        """Return the word for documentation."""
        plural = "bit" if self.width == 1 else "bits"
        return f"{self.width} {plural}" + (f" {self.enum.__name__}" if self.enum and self.enum is not bool else "")


#: One bit, as a bool.
Bit: Final[Bits[bool]] = Bits(1, bool)


@attrs.frozen
class Bytes(WireType[bytes]):
    """Bytes of a fixed, computed or open-ended size."""

    size: Size

    @property
    def minimum_size(self) -> int:
        """The size where it is fixed."""
        return self.size if isinstance(self.size, int) else 0

    def __str__(self) -> str:
        """Return the word for documentation."""
        return "bytes"


def Sized(name: str) -> Bytes:  # noqa: N802  # a word of the vocabulary, like its neighbours
    """Return bytes whose size the caller of ``parse`` gives as ``name=``, since only the connection knows it."""
    return Bytes(getattr(given, name))


@attrs.frozen
class Nested(WireType[M]):
    """Another structure, inline."""

    struct: type[M]

    @property
    def minimum_size(self) -> int:
        """The structure's own minimum."""
        return self.struct.minimum_size()

    def __str__(self) -> str:
        """Return the word for documentation."""
        return self.struct.__name__


@attrs.frozen
class Array(WireType[tuple[T, ...]]):
    """``count`` elements, or as many as fit with ``REST``."""

    count: Size
    element: WireType[T]

    @property
    def minimum_size(self) -> int:
        """The elements' minimum where their count is fixed."""
        return self.count * self.element.minimum_size if isinstance(self.count, int) else 0

    def __str__(self) -> str:
        """Return the word for documentation."""
        return f"{self.element}[{self.count}]"


@attrs.frozen
class Within(WireType[T]):
    """An element that must fill exactly ``size`` bytes."""

    size: Size
    element: WireType[T]

    @property
    def minimum_size(self) -> int:
        """The size where it is fixed, else the element's minimum."""
        return self.size if isinstance(self.size, int) else self.element.minimum_size

    def __str__(self) -> str:
        """Return the word for documentation."""
        return str(self.element)


@attrs.frozen
class Switch(WireType[Any]):
    """One of several words, by the value of an earlier field; no ``default`` means other values are errors.

    By a condition, the cases are 0 and 1.
    """

    field: Linear | Condition
    cases: Mapping[int, WireType[Any]]
    default: WireType[Any] | None = None

    @property
    def minimum_size(self) -> int:
        """The smallest arm's minimum."""
        arms = [*self.cases.values(), *([self.default] if self.default else [])]
        return min(arm.minimum_size for arm in arms)

    def __str__(self) -> str:
        """Return the word for documentation."""
        arms = [f"{getattr(value, 'name', value)}: {word}" for value, word in self.cases.items()]
        return f"by {self.field} ({', '.join(arms)}" + (f", else: {self.default})" if self.default else ")")
