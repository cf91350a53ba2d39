"""What a declaration must keep to; whatever breaks it is a ``TypeError`` when the class is made."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from pytio.wire.enums import OpenEnum, WireFlag
from pytio.wire.expressions import Expression, Scope
from pytio.wire.fields import Field, bit_runs, inner_words, size_expression
from pytio.wire.vocabulary import Array, Bits, Bytes, Code, Flags, Integer, Nested, OpenCode, Switch, WireType, Within

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("check", "expressions", "fixed_size", "given_names", "structures")

_NUMBERS = (Integer, Code, OpenCode, Flags, Bits)


def structures(word: WireType[Any]) -> Iterator[type[WireStruct]]:
    """Yield the structures nested directly in a word."""
    return (inner.struct for inner in inner_words(word) if isinstance(inner, Nested))


def expressions(field: Field) -> Iterator[Expression]:
    """Yield every expression that a field reads."""
    if field.when is not None:
        yield field.when
    for word in inner_words(field.type):
        if isinstance(word, Switch):
            yield word.field
        elif (size := size_expression(word)) is not None:
            yield size


def fixed_size(word: WireType[Any]) -> int | None:
    """Return the size in bytes where every value of a word has the same, else None."""
    if isinstance(word, Switch):
        sizes = {fixed_size(arm) for arm in [*word.cases.values(), *([word.default] if word.default else [])]}
        return sizes.pop() if len(sizes) == 1 else None
    if isinstance(word, Nested):
        size: int | None = word.struct.fixed_size()
        return size
    if isinstance(word, Array):
        each = fixed_size(word.element)
        return word.count * each if isinstance(word.count, int) and each is not None else None
    if isinstance(word, Bytes | Within):
        return word.size if isinstance(word.size, int) else None
    return word.minimum_size


def given_names(fields: tuple[Field, ...]) -> Iterator[str]:
    """Yield the names of the facts that only the caller of ``parse`` knows."""
    for field in fields:
        for expression in expressions(field):
            yield from (symbol.name for symbol in expression.symbols() if symbol.scope is Scope.GIVEN)
        for struct in structures(field.type):
            yield from struct.GIVEN


def check(cls: type[WireStruct], inherited: set[str]) -> None:
    """Check the fields of ``cls``; ``inherited`` are the names that every message has already.

    Raises:
        TypeError: a declaration makes no sense.
    """
    earlier: set[str] = set()
    for run in bit_runs(cls):
        for field in run:
            problem = _problem(field, earlier, inherited)
            if problem:
                raise TypeError(f"{cls.__name__}.{field.name}: {problem}")
        earlier |= {field.name for field in run if _is_number(field.type)}


def _is_number(word: WireType[Any]) -> bool:
    if isinstance(word, Switch):  # an integer whose width depends
        return all(_is_number(arm) for arm in [*word.cases.values(), *([word.default] if word.default else [])])
    return isinstance(word, _NUMBERS)


def _problem(field: Field, earlier: set[str], inherited: set[str]) -> str | None:
    if field.name in inherited or field.name.startswith("_"):
        return "the name is taken"
    if field.secret and isinstance(field.type, _NUMBERS):
        return "key material is bytes, not a number"
    if isinstance(field.constant, bytes) and field.type != Bytes(len(field.constant)):
        return "the constant has another size than the field"
    if isinstance(field.type, Bits) and field.when is not None:
        return "bits share bytes with their neighbours, and are there when these are"
    for expression in expressions(field):
        for symbol in expression.symbols():
            if symbol.scope is Scope.THIS and symbol.name not in earlier:
                return f"{symbol} is not a number among the earlier fields"
    return next(filter(None, (_misuse(word, field) for word in inner_words(field.type))), None)


def _misuse(word: WireType[Any], field: Field) -> str | None:
    if isinstance(word, Bits) and word is not field.type:
        return "bits stand on their own, not inside another word"
    if isinstance(word, Code) and issubclass(word.enum, IntFlag):
        return "a code is one value, not flags"
    if isinstance(word, OpenCode) and not issubclass(word.enum, OpenEnum):
        return "an open code needs an OpenEnum"
    if isinstance(word, Flags) and not issubclass(word.enum, WireFlag):
        return "flags need a WireFlag, since IntFlag remembers every value it ever saw"
    return None
