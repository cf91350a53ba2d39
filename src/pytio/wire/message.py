"""A message: one list in a class body gives a frozen class, its construct schema and its fast reader.

``message`` turns annotated ``wire()`` fields, in the order of the bytes, into a frozen keyword-only attrs class with
``parse``, ``parse_prefix`` and ``build``. This module knows no format; it ties the field list to its readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import attrs

from pytio.errors import DecodeError, EncodeError
from pytio.wire import derive, schema
from pytio.wire.expressions import Condition, Expression, Linear, Scope, Symbol, solve
from pytio.wire.fields import AUTO, METADATA_KEY, Field, fixed, inner_words, size_expression, wire
from pytio.wire.location import TroubleError, Window
from pytio.wire.vocabulary import Array, Bits, Bytes, Nested, Switch, WireType, Within
from pytio.wire.words import measure

__all__ = ("WireStruct", "message")

C = TypeVar("C", bound="WireStruct")

_BITS_PER_BYTE = 8


class _Lazy:
    """A class attribute made on first use, since most programs touch few of the messages they import."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_lazy_{name}"

    def __get__(self, instance: object, owner: type) -> Any:
        made = owner.__dict__.get(self._key)
        if made is None:
            made = self._make(owner)
            setattr(owner, self._key, made)
        return made


