"""From a list of fields to a construct schema: the interpreter that explains.

Every named field is wrapped so that it knows where it starts. Whatever goes wrong below it becomes one
`TroubleError` with a reason, the offset of the first byte of the offending field, and the path to it. The fast reader
(`pytio.wire.derive`) never explains anything: it comes here.
"""
# ruff: noqa: SLF001  construct's extension points begin with an underscore

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from construct import Construct, Container, Struct, Subconstruct

from pytio.wire.fields import Field, bit_places, bit_runs, run_size
from pytio.wire.location import Located, Span, TroubleError, Window, blame, take
from pytio.wire.vocabulary import Bits
from pytio.wire.words import Constant, Present, member, to_construct, whole

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("record",)


def record(cls: type[WireStruct]) -> Construct:
    """Return the construct object that parses into, and builds from, instances of ``cls``."""
    return _Record(cls)


class _Record(Subconstruct):
    """A structure: a construct Struct of its fields, and the class they make."""

    def __init__(self, cls: type[WireStruct]) -> None:
        super().__init__(Struct(*_members(cls)))
        self._cls = cls
        self._runs = [member.name for member in self.subcon.subcons if isinstance(member.subcon, _BitRun)]

    def _parse(self, stream: io.BytesIO, context: Container, path: str) -> WireStruct:
        if not isinstance(stream, Window):  # someone calls SCHEMA.parse with a stream of their own
            stream = Window(stream.read(), stream.tell())
        values = self.subcon._parsereport(stream, context, path)
        for run in self._runs:
            values.update(values.pop(run))
        parsed = object.__new__(self._cls)
        for field in self._cls.FIELDS:
            object.__setattr__(parsed, field.name, values[field.name])
        return parsed

    def _build(self, obj: WireStruct, stream: Window, context: Container, path: str) -> WireStruct:
        if not isinstance(obj, self._cls):
            raise TroubleError(f"{type(obj).__name__} is not a {self._cls.__name__}", stream.tell())
        context._params.setdefault("_bound", {})
        values = {field.name: getattr(obj, field.name) for field in self._cls.FIELDS}
        for run in self._runs:
            values[run] = values
        self.subcon._build(values, stream, context, path)
        return obj


def _members(cls: type[WireStruct]) -> Iterator[Construct]:
    for fields in bit_runs(cls):
        if isinstance(fields[0].type, Bits):
            yield Located(_BitRun(cls, fields), None, None).renamed(f"{fields[0].name}…")
        else:
            field = fields[0]
            yield Located(_converted(field), field.name, field).renamed(field.name)


def _converted(field: Field) -> Construct:
    inner = to_construct(field.type)
    if field.constant is not None:
        inner = Constant(inner, field.constant)
    return inner if field.when is None else Present(inner, field.when)


class _BitRun(Construct):
    """Several fields of bits that share bytes; puts each into the context, where later fields look for it."""

    def __init__(self, cls: type[WireStruct], fields: list[Field]) -> None:
        super().__init__()
        self._size = run_size(fields)
        self._order: Literal["big", "little"] = "big" if cls.MSB_FIRST else "little"
        self._places = bit_places(cls, fields)

    def _parse(self, stream: Window, context: Container, path: str) -> dict[str, Any]:
        start = stream.tell()
        trace: list[Span] | None = context._params.get("_trace")
        name = self._places[0][0].name
        values = {}
        try:
            raw = int.from_bytes(take(stream, self._size), self._order)
            for field, bits, low in self._places:
                name = field.name
                values[name] = self._member(field, bits, raw >> low & (1 << bits.width) - 1, start)
                if trace is not None:
                    depth, places = context._params["_depth"], (low + bits.width - 1, low)
                    trace.append(Span(depth, name, start, start + self._size, values[name], field, places))
        except TroubleError as error:
            raise blame(error, name, start) from None
        context.update(values)
        return values

    def _member(self, field: Field, bits: Bits[Any], value: Any, start: int) -> Any:
        if bits.enum is not None:
            value = member(bits.enum, value, start)
        if field.constant is not None and value != field.constant:
            raise TroubleError(f"{value!r} is not {field.constant!r}", start)
        return value

    def _build(self, obj: dict[str, Any], stream: Window, context: Container, path: str) -> Any:
        raw, start = 0, stream.tell()
        for field, bits, low in self._places:
            try:
                raw |= self._checked(bits, obj[field.name], start) << low
            except TroubleError as error:
                raise blame(error, field.name, start) from None
        stream.write(raw.to_bytes(self._size, self._order))
        return obj

    def _checked(self, bits: Bits[Any], value: Any, start: int) -> int:
        number = whole(value, "an integer", start)
        if not 0 <= number < 1 << bits.width:
            plural = "bit" if bits.width == 1 else "bits"
            raise TroubleError(f"{number} does not fit in {bits.width} {plural}", start)
        if bits.enum is not None and bits.enum is not bool:
            member(bits.enum, number, start)
        return number

    def _sizeof(self, context: Container, path: str) -> int:
        return self._size
