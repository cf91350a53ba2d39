"""Fields that fill themselves: lengths, counts and padding left ``AUTO``, and defaults of fields that may be absent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from pytio.errors import EncodeError
from pytio.wire.expressions import Condition, Expression, Linear, Scope, Symbol, Values, solve
from pytio.wire.fields import AUTO, METADATA_KEY, Field, inner_words, size_expression
from pytio.wire.vocabulary import Array, Bytes, Nested, Switch, WireType, Within

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("Automatic", "Length", "automatic", "fill")


class Length(NamedTuple):
    """One field that a length or count may measure; several may share it, when only one of them is there."""

    name: str
    measured: Field
    expression: Expression
    is_last: bool


class Automatic(NamedTuple):
    """What fills itself in one class, in the order in which it has to."""

    defaults: tuple[tuple[str, Condition, Any], ...] = ()
    lengths: tuple[Length, ...] = ()
    padding: tuple[tuple[str, Expression], ...] = ()

    def names(self) -> set[str]:
        """Return the names of the fields that say nothing that others do not."""
        return {length.name for length in self.lengths} | {name for name, _ in self.padding}


def automatic(cls: type[WireStruct]) -> Automatic:
    """Find what fills itself in ``cls``.

    Raises:
        TypeError: a field is ``AUTO``, but no size or count refers to it.
    """
    padding = tuple(_padding(cls))
    found = tuple(_lengths(cls, {name for name, _ in padding}))
    names = {name for name, _, _ in found}
    ordered = sorted(found, key=lambda length: _rank(length, names))
    last = {length[0]: index for index, length in enumerate(ordered)}
    lengths = tuple(Length(*length, is_last=last[length[0]] == index) for index, length in enumerate(ordered))
    return Automatic(tuple(_defaults(cls, names)), lengths, padding)


def fill(instance: WireStruct, plan: Automatic) -> None:
    """Fill what was left to itself in an instance that is being made.

    Raises:
        EncodeError: a value has no size, or no length gives that size.
    """
    for name, when, default in plan.defaults:
        value, is_there = getattr(instance, name), _holds(instance, when)
        if is_there and value is None:
            object.__setattr__(instance, name, default)
        elif not is_there and value == default:
            object.__setattr__(instance, name, None)
    for length in plan.lengths:
        if getattr(instance, length.name) is AUTO:
            _fill_length(instance, length)
    for name, expression in plan.padding:
        if getattr(instance, name) is AUTO:
            size = expression.evaluate(_siblings(instance))
            object.__setattr__(instance, name, bytes(size))


def _fill_length(instance: WireStruct, length: Length) -> None:
    measured = length.measured.name
    try:
        solved = _solved(instance, length)
    except EncodeError:
        raise
    except (AttributeError, TypeError):
        kind = type(getattr(instance, measured)).__name__
        raise EncodeError(f"{kind} cannot be measured", type(instance).__name__, measured) from None
    except ValueError as error:
        raise EncodeError(str(error), type(instance).__name__, length.name) from None
    if solved is None and length.is_last and not _is_absent(instance, length.name):
        solved = 0
    if solved is not None or length.is_last:
        object.__setattr__(instance, length.name, solved)


def _siblings(instance: WireStruct) -> Values:
    return lambda symbol: int(getattr(instance, symbol.name))


def _solved(instance: WireStruct, length: Length) -> int | None:
    """Return the length of what it measures; None where that is absent, or an arm that is not in use."""
    value = getattr(instance, length.measured.name)
    if value is None or _does_not_belong(instance, length.name):
        return None
    word = _arm(length.measured.type, _siblings(instance))
    expression = length.expression
    sized = next((inner for inner in inner_words(word) if size_expression(inner) is expression), None)
    if sized is None or isinstance(word, Switch):  # another arm, or none for this value
        return None
    measured = _bytes_of(sized.element, value, instance) if isinstance(sized, Within) else len(value)
    return solve(expression, Symbol(Scope.THIS, length.name), measured, lambda symbol: _lookup(instance, symbol))


def _bytes_of(word: WireType[Any], value: Any, instance: WireStruct) -> int:
    """Return how many bytes ``value`` takes."""
    word = _arm(word, _siblings(instance))
    if isinstance(word, Within):
        return _bytes_of(word.element, value, instance)
    if isinstance(word, Array):
        return sum(_bytes_of(word.element, item, instance) for item in value)
    if isinstance(word, Nested | Bytes):
        return len(value.build() if isinstance(word, Nested) else value)
    return word.minimum_size


def _is_absent(instance: WireStruct, name: str) -> bool:
    when = _condition(instance, name)
    return when is not None and (_asks_caller(when) or not _holds(instance, when))


def _does_not_belong(instance: WireStruct, name: str) -> bool:
    """Say whether a length is absent whatever it measures, so that building blames what it measures, not the length."""
    when = _condition(instance, name)
    return when is not None and not _asks_caller(when) and not _holds(instance, when)


def _condition(instance: WireStruct, name: str) -> Condition | None:
    return next(field.when for field in instance.FIELDS if field.name == name)


def _holds(instance: WireStruct, when: Condition) -> bool:
    return bool(when.evaluate(lambda symbol: int(getattr(instance, symbol.name) or 0)))


def _asks_caller(when: Condition) -> bool:
    return any(symbol.scope is Scope.GIVEN for symbol in when.symbols())


def _arm(word: WireType[Any], values: Values) -> WireType[Any]:
    """Follow switches to the word that is in use."""
    while isinstance(word, Switch):
        arm = word.cases.get(word.field.evaluate(values), word.default)
        if arm is None:
            return word
        word = arm
    return word


def _lookup(instance: WireStruct, symbol: Symbol) -> int:
    if symbol.scope is Scope.THIS:
        return int(getattr(instance, symbol.name))
    for field in instance.FIELDS:  # a given size is the length of the field that has it
        size = size_expression(field.type) if isinstance(field.type, Bytes) else None
        if isinstance(size, Linear) and size.terms == ((symbol, 1),) and not size.constant:
            return len(getattr(instance, field.name))
    raise ValueError(f"{symbol} is not known from the fields")


def _lengths(cls: type[WireStruct], padding: set[str]) -> Iterator[tuple[str, Field, Expression]]:
    """Find, for each AUTO field, the fields whose size or count refers to it."""
    for attribute in attrs.fields(cls):
        if attribute.default is not AUTO or attribute.name in padding:
            continue
        symbol = Symbol(Scope.THIS, attribute.name)
        found = [
            (attribute.name, field, size)
            for field in cls.FIELDS
            for word in inner_words(field.type)
            if isinstance(size := size_expression(word), Linear) and symbol in size.symbols()
        ]
        if not found:
            raise TypeError(f"{cls.__name__}.{attribute.name} is AUTO, but no size or count refers to it")
        yield from found


def _padding(cls: type[WireStruct]) -> Iterator[tuple[str, Expression]]:
    """Find the AUTO fields of bytes, which fill themselves with zeros."""
    for attribute, field in zip(attrs.fields(cls), cls.FIELDS, strict=True):
        size = size_expression(field.type) if isinstance(field.type, Bytes) else None
        if attribute.default is AUTO and size is not None:
            yield attribute.name, size


def _defaults(cls: type[WireStruct], filled: set[str]) -> Iterator[tuple[str, Condition, Any]]:
    """Find the fields that may be absent, whose default stands for them where they are there."""
    for attribute in attrs.fields(cls):
        when = attribute.metadata[METADATA_KEY].when
        if when is None or attribute.default in (None, AUTO, attrs.NOTHING) or _asks_caller(when):
            continue
        if not any(symbol.name in filled for symbol in when.symbols()):
            yield attribute.name, when, attribute.default


def _rank(length: tuple[str, Field, Expression], names: set[str]) -> tuple[bool, int]:
    """Sort key: counts first, since a length that spans counted elements needs them; what needs other lengths last."""
    _, field, expression = length
    is_count = any(isinstance(word, Array) and word.count is expression for word in inner_words(field.type))
    return not is_count, sum(symbol.scope is Scope.THIS and symbol.name in names for symbol in expression.symbols())