class WireStruct:
    """Base of every message and structure; subclasses are decorated with ``@message``.

    Class attributes:
        NAME: the specification's name, UPPER_SNAKE, from the class name.
        ERROR: the layer's ``DecodeError``; set by ``class X(WireStruct, errors=...)``.
        MSB_FIRST: whether runs of bits start at the highest bit (TLPs) instead of the lowest.
        FIELDS: the fields, in the order of the bytes.
        GIVEN: the names that ``parse`` needs from its caller.
        SCHEMA: the construct object for the same bytes.
        HAS_SECRETS: whether any field, however deep, is key material.
    """

    __slots__ = ()

    NAME: ClassVar[str]
    ERROR: ClassVar[type[DecodeError]] = DecodeError
    MSB_FIRST: ClassVar[bool] = False
    FIELDS: ClassVar[tuple[Field, ...]] = ()
    GIVEN: ClassVar[frozenset[str]] = frozenset()
    HAS_SECRETS: ClassVar[bool] = False
    SCHEMA: ClassVar[Any] = _Lazy(schema.record)
    __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]] = ()
    _READ: ClassVar[Any] = _Lazy(derive.reader)
    _WRITE: ClassVar[Any] = _Lazy(derive.writer)
    _AUTO: ClassVar[tuple[tuple[str, Field, Expression], ...]] = ()
    _OPTIONAL: ClassVar[tuple[tuple[str, Condition, Any], ...]] = ()
    _PADDING: ClassVar[tuple[tuple[str, Expression], ...]] = ()

    def __init_subclass__(cls, errors: type[DecodeError] | None = None, msb_first: bool | None = None) -> None:
        # attrs makes a slotted class by making the class again, without these keywords: keep what the first one said
        if errors is not None:
            cls.ERROR = errors
        if msb_first is not None:
            cls.MSB_FIRST = msb_first

    def __attrs_post_init__(self) -> None:
        """Fill what was left to itself: defaults of fields that may be absent, lengths and counts, then padding."""
        for name, when, default in self._OPTIONAL:
            value, is_there = getattr(self, name), self._holds(when)
            if is_there and value is None:
                object.__setattr__(self, name, default)
            elif not is_there and value == default:
                object.__setattr__(self, name, None)
        for name, field, expression in self._AUTO:
            if getattr(self, name) is AUTO:
                object.__setattr__(self, name, self._solved(name, field, expression))
        for name, expression in self._PADDING:
            if getattr(self, name) is AUTO:
                size = expression.evaluate(lambda symbol: int(getattr(self, symbol.name)))
                object.__setattr__(self, name, bytes(size))

    def _solved(self, name: str, field: Field, expression: Expression) -> int | None:
        value = getattr(self, field.name)
        unused = None if self._is_absent(name) else 0
        if value is None:  # what it measures is absent; so is the length, where the same condition holds for it
            return unused
        word = _arm(field.type, lambda symbol: int(getattr(self, symbol.name)))
        if not any(size_expression(inner) is expression for inner in inner_words(word)):
            return unused  # the arm of a switch that is not in use
        siblings = {field.name: getattr(self, field.name) for field in self.FIELDS}
        sized = next(inner for inner in inner_words(word) if size_expression(inner) is expression)
        measured = measure(sized, value, siblings)
        return solve(expression, Symbol(Scope.THIS, name), measured, lambda symbol: _lookup(self, symbol))

    def _is_absent(self, name: str) -> bool:
        when = next(field.when for field in self.FIELDS if field.name == name)
        return when is not None and (_asks_caller(when) or not self._holds(when))

    def _holds(self, when: Condition) -> bool:
        return bool(when.evaluate(lambda symbol: int(getattr(self, symbol.name) or 0)))

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, **given: int) -> Self:
        """Parse ``data``, all of it.

        ``given`` holds the sizes and facts that only the connection knows (``GIVEN`` lists them).

        Raises:
            DecodeError: the layer's own; with the offset of the field that does not fit, or of left-over bytes.
            TypeError: ``given`` lacks a name, or has one too many.
        """
        parsed, size = cls.parse_prefix(data, **given)
        if size != len(data):
            reason = f"{len(data) - size} bytes left over"
            raise cls._error(reason, bytes(data), size, cls.__name__)
        return parsed

    @classmethod
    def parse_prefix(cls, data: bytes | bytearray | memoryview, **given: int) -> tuple[Self, int]:
        """Parse the start of ``data``; return the message and its size in bytes.

        For transports that pad. A field that runs to the end of the data takes all of it.

        Raises:
            DecodeError: the layer's own.
            TypeError: ``given`` lacks a name, or has one too many.
        """
        raw = data if type(data) is bytes else bytes(data)
        if given.keys() != cls.GIVEN:
            _misused(cls, given)
        try:
            fast: tuple[Self, int] = cls._READ(raw, given)
            return fast
        except derive.Surprise:
            return cls._explain(raw, given)

    @classmethod
    def _explain(cls, raw: bytes, given: dict[str, int]) -> tuple[Self, int]:
        """Parse with construct, which is slow and says exactly what is wrong."""
        window = Window(raw)
        try:
            parsed: Self = cls.SCHEMA.parse_stream(window, **given)
        except TroubleError as trouble:
            path = ".".join([cls.__name__, *trouble.path]).replace(".[", "[")
            raise cls._error(trouble.reason, raw, trouble.offset, path) from None
        return parsed, window.tell()

    @classmethod
    def _error(cls, reason: str, raw: bytes, offset: int, path: str) -> DecodeError:
        return cls.ERROR(reason, bytes(len(raw)) if cls.HAS_SECRETS else raw, offset, path)

    def build(self) -> bytes:
        """Return the bytes.

        Raises:
            EncodeError: a value does not fit its field, a length disagrees with what it measures, or a field is
                there, or missing, against its condition.
        """
        try:
            fast: bytes = type(self)._WRITE(self)
            return fast
        except derive.Surprise:
            return self._explain_build()

    def _explain_build(self, bound: dict[str, int] | None = None) -> bytes:
        window = Window()
        try:
            self.SCHEMA.build_stream(self, window, _bound={} if bound is None else bound)
        except TroubleError as trouble:
            path = ".".join(trouble.path).replace(".[", "[")
            raise EncodeError(trouble.reason, type(self).__name__, path) from None
        return window.getvalue()

    def given(self) -> dict[str, int]:
        """Return what ``parse`` would need to read this message back: its ``GIVEN`` names and their values."""
        bound: dict[str, int] = {}
        self._explain_build(bound)
        return {name: bound.get(name, bound.get(f"?{name}", 0)) for name in self.GIVEN}

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values; lengths and counts fill themselves again unless they are among them."""
        automatic = {name for name, *_ in (*self._AUTO, *self._PADDING)}
        kept = {
            field.name: getattr(self, field.name)
            for field in self.FIELDS
            if field.constant is None and field.name not in automatic
        }
        return type(self)(**(kept | changes))

    def show(self, *, reveal: bool = False) -> str:
        """Return the message as an aligned text tree: offset, field, bytes, meaning.

        Key material shows as its size, unless ``reveal``.
        """
        from pytio.wire.show import as_text

        return as_text(self, reveal=reveal)

    def to_dict(self, *, reveal: bool = False) -> dict[str, Any]:
        """Return the fields as plain data that JSON can hold (design contract, "fields").

        Integers stay integers, codes become ``{"value", "name"}``, flags ``{"value", "set"}``, bytes lower-case hex.
        """
        from pytio.wire.show import as_dict

        return as_dict(self, reveal=reveal)

    def _repr_html_(self) -> str:
        from pytio.wire.show import as_html

        return as_html(self)

    @classmethod
    def describe(cls) -> list[tuple[str, str, str, str, str]]:
        """Return one row for each field: offset, size in bytes, name, type, condition; for documentation."""
        from pytio.wire.show import describe

        return describe(cls)

    @classmethod
    def minimum_size(cls) -> int:
        """Return the fewest bytes a message of this class can take."""
        bits = sum(field.type.width for field in cls.FIELDS if isinstance(field.type, Bits))
        return bits // _BITS_PER_BYTE + sum(field.type.minimum_size for field in cls.FIELDS if field.when is None)

    @classmethod
    def fixed_size(cls) -> int | None:
        """Return the size in bytes where every message of this class has the same, else None."""
        varies = any(field.when is not None or _varies(field.type) for field in cls.FIELDS)
        return None if varies else cls.minimum_size()


def _varies(word: WireType[Any]) -> bool:
    if isinstance(word, Switch):
        return True
    if isinstance(word, Nested):
        return word.struct.fixed_size() is None
    if isinstance(word, Array):
        return not isinstance(word.count, int) or _varies(word.element)
    return isinstance(word, Bytes | Within) and not isinstance(word.size, int)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(wire, fixed))
def message(cls: type[C]) -> type[C]:
    """Make a frozen, keyword-only, slotted class of the annotated ``wire()`` fields in ``cls``.

    Raises:
        TypeError: a declaration makes no sense (bits that do not fill a byte, a length that nothing refers to).
    """
    for name in cls.__dict__.get("__annotations__", {}):
        if name.startswith("reserved") and isinstance(declared := cls.__dict__.get(name), type(attrs.field())):
            declared.repr = False
    made = attrs.define(cls, frozen=True, kw_only=True, slots=True, auto_attribs=True)
    made.NAME = _upper_snake(cls.__name__)
    made.FIELDS = tuple(
        attrs.evolve(attribute.metadata[METADATA_KEY], name=attribute.name, automatic=attribute.default is AUTO)
        for attribute in attrs.fields(made)
    )
    made.GIVEN = frozenset(_given_names(made.FIELDS))
    made.HAS_SECRETS = any(field.secret or any(s.HAS_SECRETS for s in _structs(field.type)) for field in made.FIELDS)
    made._PADDING = tuple(_padding(made))
    found = tuple(_automatic(made))
    names = {name for name, _, _ in found}
    made._AUTO = tuple(sorted(found, key=lambda automatic: _rank(automatic, names)))
    made._OPTIONAL = tuple(_optional(made, names))
    return made


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def _structs(word: WireType[Any]) -> Iterator[type[WireStruct]]:
    return (inner.struct for inner in inner_words(word) if isinstance(inner, Nested))


def _expressions(field: Field) -> Iterator[Expression]:
    if field.when is not None:
        yield field.when
    for word in inner_words(field.type):
        if isinstance(word, Switch):
            yield word.field
        elif (size := size_expression(word)) is not None:
            yield size


def _given_names(fields: tuple[Field, ...]) -> Iterator[str]:
    for field in fields:
        for expression in _expressions(field):
            yield from (symbol.name for symbol in expression.symbols() if symbol.scope is Scope.GIVEN)
        for struct in _structs(field.type):
            yield from struct.GIVEN


def _arm(word: WireType[Any], values: Any) -> WireType[Any]:
    """Follow switches to the word that is in use."""
    while isinstance(word, Switch):
        word = word.cases.get(word.field.evaluate(values), word.default or word)
    return word


def _automatic(cls: type[WireStruct]) -> Iterator[tuple[str, Field, Expression]]:
    """Find, for each AUTO field, the fields whose size or count refers to it."""
    for attribute in attrs.fields(cls):
        if attribute.default is not AUTO or any(attribute.name == name for name, _ in cls._PADDING):
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


def _optional(cls: type[WireStruct], automatic: set[str]) -> Iterator[tuple[str, Condition, Any]]:
    """Find the fields that may be absent, whose default stands for them where they are there."""
    for attribute in attrs.fields(cls):
        when = attribute.metadata[METADATA_KEY].when
        if when is None or attribute.default in (None, AUTO, attrs.NOTHING) or _asks_caller(when):
            continue
        if not any(symbol.name in automatic for symbol in when.symbols()):
            yield attribute.name, when, attribute.default


def _asks_caller(when: Condition) -> bool:
    return any(symbol.scope is Scope.GIVEN for symbol in when.symbols())


def _rank(automatic: tuple[str, Field, Expression], names: set[str]) -> tuple[bool, int]:
    """Sort key: counts first, since a length that spans counted elements needs them; what needs other lengths last."""
    _, field, expression = automatic
    is_count = any(isinstance(word, Array) and word.count is expression for word in inner_words(field.type))
    return not is_count, sum(symbol.scope is Scope.THIS and symbol.name in names for symbol in expression.symbols())


def _lookup(instance: WireStruct, symbol: Symbol) -> int:
    if symbol.scope is Scope.THIS:
        return int(getattr(instance, symbol.name))
    for field in instance.FIELDS:  # a given size is the length of the field that has it
        if (
            isinstance(field.type, Bytes)
            and isinstance(field.type.size, Linear)
            and field.type.size.terms == ((symbol, 1),)
        ):
            return len(getattr(instance, field.name))
    raise ValueError(f"{symbol} is not known from the fields")


def _misused(cls: type[WireStruct], given: dict[str, int]) -> None:
    missing, extra = sorted(cls.GIVEN - given.keys()), sorted(given.keys() - cls.GIVEN)
    problem = f"needs {'=, '.join(missing)}=" if missing else f"does not take {'=, '.join(extra)}="
    raise TypeError(f"{cls.__name__}.parse {problem}")
