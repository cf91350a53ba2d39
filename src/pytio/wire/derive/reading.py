"""From a field list to the source of its reader.

The code goes through the fields in the order of the bytes. What has a fixed size joins the open *run*, one
``struct`` call for all of it; whatever depends on a value closes the run first. Where the reader is in the bytes is a
variable plus a known number, so that most offsets cost nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio.wire.declaration import fixed_size
from pytio.wire.derive import SurpriseError
from pytio.wire.derive.source import (
    Names,
    Source,
    chunks,
    grouped,
    has_flags,
    integer_of,
    is_natural,
    order_of,
    shared_integer,
    struct_code,
)
from pytio.wire.derive.tables import Counted, OneByte, members, twin
from pytio.wire.expressions import Condition, Expression
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
    Size,
    Switch,
    WireType,
    Within,
)

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("make_reader",)

_NUMBERS = (Integer, Code, OpenCode, Flags)
_UNROLLED: Final = 16  # elements of a fixed array that become values of one run
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


@attrs.define
class _Run:
    """Values of fixed size that are read at once."""

    order: str = ""  # of the first value for which it matters
    codes: list[str] = attrs.Factory(list)
    targets: list[str] = attrs.Factory(list)
    after: list[str] = attrs.Factory(list)

    @property
    def format(self) -> str:
        """The format of the one ``struct`` call."""
        return (self.order or "<") + "".join(self.codes)


@attrs.define
class _Place:
    """Where the reader is: in which bytes, and at ``base + add`` of them; ``cursor`` is the variable for loops."""

    data: str = "data"
    end: str = "end"
    cursor: str = "o"
    base: str = "o"
    add: int = 0

    @property
    def offset(self) -> str:
        """The offset as source."""
        if not self.add:
            return self.base
        return f"{self.base} + {self.add}" if self.base != "0" else str(self.add)

    def move(self, base: str) -> None:
        """Go on at the offset that a variable holds."""
        self.base, self.add = base, 0


class _Reading:
    """Writes the body of one reader."""

    def __init__(self, source: Source, facts: dict[str, str]) -> None:
        self._source = source
        self._facts = facts
        self._run = _Run()
        self._names = Names(source, facts)
        self._fields: tuple[Field, ...] = ()
        self.place = _Place()

    # the run

    def flush(self) -> None:
        """Read what the open run has gathered."""
        run, self._run = self._run, _Run()
        if run.codes:
            layout = struct.Struct(run.format)
            unpack = self._source.constant(layout.unpack_from, "unpack")
            targets = ", ".join(run.targets) + ("," if len(run.targets) == 1 else "")
            self._source.line(f"{targets} = {unpack}({self.place.data}, {self.place.offset})")
            self.place.add += layout.size
        for line in run.after:
            self._source.line(line)

    def _gather(self, code: str, target: str, order: str = "") -> None:
        if order and self._run.order not in ("", order):
            self.flush()
        self._run.order = self._run.order or order
        self._run.codes.append(code)
        self._run.targets.append(target)

    def _later(self, line: str) -> None:
        """Add a line that needs the values of the open run."""
        if self._run.codes:
            self._run.after.append(line)
        else:
            self._source.line(line)

    def _check_later(self, condition: str) -> None:
        self._later(self._source.check(condition))

    def _settle(self) -> None:
        """Put the offset into the variable that it has in every branch and round."""
        self.flush()
        if self.place.offset != self.place.cursor:
            self._source.line(f"{self.place.cursor} = {self.place.offset}")
        self.place.move(self.place.cursor)

    # structures

    def structure(self, cls: type[WireStruct]) -> str:
        """Read a structure; return the variable that holds it."""
        outer = self._names, self._fields
        self._names, self._fields = Names(self._source, self._facts), cls.FIELDS
        instance = self._source.fresh("x")
        self._source.line(f"{instance} = {self._source.constant(twin(cls), 'Twin')}()")
        for run in bit_runs(cls):
            if isinstance(run[0].type, Bits):
                self._bits(cls, run, instance)
            elif run[0].when is not None:
                self._optional(run[0], run[0].when, f"{instance}.{run[0].name}")
            else:
                self._field(run[0], f"{instance}.{run[0].name}")
        self._later(f"{instance}.__class__ = {self._source.constant(cls, cls.__name__)}")
        self._names, self._fields = outer
        return instance

    def _field(self, field: Field, target: str) -> str | None:
        """Read a field; return the variable that holds its number, where it is a number with a meaning of its own."""
        word = field.type
        if isinstance(word, Code | OpenCode | Flags):
            raw = self._source.fresh("v")
            self._number(word.integer, raw)
            self._names.set(field, raw)
            if field.constant is not None:  # of the only value there is, the meaning is known
                self._check_later(f"{raw} != {int(field.constant)}")
                self._later(f"{target} = {self._source.constant(members(word.enum)[int(field.constant)])}")
                return raw
            self._later(self._meaning(word, raw, target))
        else:
            raw = None
            self._word(word, target)
            whole = self._source.constant(int.__index__, "whole")
            self._names.set(field, f"{whole}({target})" if has_flags(word) else target)
        if field.constant is not None:
            self._check_later(f"{target} != {self._literal(field.constant)}")
        return raw

    def _optional(self, field: Field, when: Condition, target: str) -> None:
        self._settle()
        with self._source.block(f"if {self._names.expression(when)}"):
            raw = self._field(field, target)
            self._settle()
        with self._source.block("else"):
            self._source.line(f"{target} = None" if raw is None else f"{raw} = {target} = None")

    def _literal(self, value: Any) -> str:
        return str(int(value)) if isinstance(value, int) else self._source.constant(value)

    def _bits(self, cls: type[WireStruct], run: list[Field], instance: str) -> None:
        size = run_size(run)
        places = bit_places(cls, run)
        raw = self._source.fresh("v")
        self._number(Integer(size, big_endian=cls.MSB_FIRST), raw)
        width = 8 * size
        values = []
        for field, bits, low in places:
            shifted = f"({raw} >> {low})" if low else raw
            value = shifted if low + bits.width == width else f"({shifted} & {(1 << bits.width) - 1:#x})"
            self._names.set(field, value)
            values.append(value)
        targets = ", ".join(f"{instance}.{field.name}" for field in run)
        if size == 1 and len(run) >= _TABLED:
            table = self._source.constant(_bits_of_a_byte(places), "bits")
            self._later(f"{targets} = {table}[{raw}]")
            return
        for (field, bits, _), value in zip(places, values, strict=True):
            self._later(f"{instance}.{field.name} = {self._bits_value(bits, value)}")
            if field.constant is not None:
                self._check_later(f"{value} != {int(field.constant)}")

    def _bits_value(self, bits: Bits[Any], value: str) -> str:
        if bits.enum is None or issubclass(bits.enum, bool):
            return value if bits.enum is None else f"{value} != 0"
        return f"{self._source.constant(members(bits.enum), bits.enum.__name__)}[{value}]"

    # words

    def _word(self, word: WireType[Any], target: str) -> None:
        """Read a word into ``target``."""
        match word:
            case Integer():
                self._number(word, target)
            case Code() | OpenCode() | Flags():
                raw = self._source.fresh("v")
                self._number(word.integer, raw)
                self._later(self._meaning(word, raw, target))
            case Bytes():
                self._bytes(word, target)
            case Nested():
                self._nested(word, target)
            case Array():
                self._array(word, target)
            case Within():
                self._within(word, target)
            case Switch():
                self._switch(word, target)

    def _value(self, word: WireType[Any]) -> str:
        """Read a word; return the variable that holds it."""
        if isinstance(word, Nested) and not _is_shared(word):
            return self.structure(word.struct)
        variable = self._source.fresh("y")
        self._word(word, variable)
        return variable

    def _number(self, integer: Integer, target: str) -> None:
        order, parts = order_of(integer), chunks(integer)
        if len(parts) == 1:
            self._gather(parts[0][0], target, order)
            return
        names = [self._source.fresh("p") for _ in parts]
        for (code, _), name in zip(parts, names, strict=True):
            self._gather(code, name, order)
        shifted = (f"{name} << {shift}" if shift else name for (_, shift), name in zip(parts, names, strict=True))
        self._later(f"{target} = {' | '.join(shifted)}")

    def _meaning(self, word: Code[Any] | OpenCode[Any] | Flags[Any], raw: str, target: str) -> str:
        return f"{target} = {self._source.constant(members(word.enum), word.enum.__name__)}[{raw}]"

    def _bytes(self, word: Bytes, target: str) -> None:
        if isinstance(word.size, int):
            self._gather(f"{word.size}s", target)
        elif isinstance(word.size, Rest):
            self.flush()
            self._source.line(f"{target} = {self.place.data}[{self.place.offset}:]")
            self.place.move(self.place.end)
        else:
            stop = self._stop(word.size)
            self._source.line(f"{target} = {self.place.data}[{self.place.offset}:{stop}]")
            self.place.move(stop)

    def _stop(self, size: int | Expression) -> str:
        """Return the variable that holds the offset ``size`` bytes further on, checked."""
        self.flush()
        stop = self._source.fresh("e")
        text = str(size) if isinstance(size, int) else self._names.expression(size)
        self._source.line(f"{stop} = {self.place.offset} + {text}")
        self._check_stop(stop, isinstance(size, int) or is_natural(size, self._fields))
        return stop

    def _check_stop(self, stop: str, is_behind: bool) -> None:
        beyond = f"{stop} > {self.place.end}"
        self._source.surprise(beyond if is_behind else f"{beyond} or {stop} < {self.place.offset}")

    def _nested(self, word: Nested[Any], target: str) -> None:
        if _is_shared(word):
            raw = self._source.fresh("v")
            self._gather("B", raw)
            table = self._source.constant(_of_a_byte(word.struct), word.struct.__name__)
            self._later(f"{target} = {table}[{raw}]")
        else:
            instance = self.structure(word.struct)
            self._later(f"{target} = {instance}")

    # elements

    def _array(self, word: Array[Any], target: str) -> None:
        count, element = word.count, word.element
        if isinstance(count, int) and count <= _UNROLLED and isinstance(element, _NUMBERS):
            names = [self._value(element) for _ in range(count)]
            self._later(f"{target} = ({''.join(f'{name}, ' for name in names)})")
        elif size := fixed_size(element):
            self._even_elements(word, size, target)
        else:
            self._uneven_elements(word, target)

    def _even_elements(self, word: Array[Any], size: int, target: str) -> None:
        """Elements of one size."""
        element = word.element
        integer = integer_of(element)
        code = struct_code(integer) if integer is not None and not _is_octet(element) else None
        self.flush()
        count, stop = self._extent(word.count, size, is_checked=code is None)
        start, data = self.place.offset, self.place.data
        if _is_octet(element) or _is_shared(element):
            self._source.line(f"{target} = tuple({self._mapped(element, f'{data}[{start}:{stop}]')})")
        elif code is not None and integer is not None:  # which checks the size by itself
            table = self._source.constant(Counted(order_of(integer), code, "unpack_from"), f"{code}s")
            numbers = f"{table}[{count}]({data}, {start})"
            mapped = self._mapped(element, numbers)
            self._source.line(f"{target} = {numbers if mapped is numbers else f'tuple({mapped})'}")
        elif isinstance(element, Bytes):
            items = f"[{data}[i:i + {size}] for i in range({start}, {stop}, {size})]"
            self._source.line(f"{target} = tuple({items})")
        else:
            self._even_loop(element, size, stop, target)
        self.place.move(stop)

    def _extent(self, count: Size, size: int, *, is_checked: bool) -> tuple[str, str]:
        """Return how many elements of ``size`` bytes there are, and the variable that holds where they stop."""
        if isinstance(count, Rest):
            left = f"({self.place.end} - ({self.place.offset}))"
            if size > 1:
                self._source.surprise(f"{left} % {size}")
            return f"{left} // {size}", self.place.end
        number = str(count) if isinstance(count, int) else self._names.expression(count)
        if isinstance(count, Expression) and not number.isidentifier():
            variable = self._source.fresh("n")
            self._source.line(f"{variable} = {number}")
            number = variable
        stop = self._source.fresh("e")
        self._source.line(f"{stop} = {self.place.offset} + {number} * {size}")
        if is_checked:
            self._check_stop(stop, isinstance(count, int) or is_natural(count, self._fields))
        return number, stop

    def _even_loop(self, element: WireType[Any], size: int, stop: str, target: str) -> None:
        """A loop; elements that are one run each are unpacked by one iterator."""
        items, cursor = self._source.fresh("items"), self._source.fresh("o")
        self._source.line(f"{items} = []")
        outer, self.place = self.place, attrs.evolve(self.place, cursor=cursor, base=cursor, add=0)
        with self._source.block_to_name() as name:
            item = self._value(element)
            run = self._run
            if self.place.offset == cursor and run.codes:
                self._run = _Run()
                values = [self._source.fresh("v") if "." in value else value for value in run.targets]
                for value, variable in zip(run.targets, values, strict=True):
                    if value != variable:
                        self._source.line(f"{value} = {variable}")
                for line in run.after:
                    self._source.line(line)
                unpack = self._source.constant(struct.Struct(run.format).iter_unpack, "unpack")
                name(f"for {', '.join(values)}, in {unpack}({outer.data}[{outer.offset}:{stop}])")
            else:
                self.flush()
                name(f"for {cursor} in range({outer.offset}, {stop}, {size})")
            self._source.line(f"{items}.append({item})")
        self.place = outer
        self._source.line(f"{target} = tuple({items})")

    def _mapped(self, element: WireType[Any], numbers: str) -> str:
        """Return what makes elements of numbers."""
        if isinstance(element, Integer):
            return numbers
        look_up = _of_a_byte(element.struct).__getitem__ if isinstance(element, Nested) else _meaning(element)
        return f"map({self._source.constant(look_up, 'member')}, {numbers})"

    def _uneven_elements(self, word: Array[Any], target: str) -> None:
        """Elements of sizes of their own."""
        items = self._source.fresh("items")
        self._settle()
        self._source.line(f"{items} = []")
        place, minimum = self.place, word.element.minimum_size
        header = f"while {place.cursor} < {place.end}"
        if not isinstance(word.count, Rest):
            count = self._source.fresh("n")
            text = str(word.count) if isinstance(word.count, int) else self._names.expression(word.count)
            self._source.line(f"{count} = {text}")
            if isinstance(word.count, Expression) and not is_natural(word.count, self._fields):
                self._source.surprise(f"{count} < 0")
            if minimum:
                self._source.surprise(f"{count} * {minimum} > {place.end} - {place.cursor}")
            header = f"for _ in range({count})"
        with self._source.block(header):
            before = self._source.fresh("o")
            if not minimum:
                self._source.line(f"{before} = {place.cursor}")
            item = self._value(word.element)
            self._settle()
            if not minimum:
                self._source.surprise(f"{place.cursor} == {before}")
            self._source.line(f"{items}.append({item})")
        self._source.line(f"{target} = tuple({items})")

    # sizes and choices

    def _within(self, word: Within[Any], target: str) -> None:
        if isinstance(word.size, int) and fixed_size(word.element) == word.size:
            self._word(word.element, target)
            return
        if isinstance(word.size, Rest):
            self.flush()
            stop = self.place.end
        else:
            stop = self._stop(word.size)
        data, end, cursor = self._source.fresh("data"), self._source.fresh("end"), self._source.fresh("o")
        self._source.line(f"{data} = {self.place.data}[{self.place.offset}:{stop}]")
        self._source.line(f"{end} = len({data})")
        outer, self.place = self.place, _Place(data, end, cursor, "0")
        self._word(word.element, target)
        self.flush()
        if self.place.offset != end:
            self._source.surprise(f"{self.place.offset} != {end}")
        self.place = outer
        self.place.move(stop)

    def _switch(self, word: Switch, target: str) -> None:
        if (integer := shared_integer(word)) is not None:
            self._uniform_switch(word, integer, target)
            return
        self._settle()
        chosen = self._chosen(word)
        keyword = "if"
        for values, arm in grouped(word):
            if values is None:
                continue
            with self._source.block(f"{keyword} {self._source.choice(chosen, values)}"):
                self._arm(arm, target)
            keyword = "elif"
        with self._source.block("else" if keyword == "elif" else "if True"):
            if word.default is None:
                self._source.fail()
            else:
                self._arm(word.default, target)

    def _chosen(self, word: Switch) -> str:
        text = self._names.expression(word.field)
        chosen = self._source.fresh("s")
        self._source.line(f"{chosen} = {text}")
        return chosen

    def _arm(self, word: WireType[Any], target: str) -> None:
        """One arm; a structure is read by its own reader, so that an arm that is never met costs nothing."""
        if isinstance(word, Nested):
            cls = self._source.constant(word.struct, word.struct.__name__)
            self._source.line(
                f"{target}, {self.place.cursor} = {cls}._READ({self.place.data}, given, {self.place.offset})"
            )
            self.place.move(self.place.cursor)
        else:
            self._word(word, target)
            self._settle()

    def _uniform_switch(self, word: Switch, integer: Integer, target: str) -> None:
        """Arms that are all the same integer, and only mean different things."""
        raw = self._source.fresh("v")
        meanings = {int(value): _meaning(arm) for value, arm in word.cases.items()}
        table = self._source.constant(meanings, "meanings")
        self._number(integer, raw)
        chosen = f"({self._names.expression(word.field)})"
        if word.default is None:
            found = f"{table}[{chosen}]"
        else:
            found = f"{table}.get({chosen}, {self._source.constant(_meaning(word.default), 'meaning')})"
        self._later(f"{target} = {found}({raw})")


def _meaning(word: WireType[Any]) -> Callable[[int], Any]:
    return members(word.enum).__getitem__ if isinstance(word, Code | OpenCode | Flags) else int


def _is_octet(word: WireType[Any]) -> bool:
    integer = integer_of(word)
    return integer is not None and integer.size == 1 and not integer.signed


def _is_shared(word: WireType[Any]) -> bool:
    """Return whether a structure is one byte and nothing else, so that 256 frozen objects are all there are."""
    return isinstance(word, Nested) and fixed_size(word) == 1 and not word.struct.GIVEN


def _of_a_byte(cls: type[WireStruct]) -> OneByte[WireStruct]:
    """Return the table of the structures of one byte."""
    return OneByte(lambda value: cls._READ(bytes((value,)), {})[0])


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
