"""Declaring one field: what the bytes are, its default, when it is there, and whether it is a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeVar, overload

import attrs

from pytio.wire.expressions import Condition, Expression, Linear
from pytio.wire.vocabulary import Array, Bytes, Size, Switch, WireType, Within

__all__ = ("AUTO", "METADATA_KEY", "Field", "fixed", "inner_words", "size_expression", "wire")

T = TypeVar("T")

METADATA_KEY: Final = "pytio.wire"


class _Auto:
    """The default of a field that fills itself: the length or count of the field that refers to it."""

    def __repr__(self) -> str:
        return "AUTO"


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
    type: WireType[Any],
    *,
    default: Any = attrs.NOTHING,
    when: Linear | Condition | None = None,
    repr: bool = True,
    secret: bool = False,
) -> Any:
    """Declare a field: what the bytes are, its default, and when it is there at all.

    ``default=AUTO`` is for a length or count: it is computed from the field whose size refers to it; and for padding:
    bytes of a size that earlier fields say fill themselves with zeros.
    ``secret=True`` is for key material: no repr, no text, no error shows it, and equality takes constant time.
    """
    condition = when.is_set() if isinstance(when, Linear) else when
    return _attribute(type, default, Field("", type, condition, secret=secret), repr=repr, init=True)


def fixed(type: WireType[T], value: T, *, init: Literal[False] = False) -> T:
    """Declare a field that always has this value; bytes that differ are a ``DecodeError``."""
    return _attribute(type, value, Field("", type, constant=value), repr=False, init=init)  # type: ignore[no-any-return]


def _attribute(type: WireType[Any], default: Any, field: Field, *, repr: bool, init: bool) -> Any:
    return attrs.field(
        default=default,
        init=init,
        repr=repr and not field.secret,
        eq=_ConstantTime if field.secret else None,
        metadata={METADATA_KEY: field},
    )


class _ConstantTime:
    """Key material under comparison: equality takes the same time wherever the bytes differ, and the hash says nothing."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ConstantTime) and _same_secret(self._value, other._value)

    def __hash__(self) -> int:
        return 0


def _same_secret(one: Any, other: Any) -> bool:
    import hmac  # only where secrets are compared; it would double the cost of importing a codec

    if isinstance(one, bytes | bytearray) and isinstance(other, bytes | bytearray):
        return hmac.compare_digest(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all([_same_secret(left, right) for left, right in zip(one, other, strict=True)])  # all of them, always
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
