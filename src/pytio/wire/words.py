"""One construct object for each word of the vocabulary.

All of them read from a `Window`, report with `TroubleError`, and check on the way out what they check on the way in.
"""
# ruff: noqa: SLF001  construct's extension points begin with an underscore

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import IntEnum
from functools import singledispatch
from typing import TYPE_CHECKING, Any, ClassVar

from construct import BytesInteger, Construct, ConstructError, Container, FormatField, Pass, Subconstruct

from pytio.wire.expressions import Condition, Expression, Scope, Symbol, solve
from pytio.wire.location import Located, TroubleError, Window, take
from pytio.wire.vocabulary import (
    Array,
    Bytes,
    Code,
    Flags,
    Integer,
    Nested,
    OpenCode,
    Rest,
    Size,
    Switch,
    WireType,
    Within,
)

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("Constant", "Present", "member", "to_construct", "whole")


def _values(context: Container) -> Callable[[Symbol], int]:
    """Answer for symbols from construct's context: siblings from it, given facts from the call's parameters."""

    def value(symbol: Symbol) -> int:
        found = context[symbol.name] if symbol.scope is Scope.THIS else context._params[symbol.name]
        if found is None:
            raise TroubleError(f"depends on {symbol}, which is absent", 0)
        return int(found)

    return value


def _bind(expression: Expression, measured: int, context: Container, what: str, offset: int) -> None:
    """Check a size or count against what it sizes, while building; learn a given size from the first field of it."""
    bound: dict[str, int] = context._params["_bound"]
    unknown = [s for s in expression.symbols() if s.scope is Scope.GIVEN and s.name not in bound]
    values = _values(Container(context, _params=bound))
    try:
        for symbol in unknown[:1]:
            solved = solve(expression, symbol, measured, values)
            if solved < 0:
                raise ValueError(f"{measured} {what}, but {symbol} would be {solved}")  # noqa: TRY301
            bound[symbol.name] = solved
        expected = expression.evaluate(values)
    except (LookupError, ArithmeticError, ValueError) as error:
        raise TroubleError(
            str(error) if isinstance(error, ValueError) else f"no size is known: {expression}", offset
        ) from None
    if expected != measured:
        raise TroubleError(f"{measured} {what}, but {expression} is {expected}", offset)


def _expected(size: Size, stream: Window, context: Container) -> int:
    if isinstance(size, Rest):
        return stream.left()
    if isinstance(size, int):
        return size
    try:
        return size.evaluate(_values(context))
    except (LookupError, ArithmeticError, ValueError) as error:  # a function that knows no size for these values
        raise TroubleError(f"no size is known: {size}", stream.tell()) from error


@singledispatch
def to_construct(word: WireType[Any]) -> Construct:
    """Return the construct object for one word of the vocabulary."""
    raise TypeError(f"{word!r} is not a word of the wire vocabulary")


class _Integer(Subconstruct):
    """An integer, on construct's own; says how many bytes were missing, or which value did not fit."""

    FORMATS: ClassVar = {1: "B", 2: "H", 4: "L", 8: "Q"}

    def __init__(self, word: Integer) -> None:
        code = self.FORMATS.get(word.size)
        if code is not None:
            super().__init__(FormatField(">" if word.big_endian else "<", code.lower() if word.signed else code))
        else:
            super().__init__(BytesInteger(word.size, signed=word.signed, swapped=not word.big_endian))
        self._word = word

    def _parse(self, stream: Window, context: Container, path: str) -> int:
        if stream.left() < self._word.size:
            take(stream, self._word.size)
        parsed: int = self.subcon._parsereport(stream, context, path)
        return parsed

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        value = whole(obj, "an integer", stream.tell())
        try:
            return self.subcon._build(value, stream, context, path)
        except ConstructError:
            plural = "byte" if self._word.size == 1 else "bytes"
            raise TroubleError(f"{value} does not fit in {self._word.size} {plural}", stream.tell()) from None


@to_construct.register(Integer)
def _(word: Integer) -> Construct:
    return _Integer(word)


