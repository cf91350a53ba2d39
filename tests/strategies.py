"""Hypothesis strategies for every message at once, made from the same field list as the message itself.

`messages` draws a message and the facts that parsing it back needs. Values are drawn in the order of the fields. A
length is left open until what it measures has been drawn, and then follows from it; numbers that conditions, switches
and tables of sizes look at come first, and are drawn near the values at which these decide.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import Any, Final

from hypothesis import reject
from hypothesis import strategies as st

import pytio
from pytio.errors import EncodeError
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
from pytio.wire.declaration import expressions
from pytio.wire.expressions import Condition, Expression, Linear, Scope, Symbol, solve

__all__ = ("all_messages", "damaged", "messages")

FACTS: Final = (0, 1, 2, 3, 32, 48)
"""Sizes and presence that a connection may have settled."""
FEW: Final = 3
SMALL: Final = 8
LARGEST: Final = 4096


@cache
def all_messages() -> list[type[WireStruct]]:
    """Return every message and structure that pytio defines."""
    for module in pkgutil.walk_packages(pytio.__path__, "pytio."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {cls for cls in _descendants(WireStruct) if cls.__module__.startswith("pytio.") and "FIELDS" in vars(cls)}
    return sorted((cls for cls in found if cls.FIELDS), key=lambda cls: (cls.__module__, cls.__name__))


def _descendants(cls: type[WireStruct]) -> Iterator[type[WireStruct]]:
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)


@st.composite
def messages(
    draw: st.DrawFn, cls: type[WireStruct], facts: dict[str, int] | None = None
) -> tuple[WireStruct, dict[str, int]]:
    """Draw a message of ``cls`` that can be laid out, and the facts with which its bytes parse."""
    known = facts if facts is not None else {name: draw(st.sampled_from(FACTS)) for name in sorted(cls.GIVEN)}
    drawing = _Drawing(draw, cls, known)
    try:
        message = drawing.message()
        message.build()
    except EncodeError:  # the values drawn do not go together
        reject()
    return message, known


class _Drawing:
    """One message in the making."""

    def __init__(self, draw: st.DrawFn, cls: type[WireStruct], facts: dict[str, int]) -> None:
        self._draw = draw
        self._cls = cls
        self._facts = facts
        self._values: dict[str, Any] = {}
        self._open: set[str] = set(_lengths(cls))
        self._hints = _hints(cls)

    def message(self) -> WireStruct:
        """Draw all fields, and make the message; what fills itself is left to do so."""
        for field in self._cls.FIELDS:
            if field.constant is not None:
                self._values[field.name] = field.constant
            elif field.when is not None and not self._evaluate(field.when):
                self._values[field.name] = None
            elif field.name not in self._open:
                self._values[field.name] = self._value(field.type, field)
        for field in self._cls.FIELDS:
            if field.name in self._open and not field.automatic:
                self._values[field.name] = 0
        own = {field.name for field in self._cls.FIELDS if field.constant is None and not self._fills_itself(field)}
        return self._cls(**{name: value for name, value in self._values.items() if name in own})

    def _fills_itself(self, field: Field) -> bool:
        return field.automatic and not isinstance(field.type, Bytes)

    def _known(self, symbol: Symbol) -> int:
        value = self._facts[symbol.name] if symbol.scope is Scope.GIVEN else self._values.get(symbol.name, 0)
        return int(value or 0)

    def _evaluate(self, expression: Expression) -> int:
        try:
            return expression.evaluate(self._known)
        except (LookupError, ValueError, ArithmeticError):
            reject()

    def _unknown(self, size: object) -> Symbol | None:
        """Return the length that a value of this size will settle."""
        if not isinstance(size, Linear):
            return None
        left = [s for s in size.symbols() if s.scope is Scope.THIS and s.name in self._open]
        for symbol in left[1:]:
            self._settle(symbol, self._draw(st.integers(0, FEW)))
        return left[0] if left else None

    def _settle(self, symbol: Symbol, value: int) -> None:
        self._values[symbol.name] = value
        self._open.discard(symbol.name)

    def _extent(self, size: Any, most: int) -> tuple[int, Symbol | None]:
        """Return how many bytes or elements to draw, and the length that follows from it."""
        unknown = self._unknown(size)
        if isinstance(size, Rest) or unknown is not None:
            return self._draw(st.integers(0, most)), unknown
        count = size if isinstance(size, int) else self._evaluate(size)
        if not 0 <= count <= LARGEST:
            reject()
        return count, None

    def _follow(self, size: Any, unknown: Symbol | None, measured: int) -> None:
        if unknown is not None:
            try:
                self._settle(unknown, solve(size, unknown, measured, self._known))
            except ValueError:
                reject()

    def _value(self, word: WireType[Any], field: Field | None = None) -> Any:
        match word:
            case Integer() | Code() | OpenCode() | Flags() | Bits():
                return self._draw(self._number(word, self._hints.get(field.name, set()) if field else set()))
            case Bytes():
                size, unknown = self._extent(word.size, SMALL)
                self._follow(word.size, unknown, size)
                return self._draw(st.binary(min_size=size, max_size=size))
            case Nested():
                return self._draw(messages(word.struct, self._facts_of(word.struct)))[0]
            case Array():
                count, unknown = self._extent(word.count, FEW)
                self._follow(word.count, unknown, count)
                return tuple(self._value(word.element) for _ in range(count))
            case Within():
                return self._within(word)
            case Switch():
                return self._value(self._arm(word), field)
        raise TypeError(word)

    def _facts_of(self, struct: type[WireStruct]) -> dict[str, int]:
        return {name: self._facts[name] for name in struct.GIVEN}

    def _arm(self, word: Switch) -> WireType[Any]:
        arm = word.cases.get(self._evaluate(word.field), word.default)
        if arm is None:
            reject()
        return arm

    def _within(self, word: Within[Any]) -> Any:
        unknown = self._unknown(word.size)
        element = word.element
        while isinstance(element, Switch):
            element = self._arm(element)
        if unknown is None and not isinstance(word.size, Rest):
            size, _ = self._extent(word.size, 0)
            if isinstance(element, Bytes) and isinstance(element.size, Rest):
                return self._draw(st.binary(min_size=size, max_size=size))
            if (
                isinstance(element, Array)
                and isinstance(element.count, Rest)
                and (each := element.element.minimum_size)
            ):
                return tuple(self._value(element.element) for _ in range(size // each))
        value = self._value(element)
        self._follow(word.size, unknown, self._bytes_of(element, value))
        return value

    def _bytes_of(self, word: WireType[Any], value: Any) -> int:
        match word:
            case Nested():
                return len(value.build())
            case Array():
                return sum(self._bytes_of(word.element, item) for item in value)
            case Bytes():
                return len(value)
            case Within():
                return self._bytes_of(word.element, value)
            case Switch():
                return self._bytes_of(self._arm(word), value)
        return word.minimum_size

    def _number(self, word: Integer | Code[Any] | OpenCode[Any] | Flags[Any] | Bits[Any], hints: set[int]) -> Any:
        low, high = _range(word)
        enum: Any = None if isinstance(word, Integer) else word.enum
        anything = st.integers(low, high)
        if enum is bool:
            return st.booleans()
        if enum is None:
            near = [value for value in sorted(hints) if low <= value <= high]
            return st.one_of(st.sampled_from(near), anything) if near else anything
        members = [member for member in enum.__members__.values() if low <= int(member) <= high]
        if isinstance(word, Code) or (isinstance(word, Bits) and issubclass(enum, IntEnum) and not _is_open(enum)):
            return st.sampled_from([member for member in members if not hints or int(member) in hints] or members)
        near = [enum(value) for value in sorted(hints) if low <= value <= high] or members
        return st.one_of(st.sampled_from(near), anything.map(enum)) if near else anything.map(enum)


def _is_open(enum: type[Any]) -> bool:
    try:
        enum(max(int(member) for member in enum.__members__.values()) + 1)
    except ValueError:
        return False
    return True


def _range(word: Integer | Code[Any] | OpenCode[Any] | Flags[Any] | Bits[Any]) -> tuple[int, int]:
    if isinstance(word, Bits):
        return 0, (1 << word.width) - 1
    integer = word if isinstance(word, Integer) else word.integer
    half = 1 << (8 * integer.size - 1)
    if integer.signed:
        return (-half if isinstance(word, Integer) else 0), half - 1
    return 0, 2 * half - 1


def _symbols(cls: type[WireStruct]) -> Iterator[tuple[Expression, Symbol]]:
    for field in cls.FIELDS:
        for expression in expressions(field):
            for symbol in expression.symbols():
                if symbol.scope is Scope.THIS:
                    yield expression, symbol


def _lengths(cls: type[WireStruct]) -> Iterator[str]:
    """Yield the names of the fields that only measure others."""
    switches = {id(word.field) for field in cls.FIELDS for word in _words(field.type) if isinstance(word, Switch)}
    measuring: set[str] = set()
    deciding: set[str] = set()
    for expression, symbol in _symbols(cls):
        only_measures = isinstance(expression, Linear) and id(expression) not in switches
        (measuring if only_measures else deciding).add(symbol.name)
    yield from measuring - deciding


def _words(word: WireType[Any]) -> Iterator[WireType[Any]]:
    yield word
    if isinstance(word, Array | Within):
        yield from _words(word.element)
    elif isinstance(word, Switch):
        for arm in word.cases.values():
            yield from _words(arm)


def _hints(cls: type[WireStruct]) -> dict[str, set[int]]:
    """Return, for each number that decides something, the values at which it decides."""
    hints: dict[str, set[int]] = {}
    for field in cls.FIELDS:
        for word in _words(field.type):
            if isinstance(word, Switch) and isinstance(word.field, Linear):
                for symbol in word.field.symbols():
                    hints.setdefault(symbol.name, set()).update(int(value) for value in word.cases)
    for expression, symbol in _symbols(cls):
        if isinstance(expression, Condition):
            for left, operator, right in expression.tests:
                if symbol in left.symbols():
                    hints.setdefault(symbol.name, set()).update((0, int(right), int(right) - (operator != "has")))
        elif not isinstance(expression, Linear):
            hints.setdefault(symbol.name, set()).update(range(SMALL))
    return hints


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """Draw bytes that were ``raw`` before they were cut, prolonged, or changed in a few places."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, FEW))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(("cut", "set", "set", "flip", "insert", "delete"))):
            case "cut":
                del data[place:]
            case "set" if data:
                data[place] = draw(st.sampled_from((0, 1, 2, 3, 0x10, 0x7F, 0x80, 0xFF)))
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=4))
            case "delete":
                del data[place : place + 1]
    return bytes(data)
