"""Declaring one field: what the bytes are, its default, when it is there, and whether it is a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

import attrs

from pytio.wire.expressions import Condition, Expression, Linear
from pytio.wire.vocabulary import Array, Bits, Bytes, Size, Switch, WireType, Within

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = (
    "AUTO",
    "METADATA_KEY",
    "Field",
    "bit_places",
    "bit_runs",
    "fixed",
    "inner_words",
    "run_size",
    "size_expression",
    "wire",
)

T = TypeVar("T")

#: Where attrs keeps a field's declaration.
METADATA_KEY: Final = "pytio.wire"
_BITS_PER_BYTE = 8


class _Auto:
    """The default of a field that fills itself: the length or count of the field that refers to it."""

    def __repr__(self) -> str:
        return "AUTO"


#: The default of a length, count or padding that fills itself.
AUTO: Final[Any] = _Auto()


@attrs.frozen
class Field:
    """One field of a message, in the order of the bytes.

    Attributes:
        name: the attribute's name; a name that starts with ``reserved`` marks bytes without meaning today.
        type: the word of the vocabulary that says what the bytes are.
        when: the condition under which the field is there; None for always.
        constant: the only legal value of a ``fixed`` field, else None.
        secret: whether the value is key material.
        automatic: whether it fills itself, so that it says nothing that other fields do not.
    """

    name: str
    type: WireType[Any]
    when: Condition | None = None
    constant: Any = None
    secret: bool = False
    automatic: bool = False

    @property
    def is_reserved(self) -> bool:
        """Whether the format gives the field no meaning."""
        return self.name.startswith("reserved")


@overload
def wire(type: WireType[T], *, default: T = ..., repr: bool = ..., secret: bool = ...) -> T: ...
@overload
def wire(
    type: WireType[T], *, when: Linear | Condition, default: T | None = ..., repr: bool = ..., secret: bool = ...
) -> T | None: ...
def wire(
    type: WireType[Any],  # noqa: A002  named as attrs.field names it
    *,
    default: Any = attrs.NOTHING,
    when: Linear | Condition | None = None,
    repr: bool = True,  # noqa: A002
    secret: bool = False,
) -> Any:
    """Declare a field: what the bytes are, its default, and when it is there at all.

    ``default=AUTO`` is for a length or count: it is computed from the field whose size refers to it; and for padding:
    bytes of a size that earlier fields say fill themselves with zeros.
    ``secret=True`` is for key material: no repr, no text, no error shows it, and equality takes constant time.
    """
    condition = when.is_set() if isinstance(when, Linear) else when
    return _attribute(default, Field("", type, condition, secret=secret), is_shown=repr, init=True)


def fixed(type: WireType[T], value: T, *, init: Literal[False] = False) -> T:  # noqa: A002
    """Declare a field that always has this value; bytes that differ are a ``DecodeError``."""
    return _attribute(value, Field("", type, constant=value), is_shown=False, init=init)  # type: ignore[no-any-return]


def _attribute(default: Any, field: Field, *, is_shown: bool, init: bool) -> Any:
    return attrs.field(
        default=default,
        init=init,
        repr=is_shown and not field.secret,
        eq=_ConstantTime if field.secret else None,
        metadata={METADATA_KEY: field},
    )


class _ConstantTime:
    """Key material under comparison: equality takes the same time wherever bytes differ, and the hash says nothing."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ConstantTime) and _same_secret(self._value, other._value)

    def __hash__(self) -> int:
        return 0


def _same_secret(one: Any, other: Any) -> bool:
    import hmac  # noqa: PLC0415  only where secrets are compared; it would double the cost of importing a codec

    if isinstance(one, bytes | bytearray) and isinstance(other, bytes | bytearray):
        return hmac.compare_digest(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return sum(_same_secret(left, right) for left, right in pairs) == len(one)  # looks at all of them
    return bool(one == other)


def inner_words(word: WireType[Any]) -> Iterator[WireType[Any]]:
    """Walk a word and the words inside it, not into nested structures."""
    yield word
    if isinstance(word, Array | Within):
        yield from inner_words(word.element)
    elif isinstance(word, Switch):
        for arm in [*word.cases.values(), *([word.default] if word.default else [])]:
            yield from inner_words(arm)


def size_expression(word: WireType[Any]) -> Expression | None:
    """Return the expression that sizes or counts a word, if it has one."""
    size: Size = word.count if isinstance(word, Array) else word.size if isinstance(word, Bytes | Within) else 0
    return size if isinstance(size, Expression) else None


def bit_runs(cls: type[WireStruct]) -> list[list[Field]]:
    """Return the fields of ``cls``, one list for each, but one list for all bits that share bytes.

    Raises:
        TypeError: a run of bits does not end on a byte boundary.
    """
    runs: list[list[Field]] = []
    open_bits = 0
    for field in cls.FIELDS:
        if open_bits and not isinstance(field.type, Bits):
            break
        if open_bits:
            runs[-1].append(field)
        else:
            runs.append([field])
        if isinstance(field.type, Bits):
            open_bits = (open_bits + field.type.width) % _BITS_PER_BYTE
    if open_bits:
        raise TypeError(f"{cls.__name__}.{runs[-1][-1].name}: a run of bits must end on a byte boundary")
    return runs


def bit_places(cls: type[WireStruct], run: list[Field]) -> list[tuple[Field, Bits[Any], int]]:
    """Return, for each field of a run of bits, its word and the position of its lowest bit in the whole run."""
    places: list[tuple[Field, Bits[Any], int]] = []
    low = 0
    for field in reversed(run) if cls.MSB_FIRST else run:
        assert isinstance(field.type, Bits)
        places.append((field, field.type, low))
        low += field.type.width
    return places[::-1] if cls.MSB_FIRST else places


def run_size(run: list[Field]) -> int:
    """Return how many bytes a run of bits takes."""
    return sum(field.type.width for field in run if isinstance(field.type, Bits)) // _BITS_PER_BYTE