def whole(value: Any, what: str, offset: int) -> int:
    """Return an integer, or what stands for one exactly (``__index__``), as ``int``."""
    try:
        return int(operator.index(value))
    except TypeError:
        raise TroubleError(f"{value!r} is not {what}", offset) from None


def member(enum: type[Any], value: int, offset: int) -> Any:
    """Return the member of ``enum`` with this value; open enumerations have one for every value."""
    try:
        return enum(value)
    except ValueError:
        raise TroubleError(f"{value:#x} is not a {enum.__name__}", offset) from None


class _Enumerated(Subconstruct):
    """An integer that is a member of an enumeration."""

    def __init__(self, integer: Integer, enum: type[Any]) -> None:
        super().__init__(_Integer(integer))
        self._enum = enum

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        return member(self._enum, self.subcon._parsereport(stream, context, path), start)

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        value = whole(obj, f"a {self._enum.__name__}", stream.tell())
        member(self._enum, value, stream.tell())
        return self.subcon._build(value, stream, context, path)


@to_construct.register(Code)
@to_construct.register(OpenCode)
@to_construct.register(Flags)
def _(word: Code[Any] | OpenCode[Any] | Flags[Any]) -> Construct:
    return _Enumerated(word.integer, word.enum)


class _Bytes(Construct):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self._size = size

    def _parse(self, stream: Window, context: Container, path: str) -> bytes:
        return take(stream, _expected(self._size, stream, context))

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        if not isinstance(obj, bytes | bytearray | memoryview):
            raise TroubleError(f"{type(obj).__name__} is not bytes", stream.tell())
        raw = bytes(obj)  # of a memoryview, the length may count larger items
        if isinstance(self._size, int):
            if len(raw) != self._size:
                raise TroubleError(f"{len(raw)} bytes, but the field has {self._size}", stream.tell())
        elif not isinstance(self._size, Rest):
            _bind(self._size, len(raw), context, "bytes", stream.tell())
        stream.write(raw)
        return raw


@to_construct.register(Bytes)
def _(word: Bytes) -> Construct:
    return _Bytes(word.size)


class _NestedRecord(Subconstruct):
    """A structure inside another: its schema is made when it is first needed, its facts are the caller's."""

    def __init__(self, cls: type[WireStruct]) -> None:
        super().__init__(Pass)
        self._cls = cls

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        return self._cls.SCHEMA._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        return self._cls.SCHEMA._build(obj, stream, context, path)


@to_construct.register(Nested)
def _(word: Nested[Any]) -> Construct:
    return _NestedRecord(word.struct)


class _Something(Subconstruct):
    """An element that takes at least one byte: with elements of none, a hostile count would loop for ever."""

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        value = self.subcon._parsereport(stream, context, path)
        return self._checked(value, start, stream)

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        self.subcon._build(obj, stream, context, path)
        return self._checked(obj, start, stream)

    def _checked(self, value: Any, start: int, stream: Window) -> Any:
        if stream.tell() == start:
            raise TroubleError("an element takes no bytes", start)
        return value


class _Array(Construct):
    def __init__(self, word: Array[Any]) -> None:
        super().__init__()
        self._count = word.count
        self._minimum = word.element.minimum_size
        self._element = to_construct(word.element)

    def _item(self, index: int) -> Located:
        element = self._element if self._minimum else _Something(self._element)
        return Located(element, f"[{index}]", None)

    def _parse(self, stream: Window, context: Container, path: str) -> tuple[Any, ...]:
        if isinstance(self._count, Rest):
            items: list[Any] = []
            while stream.left():
                items.append(self._item(len(items))._parse(stream, context, path))
            return tuple(items)
        count = _expected(self._count, stream, context)
        if count * self._minimum > stream.left() or count < 0:
            reason = f"{count} elements need {count * self._minimum} bytes, {stream.left()} left"
            raise TroubleError(reason, stream.tell())
        return tuple(self._item(index)._parse(stream, context, path) for index in range(count))

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        if not isinstance(obj, tuple | list):
            raise TroubleError(f"{type(obj).__name__} is not a tuple", stream.tell())
        if isinstance(self._count, int):
            if len(obj) != self._count:
                raise TroubleError(f"{len(obj)} elements, but the field has {self._count}", stream.tell())
        elif not isinstance(self._count, Rest):
            _bind(self._count, len(obj), context, "elements", stream.tell())
        for index, item in enumerate(obj):
            self._item(index)._build(item, stream, context, path)
        return obj


