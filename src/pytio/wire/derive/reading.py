"""From a field list to the source of its reader.

The code goes through the fields in the order of the bytes. What has a fixed size joins the open *run*, one
``struct`` call for all of it; whatever depends on a value closes the run first. Where the reader is in the bytes is a
variable plus a known number, so that most offsets cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pytio.wire.declaration import fixed_size
from pytio.wire.derive import SurpriseError
from pytio.wire.derive.elements import Elements, is_shared, meaning, of_a_byte
from pytio.wire.derive.runs import Place
from pytio.wire.derive.source import Names, Source, grouped, has_flags, shared_integer
from pytio.wire.derive.tables import OneByte, members, twin
from pytio.wire.expressions import Condition
from pytio.wire.fields import Field, bit_places, bit_runs, run_size
from pytio.wire.vocabulary import (
    Array,
    Bits,
    Bytes,
    Code,
    Flags,
    Integer,
    Nested,
    OpenCode,
    Rest,
    Switch,
    WireType,
    Within,
)

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("make_reader",)

_TABLED: Final = 2  # fields in one byte from which on a table is faster than shifts


def make_reader(cls: type[WireStruct]) -> tuple[Callable[..., tuple[Any, int]], str]:
    """Return the reader of ``cls`` and its source."""
    source = Source()
    facts = {name: f"g_{name}" for name in sorted(cls.GIVEN)}
    reading = _Reading(source, facts)
    with source.block("def read(data, given, o=0)"):
        for name, variable in facts.items():
            source.line(f"{variable} = {source.constant(int.__index__, 'whole')}(given[{name!r}])")
        source.line("end = len(data)")
        instance = reading.structure(cls)
        reading.flush()
        source.line(f"return {instance}, {reading.place.offset}")
    source.drop_unused("end")
    return source.function("read", f"reader of {cls.__qualname__}"), source.text()


class _Reading(Elements):
    """Writes the body of one reader."""

    # structures

    def structure(self, cls: type[WireStruct]) -> str:
        """Read a structure; return the variable that holds it."""
        outer = self.names, self.fields
        self.names, self.fields = Names(self.source, self.facts), cls.FIELDS
        instance = self.source.fresh("x")
        self.source.line(f"{instance} = {self.source.constant(twin(cls), 'Twin')}()")
        for run in bit_runs(cls):
            if isinstance(run[0].type, Bits):
                self._bits(cls, run, instance)
            elif run[0].when is not None:
                self._optional(run[0], run[0].when, f"{instance}.{run[0].name}")
            else:
                self._field(run[0], f"{instance}.{run[0].name}")
        self.later(f"{instance}.__class__ = {self.source.constant(cls, cls.__name__)}")
        self.names, self.fields = outer
        return instance

    def _field(self, field: Field, target: str) -> str | None:
        """Read a field; return the variable that holds its number, where it is a number with a meaning of its own."""
        word = field.type
        if isinstance(word, Code | OpenCode | Flags):
            raw = self.source.fresh("v")
            self.number(word.integer, raw)
            self.names.set(field, raw)
            if field.constant is not None:  # of the only value there is, the meaning is known
                self.check_later(f"{raw} != {int(field.constant)}")
                self.later(f"{target} = {self.source.constant(members(word.enum)[int(field.constant)])}")
                return raw
            self.later(self._member(word, raw, target))
        else:
            raw = None
            self._word(word, target)
            whole = self.source.constant(int.__index__, "whole")
            self.names.set(field, f"{whole}({target})" if has_flags(word) else target)
        if field.constant is not None:
            self.check_later(f"{target} != {self._literal(field.constant)}")
        return raw

    def _optional(self, field: Field, when: Condition, target: str) -> None:
        self.settle()
        with self.source.block(f"if {self.names.expression(when)}"):
            raw = self._field(field, target)
            self.settle()
        with self.source.block("else"):
            self.source.line(f"{target} = None" if raw is None else f"{raw} = {target} = None")

    def _literal(self, value: Any) -> str:
        return str(int(value)) if isinstance(value, int) else self.source.constant(value)

    def _bits(self, cls: type[WireStruct], run: list[Field], instance: str) -> None:
        size = run_size(run)
        places = bit_places(cls, run)
        raw = self.source.fresh("v")
        self.number(Integer(size, big_endian=cls.MSB_FIRST), raw)
        width = 8 * size
        values = []
        for field, bits, low in places:
            shifted = f"({raw} >> {low})" if low else raw
            value = shifted if low + bits.width == width else f"({shifted} & {(1 << bits.width) - 1:#x})"
            self.names.set(field, value)
            values.append(value)
        targets = ", ".join(f"{instance}.{field.name}" for field in run)
        if size == 1 and len(run) >= _TABLED:
            table = self.source.constant(_bits_of_a_byte(places), "bits")
            self.later(f"{targets} = {table}[{raw}]")
            return
        for (field, bits, _), value in zip(places, values, strict=True):
            self.later(f"{instance}.{field.name} = {self._bits_value(bits, value)}")
            if field.constant is not None:
                self.check_later(f"{value} != {int(field.constant)}")

    def _bits_value(self, bits: Bits[Any], value: str) -> str:
        if bits.enum is None or issubclass(bits.enum, bool):
            return value if bits.enum is None else f"{value} != 0"
        return f"{self.source.constant(members(bits.enum), bits.enum.__name__)}[{value}]"

    # words

    def _word(self, word: WireType[Any], target: str) -> None:
        """Read a word into ``target``."""
        match word:
            case Integer():
                self.number(word, target)
            case Code() | OpenCode() | Flags():
                raw = self.source.fresh("v")
                self.number(word.integer, raw)
                self.later(self._member(word, raw, target))
            case Bytes():
                self._bytes(word, target)
            case Nested():
                self._nested(word, target)
            case Array():
                self.array(word, target)
            case Within():
                self._within(word, target)
            case Switch():
                self._switch(word, target)

    def value(self, word: WireType[Any]) -> str:
        """Read a word; return the variable that holds it."""
        if isinstance(word, Nested) and not is_shared(word):
            return self.structure(word.struct)
        variable = self.source.fresh("y")
        self._word(word, variable)
        return variable

    def _member(self, word: Code[Any] | OpenCode[Any] | Flags[Any], raw: str, target: str) -> str:
        return f"{target} = {self.source.constant(members(word.enum), word.enum.__name__)}[{raw}]"

    def _bytes(self, word: Bytes, target: str) -> None:
        if isinstance(word.size, int):
            self.gather(f"{word.size}s", target)
        elif isinstance(word.size, Rest):
            self.flush()
            self.source.line(f"{target} = {self.place.data}[{self.place.offset}:]")
            self.place.move(self.place.end)
        else:
            stop = self.stop(word.size)
            self.source.line(f"{target} = {self.place.data}[{self.place.offset}:{stop}]")
            self.place.move(stop)

    def _nested(self, word: Nested[Any], target: str) -> None:
        if is_shared(word):
            raw = self.source.fresh("v")
            self.gather("B", raw)
            table = self.source.constant(of_a_byte(word.struct), word.struct.__name__)
            self.later(f"{target} = {table}[{raw}]")
        else:
            instance = self.structure(word.struct)
            self.later(f"{target} = {instance}")

    # sizes and choices

    def _within(self, word: Within[Any], target: str) -> None:
        if isinstance(word.size, int) and fixed_size(word.element) == word.size:
            self._word(word.element, target)
            return
        if isinstance(word.size, Rest):
            self.flush()
            stop = self.place.end
        else:
            stop = self.stop(word.size)
        data, end, cursor = self.source.fresh("data"), self.source.fresh("end"), self.source.fresh("o")
        self.source.line(f"{data} = {self.place.data}[{self.place.offset}:{stop}]")
        self.source.line(f"{end} = len({data})")
        outer, self.place = self.place, Place(data, end, cursor, "0")
        self._word(word.element, target)
        self.flush()
        if self.place.offset != end:
            self.source.surprise(f"{self.place.offset} != {end}")
        self.place = outer
        self.place.move(stop)

    def _switch(self, word: Switch, target: str) -> None:
        if (integer := shared_integer(word)) is not None:
            self._uniform_switch(word, integer, target)
            return
        self.settle()
        chosen = self._chosen(word)
        keyword = "if"
        for values, arm in grouped(word):
            if values is None:
                continue
            with self.source.block(f"{keyword} {self.source.choice(chosen, values)}"):
                self._arm(arm, target)
            keyword = "elif"
        with self.source.block("else" if keyword == "elif" else "if True"):
            if word.default is None:
                self.source.fail()
            else:
                self._arm(word.default, target)

    def _chosen(self, word: Switch) -> str:
        text = self.names.expression(word.field)
        chosen = self.source.fresh("s")
        self.source.line(f"{chosen} = {text}")
        return chosen

    def _arm(self, word: WireType[Any], target: str) -> None:
        """One arm; a structure is read by its own reader, so that an arm that is never met costs nothing."""
        if isinstance(word, Nested):
            cls = self.source.constant(word.struct, word.struct.__name__)
            self.source.line(
                f"{target}, {self.place.cursor} = {cls}._READ({self.place.data}, given, {self.place.offset})"
            )
            self.place.move(self.place.cursor)
        else:
            self._word(word, target)
            self.settle()

    def _uniform_switch(self, word: Switch, integer: Integer, target: str) -> None:
        """Arms that are all the same integer, and only mean different things."""
        raw = self.source.fresh("v")
        meanings = {int(value): meaning(arm) for value, arm in word.cases.items()}
        table = self.source.constant(meanings, "meanings")
        self.number(integer, raw)
        chosen = f"({self.names.expression(word.field)})"
        if word.default is None:
            found = f"{table}[{chosen}]"
        else:
            found = f"{table}.get({chosen}, {self.source.constant(meaning(word.default), 'meaning')})"
        self.later(f"{target} = {found}({raw})")


def _bits_of_a_byte(places: list[tuple[Field, Bits[Any], int]]) -> OneByte[tuple[Any, ...]]:
    """Return the table of the fields that share one byte."""
    lookups = [(low, (1 << bits.width) - 1, _bits_meaning(bits), field.constant) for field, bits, low in places]

    def split(value: int) -> tuple[Any, ...]:
        found = tuple(meaning(value >> low & mask) for low, mask, meaning, _ in lookups)
        for number, (*_, constant) in zip(found, lookups, strict=True):
            if constant is not None and number != constant:
                raise SurpriseError
        return found

    return OneByte(split)


def _bits_meaning(bits: Bits[Any]) -> Callable[[int], Any]:
    if bits.enum is None:
        return int
    return bool if bits.enum is bool else members(bits.enum).__getitem__
