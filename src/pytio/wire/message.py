"""A message: one list in a class body gives a frozen class, its construct schema and its fast reader.

``message`` turns annotated ``wire()`` fields, in the order of the bytes, into a frozen keyword-only attrs class with
``parse``, ``parse_prefix`` and ``build``. This module knows no format; it ties the field list to its readers.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import attrs

from pytio.errors import DecodeError, EncodeError
from pytio.wire import automatic, declaration, derive
from pytio.wire.fields import AUTO, METADATA_KEY, Field, fixed, wire
from pytio.wire.vocabulary import Bits

__all__ = ("WireStruct", "message")

C = TypeVar("C", bound="WireStruct")

_BITS_PER_BYTE = 8


class _Lazy:
    """A class attribute made on first use, since most programs touch few of the messages they import.

    Each class has its own: what is made takes the place of the maker in the class that was asked.
    """

    def __init__(self, name: str, make: Callable[[Any], Any]) -> None:
        self._name = name
        self._make = make

    def __get__(self, instance: object, owner: type) -> Any:
        made = self._make(owner)
        setattr(owner, self._name, made)
        return getattr(owner if instance is None else instance, self._name)


def _schema(cls: type[WireStruct]) -> Any:
    from pytio.wire.schema import record  # noqa: PLC0415  construct costs more than all codecs; only errors need it

    return record(cls)


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
    SCHEMA: ClassVar[Any]
    __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]] = ()
    _READ: ClassVar[Any]
    _WRITE: ClassVar[Any]
    _AUTOMATIC: ClassVar[automatic.Automatic | None] = None

    def __init_subclass__(cls, errors: type[DecodeError] | None = None, msb_first: bool | None = None) -> None:
        # attrs makes a slotted class by making the class again, without these keywords: keep what the first one said
        if errors is not None:
            cls.ERROR = errors
        if msb_first is not None:
            cls.MSB_FIRST = msb_first
        cls.SCHEMA = _Lazy("SCHEMA", _schema)
        cls._READ = _Lazy("_READ", derive.reader)
        cls._WRITE = _Lazy("_WRITE", derive.writer)

    def __attrs_post_init__(self) -> None:
        """Fill what was left to itself."""
        if self._AUTOMATIC is not None:
            automatic.fill(self, self._AUTOMATIC)

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, **given: int) -> Self:
        """Parse ``data``, all of it.

        ``given`` holds the sizes and facts that only the connection knows (``GIVEN`` lists them).

        Raises:
            DecodeError: the layer's own; with the offset of the field that does not fit, or of left-over bytes.
            TypeError: ``data`` is not bytes, or ``given`` lacks a name, or has one too many.
        """
        raw = data if type(data) is bytes else _taken(cls, data)
        if given and given.keys() != cls.GIVEN:  # none at all is a surprise to a reader that needs some
            _misused(cls, given)
        try:
            parsed: Self
            parsed, size = cls._READ(raw, given)
        except derive.SURPRISES:
            parsed, size = cls._explain(raw, given)
        if size != len(raw):
            raise cls._error(f"{len(raw) - size} bytes left over", raw, size, cls.__name__)
        return parsed

    @classmethod
    def parse_prefix(cls, data: bytes | bytearray | memoryview, **given: int) -> tuple[Self, int]:
        """Parse the start of ``data``; return the message and its size in bytes.

        For transports that pad. A field that runs to the end of the data takes all of it.

        Raises:
            DecodeError: the layer's own.
            TypeError: ``data`` is not bytes, or ``given`` lacks a name, or has one too many.
        """
        raw = data if type(data) is bytes else _taken(cls, data)
        if given and given.keys() != cls.GIVEN:
            _misused(cls, given)
        try:
            parsed: tuple[Self, int] = cls._READ(raw, given)
        except derive.SURPRISES:
            parsed = cls._explain(raw, given)
        return parsed

    @classmethod
    def _explain(cls, raw: bytes, given: dict[str, int]) -> tuple[Self, int]:
        """Parse with construct, which is slow and says exactly what is wrong."""
        if given.keys() != cls.GIVEN:
            _misused(cls, given)
        from pytio.wire.location import TroubleError, Window  # noqa: PLC0415  loads construct

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
            raw: bytes = self._WRITE()
        except derive.SURPRISES:
            raw = self._explain_build()
        return raw

    def _explain_build(self, bound: dict[str, int] | None = None) -> bytes:
        from pytio.wire.location import TroubleError, Window  # noqa: PLC0415  loads construct

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
        filled = set() if self._AUTOMATIC is None else self._AUTOMATIC.names()
        kept = {
            field.name: getattr(self, field.name)
            for field in self.FIELDS
            if field.constant is None and field.name not in filled
        }
        return type(self)(**(kept | changes))

    def show(self, *, reveal: bool = False, hide: Collection[str] = ()) -> str:
        """Return the message as an aligned text tree: offset, field, bytes, meaning.

        Key material shows as its size, unless ``reveal``; so do the fields whose names ``hide`` gives, at any depth.
        """
        from pytio.wire.show import as_text  # noqa: PLC0415  most programs never show a message

        return as_text(self, reveal=reveal, hide=hide)

    def to_dict(self, *, reveal: bool = False) -> dict[str, Any]:
        """Return the fields as plain data that JSON can hold (design contract, "fields").

        Integers stay integers, codes become ``{"value", "name"}``, flags ``{"value", "set"}``, bytes lower-case hex.
        """
        from pytio.wire.show import as_dict  # noqa: PLC0415

        return as_dict(self, reveal=reveal)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the message that ``to_dict`` made ``plain`` of; what is missing has its default.

        Raises:
            ValueError: a value does not fit its field, or a field is unknown.
            KeyError: a field is missing that another one depends on.
            TypeError: a value is of another kind.
        """
        from pytio.wire.plain import from_plain  # noqa: PLC0415  most programs only go the other way

        return from_plain(cls, plain)

    def _repr_html_(self) -> str:
        from pytio.wire.show import as_html  # noqa: PLC0415

        return as_html(self)

    @classmethod
    def describe(cls) -> list[tuple[str, str, str, str, str]]:
        """Return one row for each field: offset, size in bytes, name, type, condition; for documentation."""
        from pytio.wire.show import describe  # noqa: PLC0415

        return describe(cls)

    @classmethod
    def minimum_size(cls) -> int:
        """Return the fewest bytes a message of this class can take."""
        bits = sum(field.type.width for field in cls.FIELDS if isinstance(field.type, Bits))
        return bits // _BITS_PER_BYTE + sum(field.type.minimum_size for field in cls.FIELDS if field.when is None)

    @classmethod
    def fixed_size(cls) -> int | None:
        """Return the size in bytes where every message of this class has the same, else None."""
        varies = any(field.when is not None or declaration.fixed_size(field.type) is None for field in cls.FIELDS)
        return None if varies else cls.minimum_size()


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(wire, fixed))
def message(cls: type[C]) -> type[C]:
    """Make a frozen, keyword-only, slotted class of the annotated ``wire()`` fields in ``cls``.

    Raises:
        TypeError: a declaration makes no sense (bits that do not fill a byte, a length that nothing refers to).
    """
    for name in inspect.get_annotations(cls):
        if name.startswith("reserved") and isinstance(declared := cls.__dict__.get(name), type(attrs.field())):
            declared.repr = False
    if cls.__attrs_post_init__ is not WireStruct.__attrs_post_init__:
        raise TypeError(
            f"{cls.__name__}: parsing makes messages without __attrs_post_init__, so it must not be replaced"
        )
    made = attrs.define(cls, frozen=True, kw_only=True, slots=True, auto_attribs=True)
    made.NAME = _upper_snake(cls.__name__)
    made.FIELDS = tuple(map(_declared, attrs.fields(made)))
    declaration.check(made, _OWN_NAMES)
    made.GIVEN = frozenset(declaration.given_names(made.FIELDS))
    made.HAS_SECRETS = any(
        field.secret or any(struct.HAS_SECRETS for struct in declaration.structures(field.type))
        for field in made.FIELDS
    )
    plan = automatic.automatic(made)
    made._AUTOMATIC = plan if any(plan) else None  # noqa: SLF001  the class is being made here
    return made


_OWN_NAMES = set(dir(WireStruct))


def _declared(attribute: attrs.Attribute[Any]) -> Field:
    field: Field | None = attribute.metadata.get(METADATA_KEY)
    if field is None:
        raise TypeError(f"{attribute.name} is declared neither by wire() nor by fixed()")
    return attrs.evolve(field, name=attribute.name, automatic=attribute.default is AUTO)


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def _taken(cls: type[WireStruct], data: object) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"{cls.__name__}.parse takes bytes, not {type(data).__name__}")
    return bytes(data)


def _misused(cls: type[WireStruct], given: dict[str, int]) -> None:
    missing, extra = sorted(cls.GIVEN - given.keys()), sorted(given.keys() - cls.GIVEN)
    problem = f"needs {'=, '.join(missing)}=" if missing else f"does not take {'=, '.join(extra)}="
    raise TypeError(f"{cls.__name__}.parse {problem}")