@to_construct.register(Array)
def _(word: Array[Any]) -> Construct:
    return _Array(word)


class _Within(Construct):
    def __init__(self, word: Within[Any]) -> None:
        super().__init__()
        self._size = word.size
        self._element = to_construct(word.element)

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        inner = Window(take(stream, _expected(self._size, stream, context)), start)
        value = self._element._parsereport(inner, context, path)
        if inner.left():
            raise TroubleError(f"{inner.left()} bytes left over inside the field", inner.tell())
        return value

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        self._element._build(obj, stream, context, path)
        measured = stream.tell() - start
        if isinstance(self._size, int):
            if measured != self._size:
                raise TroubleError(f"{measured} bytes, but the field has {self._size}", start)
        elif not isinstance(self._size, Rest):
            _bind(self._size, measured, context, "bytes", start)
        return obj


@to_construct.register(Within)
def _(word: Within[Any]) -> Construct:
    return _Within(word)


class _Switch(Construct):
    def __init__(self, word: Switch) -> None:
        super().__init__()
        self._field = word.field
        self._cases = {value: to_construct(arm) for value, arm in word.cases.items()}
        self._default = to_construct(word.default) if word.default is not None else None

    def _arm(self, stream: Window, context: Container) -> Construct:
        value = self._field.evaluate(_values(context))
        arm = self._cases.get(value, self._default)
        if arm is None:
            raise TroubleError(f"no layout is known for {self._field} {value:#x}", stream.tell())
        return arm

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        return self._arm(stream, context)._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        return self._arm(stream, context)._build(obj, stream, context, path)


@to_construct.register(Switch)
def _(word: Switch) -> Construct:
    return _Switch(word)


class Constant(Subconstruct):
    """A field that always has the same value."""

    def __init__(self, subcon: Construct, value: Any) -> None:
        super().__init__(subcon)
        self._value = value

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        value = self.subcon._parsereport(stream, context, path)
        if value != self._value:
            raise TroubleError(f"{_named(value)} is not {_named(self._value)}", start)
        return value


def _named(value: Any) -> str:
    if isinstance(value, IntEnum):
        return f"{value.name} ({int(value):#x})"
    return value.hex(" ") if isinstance(value, bytes) else f"{value:#x}"


class Present(Subconstruct):
    """A field that is there only when a condition holds; None otherwise."""

    def __init__(self, subcon: Construct, when: Condition) -> None:
        super().__init__(subcon)
        self._when = when

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        return self.subcon._parsereport(stream, context, path) if self._when.evaluate(_values(context)) else None

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        if self._holds(obj is not None, context):
            if obj is None:
                raise TroubleError(f"is missing, but belongs there: {self._when}", stream.tell())
            return self.subcon._build(obj, stream, context, path)
        if obj is not None:
            raise TroubleError(f"does not belong there: only with {self._when}", stream.tell())
        return obj

    def _holds(self, is_there: bool, context: Container) -> bool:
        """Evaluate the condition; a given fact that nothing has told yet is learned from the first field it governs.

        The question mark keeps such a fact apart from a size of the same name, which a later field may have to say.
        """
        bound: dict[str, int] = context._params["_bound"]
        ours = tuple(test for test in self._when.tests if all(s.scope is Scope.THIS for s in test[0].symbols()))
        if not Condition(ours).evaluate(_values(context)):
            return False
        names = [s.name for s in self._when.symbols() if s.scope is Scope.GIVEN]
        facts = {name: bound.get(name, bound.get(f"?{name}", int(is_there))) for name in names}
        bound.update({f"?{name}": value for name, value in facts.items()})
        return bool(self._when.evaluate(_values(Container(context, _params=facts))))
