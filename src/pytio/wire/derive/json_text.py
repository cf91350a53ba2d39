"""From a field list to the source of a function that reads bytes and writes JSON, with no object in between.

The text is the one that ``json.dumps(cls.parse(data).to_dict())`` gives, for thousands of structures at once. Runs of
fixed size are one ``struct`` call, as in a reader; neighbouring bits go through tables of at most 256 texts, which
fill as values are met. On any surprise, and for words that registers do not have, the message is parsed after all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytio.wire.declaration import fixed_size
from pytio.wire.derive import SURPRISES
from pytio.wire.derive.runs import Runs
from pytio.wire.derive.source import Source
from pytio.wire.derive.tables import members
from pytio.wire.expressions import Expression
from pytio.wire.fields import Field, bit_places, bit_runs, run_size
from pytio.wire.vocabulary import Array, Bits, Bytes, Code, Integer, Nested, OpenCode, Rest, WireType

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("JsonReader", "json_reader", "json_source")

JsonReader: TypeAlias = Callable[[bytes], tuple[str, int]]
"""From bytes to the JSON of the message at their start, and its size."""

_READERS: Final[dict[type[WireStruct], JsonReader]] = {}
_TEXTS: Final[dict[type[Any], _Codes]] = {}
_TABLE_BITS: Final = 8
"""Bits that share a table of texts; a wider field is written by itself."""
_UNROLLED: Final = 8
"""Up to so many integers of an array are read in one go."""


class _UnknownWordError(Exception):
    """A word that this file does not write."""


def json_reader(cls: type[WireStruct]) -> JsonReader:
    """Return the reader of ``cls``; it raises what ``cls.parse_prefix`` raises."""
    reader = _READERS.get(cls)
    if reader is None:
        reader = _READERS[cls] = _make_reader(cls)
    return reader


def _make_reader(cls: type[WireStruct]) -> JsonReader:
    try:
        source = json_source(cls)
    except _UnknownWordError:
        return lambda data: _slowly(cls, data)
    straight = source.function("read", f"JSON reader of {cls.__qualname__}")

    def read(data: bytes) -> tuple[str, int]:
        try:
            found: tuple[str, int] = straight(data)
        except SURPRISES:
            found = _slowly(cls, data)
        return found

    return read


def _slowly(cls: type[WireStruct], data: bytes) -> tuple[str, int]:
    parsed, size = cls.parse_prefix(data)
    return json.dumps(parsed.to_dict()), size


def json_source(cls: type[WireStruct]) -> Source:
    """Return the function in the making, for its text or for compiling."""
    if cls.GIVEN or cls.HAS_SECRETS:
        raise _UnknownWordError
    source = Source()
    with source.block("def read(data, o=0)"):
        source.line("end = len(data)")
        writing = _Writing(source, {})
        text = writing.structure(cls)
        writing.flush()
        source.line(f"return {_f_string(text)}, {writing.place.offset}")
    return source


class _Writing(Runs):
    """Writes the body of one function. A text is a list of literals and, as tuples of one, of expressions."""

    def structure(self, cls: type[WireStruct]) -> list[str | tuple[str]]:
        """Read a structure; return its text."""
        if any(field.constant is not None for field in cls.FIELDS):
            raise _UnknownWordError
        outer = self.names, self.fields
        self.names, self.fields = type(self.names)(self.source, self.facts), cls.FIELDS
        text: list[str | tuple[str]] = ["{"]
        for index, run in enumerate(bit_runs(cls)):
            comma = ", " if index else ""
            if isinstance(run[0].type, Bits):
                text += self._bits(cls, run, comma)
            elif run[0].when is not None:
                text += self._optional(run[0], comma)
            else:
                text += [f'{comma}"{run[0].name}": ', *self._word(run[0].type, run[0])]
        text.append("}")
        self.names, self.fields = outer
        return text

    def _optional(self, field: Field, comma: str) -> list[str | tuple[str]]:
        assert field.when is not None
        self.settle()
        written = self.source.fresh("t")
        with self.source.block(f"if {self.names.expression(field.when)}"):
            text = [f'{comma}"{field.name}": ', *self._word(field.type, None)]
            self.settle()
            self.source.line(f"{written} = {_f_string(text)}")
        with self.source.block("else"):
            self.source.line(f"{written} = ''")
        return [(written,)]

    def _bits(self, cls: type[WireStruct], run: list[Field], comma: str) -> list[str | tuple[str]]:
        raw = self.source.fresh("v")
        self.number(Integer(run_size(run), big_endian=cls.MSB_FIRST), raw)
        places = bit_places(cls, run)
        for field, bits, low in places:
            self.names.set(field, f"({raw} >> {low} & {(1 << bits.width) - 1})")
        text: list[str | tuple[str]] = []
        for group in _groups(places):
            low = min(low for _, _, low in group)
            width = sum(bits.width for _, bits, _ in group)
            value = f"{raw} >> {low} & {(1 << width) - 1}" if low or width < 8 * run_size(run) else raw
            prefix = comma if not text else ", "
            if width <= _TABLE_BITS:
                table = self.source.constant(_Texts(group, low), "texts")
                text += [prefix, (f"{table}[{value}]",)]
            elif group[0][1].enum is None:
                text += [f'{prefix}"{group[0][0].name}": ', (value,)]
            else:
                text += [f'{prefix}"{group[0][0].name}": ', (f"{self._codes(group[0][1].enum)}[{value}]",)]
        return text

    def _word(self, word: WireType[Any], field: Field | None) -> list[str | tuple[str]]:
        if isinstance(word, Integer):
            return [(self._value(word, field),)]
        if isinstance(word, Code | OpenCode):
            return [(f"{self._codes(word.enum)}[{self._value(word.integer, field)}]",)]
        if isinstance(word, Nested):
            return self.structure(word.struct)
        if isinstance(word, Bytes):
            return self._bytes(word)
        if isinstance(word, Array):
            return self._array(word)
        raise _UnknownWordError

    def _value(self, integer: Integer, field: Field | None) -> str:
        raw = self.source.fresh("v")
        self.number(integer, raw)
        if field is not None:
            self.names.set(field, raw)
        return raw

    def _codes(self, enum: Any) -> str:
        return self.source.constant(_codes(enum), enum.__name__)

    def _bytes(self, word: Bytes) -> list[str | tuple[str]]:
        taken = self.source.fresh("b")
        if isinstance(word.size, int):
            self.gather(f"{word.size}s", taken)
        elif isinstance(word.size, Rest):
            self.flush()
            self.source.line(f"{taken} = data[{self.place.offset}:]")
            self.place.move("end")
        else:
            stop = self.stop(word.size)
            self.source.line(f"{taken} = data[{self.place.offset}:{stop}]")
            self.place.move(stop)
        return ['"', (f"{taken}.hex()",), '"']

    def _array(self, word: Array[Any]) -> list[str | tuple[str]]:
        if isinstance(word.count, int) and word.count <= _UNROLLED:
            text: list[str | tuple[str]] = ["["]
            for index in range(word.count):
                text += [", " if index else "", *self._word(word.element, None)]
            return [*text, "]"]
        self.settle()
        count, items = self.source.fresh("n"), self.source.fresh("a")
        self.source.line(f"{count} = {self._count(word)}")
        self.source.surprise(
            f"{count} < 0 or {count} * {max(word.element.minimum_size, 1)} > end - {self.place.offset}"
        )
        self.source.line(f"{items} = []")
        with self.source.block(f"for _ in range({count})"):
            item = self._word(word.element, None)
            self.settle()
            self.source.line(f"{items}.append({_f_string(item)})")
        return ["[", (f"', '.join({items})",), "]"]

    def _count(self, word: Array[Any]) -> str:
        if isinstance(word.count, int | Expression):
            return str(word.count) if isinstance(word.count, int) else self.names.expression(word.count)
        size = fixed_size(word.element)
        if size is None:
            raise _UnknownWordError
        self.source.surprise(f"(end - {self.place.offset}) % {size}")
        return f"(end - {self.place.offset}) // {size}"


def _groups(places: list[tuple[Field, Bits[Any], int]]) -> list[list[tuple[Field, Bits[Any], int]]]:
    """Return neighbours that share a table."""
    groups: list[list[tuple[Field, Bits[Any], int]]] = []
    width = _TABLE_BITS
    for place in places:
        if width + place[1].width > _TABLE_BITS:
            groups.append([])
            width = 0
        groups[-1].append(place)
        width += place[1].width
    return groups


class _Texts(dict[int, str]):
    """The texts of some bits, by their value."""

    def __init__(self, group: list[tuple[Field, Bits[Any], int]], lowest: int) -> None:
        super().__init__()
        self._fields = [
            (field.name, _meanings(bits), low - lowest, (1 << bits.width) - 1) for field, bits, low in group
        ]

    def __missing__(self, value: int) -> str:
        parts = []
        for name, meanings, low, mask in self._fields:
            number = value >> low & mask
            parts.append(f'"{name}": {meanings[number] if meanings is not None else number}')
        text = self[value] = ", ".join(parts)
        return text


class _Codes(dict[int, str]):
    """The texts of a code space, as far as they were met; what has no name is not kept."""

    def __init__(self, enum: Any) -> None:
        super().__init__()
        self._members = members(enum)
        for member in enum.__members__.values():
            self[int(member)] = self._text(int(member))

    def _text(self, value: int) -> str:
        return json.dumps({"value": value, "name": self._members[value].name})

    def __missing__(self, value: int) -> str:
        return self._text(value)


def _codes(enum: type[Any]) -> _Codes:
    texts = _TEXTS.get(enum)
    if texts is None:
        texts = _TEXTS[enum] = _Codes(enum)
    return texts


def _meanings(bits: Bits[Any]) -> Any:
    if bits.enum is None:
        return None
    return ("false", "true") if bits.enum is bool else _codes(bits.enum)


def _f_string(text: list[str | tuple[str]]) -> str:
    """Return the expression for a text."""
    parts = [
        piece.replace("{", "{{").replace("}", "}}") if isinstance(piece, str) else f"{{{piece[0]}}}" for piece in text
    ]
    return f"f'''{''.join(parts)}'''"
