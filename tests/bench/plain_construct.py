"""The same layouts as a user of construct writes them: plain numbers, no names for codes, no positions, no checks.

It is what the straight-line readers and writers are measured against. pytio's own construct schema, which explains
errors, does more and is slower; against that the ratio would be given away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import construct as c

from pytio.wire import (
    Array,
    Bits,
    Bytes,
    Code,
    Field,
    Flags,
    Integer,
    Nested,
    OpenCode,
    Rest,
    Switch,
    WireStruct,
    WireType,
    Within,
)
from pytio.wire.expressions import Computed, Condition, Expression, Linear, Scope, Symbol
from pytio.wire.fields import bit_places, bit_runs, run_size

__all__ = ("plain",)

_MADE: dict[type[WireStruct], Any] = {}
_FORMATS = {1: "B", 2: "H", 4: "L", 8: "Q"}


def plain(cls: type[WireStruct]) -> Any:
    """Return the construct Struct of a message."""
    if cls not in _MADE:
        _MADE[cls] = _made(cls)
    return _MADE[cls]


def _made(cls: type[WireStruct]) -> Any:
    homes: dict[str, str] = {}
    members = []
    for number, run in enumerate(bit_runs(cls)):
        if isinstance(run[0].type, Bits):
            homes |= {field.name: f"bits{number}" for field in run}
            members.append(f"bits{number}" / _bits(cls, run))
        else:
            members.append(run[0].name / _Words(homes).field(run[0]))
    return c.Struct(*members)


def _bits(cls: type[WireStruct], run: list[Field]) -> Any:
    highest_first = sorted(bit_places(cls, run), key=lambda place: -place[2])
    bits = c.BitStruct(*(field.name / c.BitsInteger(word.width) for field, word, _ in highest_first))
    return bits if cls.MSB_FIRST or run_size(run) == 1 else c.ByteSwapped(bits)


class _Words:
    """Translates the words of one structure; ``homes`` are the fields that lie in a group of bits."""

    def __init__(self, homes: dict[str, str]) -> None:
        self._homes = homes

    def field(self, field: Field) -> Any:
        word = self.word(field.type)
        return word if field.when is None else c.If(self._expression(field.when), word)

    def word(self, word: WireType[Any]) -> Any:
        match word:
            case Integer():
                code = _FORMATS.get(word.size)
                if code is None:
                    return c.BytesInteger(word.size, signed=word.signed, swapped=not word.big_endian)
                return c.FormatField(">" if word.big_endian else "<", code.lower() if word.signed else code)
            case Code() | OpenCode() | Flags():
                return self.word(word.integer)
            case Bytes():
                return c.GreedyBytes if isinstance(word.size, Rest) else c.Bytes(self._size(word.size))
            case Nested():
                return plain(word.struct)
            case Array():
                element = self.word(word.element)
                return (
                    c.GreedyRange(element) if isinstance(word.count, Rest) else c.Array(self._size(word.count), element)
                )
            case Within():
                element = self.word(word.element)
                return element if isinstance(word.size, Rest) else c.FixedSized(self._size(word.size), element)
            case Switch():
                cases = {int(value): self.word(arm) for value, arm in word.cases.items()}
                default = c.Error if word.default is None else self.word(word.default)
                return c.Switch(self._expression(word.field), cases, default=default)
        raise TypeError(word)

    def _size(self, size: Any) -> Any:
        return size if isinstance(size, int) else self._expression(size)

    def _expression(self, expression: Expression) -> Any:
        match expression:
            case Linear():
                return self._sum(expression)
            case Condition():
                tests = [self._test(*test) for test in expression.tests]
                return tests[0] if len(tests) == 1 else lambda context: all(test(context) for test in tests)
            case Computed():
                arguments = [self._sum(argument) for argument in expression.arguments]
                function: Callable[..., int] = expression.function
                return lambda context: function(*(argument(context) for argument in arguments))
        raise TypeError(expression)

    def _sum(self, expression: Linear) -> Any:
        terms = [
            self._path(symbol) * factor if factor != 1 else self._path(symbol) for symbol, factor in expression.terms
        ]
        total = reduce(add, terms)
        return total + expression.constant if expression.constant else total

    def _path(self, symbol: Symbol) -> Any:
        if symbol.scope is Scope.GIVEN:
            return c.this._params[symbol.name]
        home = self._homes.get(symbol.name)
        return c.this[symbol.name] if home is None else c.this[home][symbol.name]

    def _test(self, left: Linear, operator: str, right: int) -> Any:
        value, number = self._sum(left), int(right)
        match operator:
            case "==":
                return value == number
            case "!=":
                return value != number
            case ">=":
                return value >= number
            case "<":
                return value < number
        return lambda context: value(context) & number == number
