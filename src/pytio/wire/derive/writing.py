"""From a field list to the source of its writer: the mirror of `pytio.wire.derive.reading`.

The code goes through the fields in the order of the bytes. What has a fixed size joins the open *run*, one
``struct`` call for all of it; everything else is a part of its own, and the parts are joined. ``struct`` cuts and pads
bytes in silence, so lengths are compared before it sees them; a given fact takes the value that the first field of it
has, and every other has to agree.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio.wire.declaration import fixed_size
from pytio.wire.derive.source import (
    Names,
    Source,
    chunks,
    grouped,
    has_flags,
    integer_of,
    order_of,
    shared_integer,
    struct_code,
)
from pytio.wire.derive.tables import Counted, members
from pytio.wire.enums import OpenEnum, WireFlag
from pytio.wire.expressions import Condition, Expression, Linear, Scope, Symbol
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

__all__ = ("make_writer",)

_NUMBERS = (Integer, Code, OpenCode, Flags)
_ADDED: Final = 2  # parts up to which adding is faster than joining
_UNROLLED: Final = 16  # elements of a fixed array that become values of one run


def make_writer(cls: type[WireStruct]) -> tuple[Callable[[Any], bytes], str]:
    """Return the writer of ``cls`` and its source."""
    source = Source()
    writing = _Writing(source, cls.GIVEN)
    with source.block("def write(x)"):
        for name in sorted(cls.GIVEN):  # what sizes have said, and what presence has said
            source.line(f"g_{name} = q_{name} = None")
        writing.structure(cls, "x")
        source.line(f"return {writing.joined()}")
    return source.function("write", f"writer of {cls.__qualname__}"), source.text()


@attrs.define
class _Run:
    """Values of fixed size that are packed at once."""

    order: str = ""
    codes: list[str] = attrs.Factory(list)
    values: list[str] = attrs.Factory(list)


class _Writing:
    """Writes the body of one writer."""

    def __init__(self, source: Source, facts: frozenset[str]) -> None:
        self._source = source
        self._facts = {name: f"g_{name}" for name in facts}
        self._run = _Run()
        self._parts: list[str] = []
        self._names = Names(source, self._facts)

    # runs and parts

    def _flush(self) -> None:
        """Turn the open run into a part."""
        run, self._run = self._run, _Run()
        if run.codes:
            layout = struct.Struct((run.order or "<") + "".join(run.codes))
            pack = self._source.constant(layout.pack, "pack")
            self._parts.append(f"{pack}({', '.join(run.values)})")

    def _gather(self, code: str, value: str, order: str = "") -> None:
        if order and self._run.order not in ("", order):
            self._flush()
        self._run.order = self._run.order or order
        self._run.codes.append(code)
        self._run.values.append(value)

    def _part(self, text: str) -> None:
        self._flush()
        self._parts.append(text)

    def joined(self) -> str:
        """Return what makes bytes of all parts so far, and forget them."""
        self._flush()
        parts, self._parts = self._parts, []
        if not parts:
            return "b''"
        return " + ".join(parts) if len(parts) <= _ADDED else f"b''.join(({', '.join(parts)}))"

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Gather parts of their own for a while."""
        self._flush()
        outer, self._parts = self._parts, []
        yield
        self._parts = outer

    # structures

    def structure(self, cls: type[WireStruct], instance: str) -> None:
        """Write the structure that a variable holds."""
        outer, self._names = self._names, Names(self._source, self._facts)
        for run in bit_runs(cls):
            field = run[0]
            value = f"{instance}.{field.name}"
            if isinstance(field.type, Bits):
                self._bits(cls, run, instance)
                continue
            self._name(field, value)
            if field.constant is not None:
                self._constant(field)
            elif field.when is not None:
                self._optional(field, field.when, value)
            else:
                self._word(field.type, value)
        self._names = outer

    def _name(self, field: Field, value: str) -> None:
        """Give symbols the field's number."""
        self._names.set(field, self._whole(value) if has_flags(field.type) else value)

    def _whole(self, value: str) -> str:
        return f"{self._source.constant(int.__index__, 'whole')}({value})"

    def _decision(self, expression: Expression) -> str:
        """Return what stands for an expression that decides: adding nothing tells a number from a stranger's object."""
        return expression.source(lambda symbol: f"{self._names.symbol(symbol)} + 0", self._source.constant)

    def _constant(self, field: Field) -> None:
        value, word = field.constant, field.type
        integer = integer_of(word)
        if integer is not None:
            self._number(integer, str(int(value)))
        elif isinstance(word, Bytes):
            self._gather(f"{len(value)}s", self._source.constant(value))
        else:
            self._word(word, self._source.constant(value))

    def _optional(self, field: Field, when: Condition, value: str) -> None:
        written, held = self._source.fresh("w"), self._variable(value)
        with self._apart():
            with self._source.block(f"if {self._presence(when, held)}"):
                self._source.surprise(f"{held} is None")
                self._word(field.type, held)
                self._source.line(f"{written} = {self.joined()}")
            with self._source.block("else"):
                self._source.surprise(f"{held} is not None")
                self._source.line(f"{written} = b''")
        self._part(written)

    def _presence(self, when: Condition, held: str) -> str:
        """Return the condition; a given fact that no size has said is learned from the first field it governs."""
        names = [symbol.name for symbol in when.symbols() if symbol.scope is Scope.GIVEN]
        if not names:
            return self._decision(when)
        ours = tuple(test for test in when.tests if all(s.scope is Scope.THIS for s in test[0].symbols()))
        holds = self._source.fresh("h")
        self._source.line(f"{holds} = {self._decision(Condition(ours)) if ours else 'True'}")
        with self._source.block(f"if {holds}"):
            for name in names:
                with self._source.block(f"if q_{name} is None or g_{name} is not None"):
                    self._source.line(f"q_{name} = int({held} is not None) if g_{name} is None else g_{name}")
            said = {name: f"q_{name}" for name in names}

            def learned(symbol: Symbol) -> str:
                return said[symbol.name] if symbol.scope is Scope.GIVEN else self._names.symbol(symbol)

            self._source.line(f"{holds} = {when.source(learned, self._source.constant)}")
        return holds

    def _bits(self, cls: type[WireStruct], run: list[Field], instance: str) -> None:
        size = run_size(run)
        integer = Integer(size, big_endian=cls.MSB_FIRST)
        values, excess = [], []
        for field, bits, low in bit_places(cls, run):
            value = f"{instance}.{field.name}"
            self._name(field, value)
            if field.constant is not None:
                values.append(str(int(field.constant) << low))
                continue
            if bits.enum is not None and not issubclass(bits.enum, bool | OpenEnum | WireFlag):
                self._check_member(bits.enum, value)
            if has_flags(bits):
                value = self._whole(value)
            values.append(f"{value} << {low}" if low else value)
            excess.append(f"{value} >> {bits.width}")
        if len(run) == 1:
            self._number(integer, values[0])
            return
        raw = self._source.fresh("v")
        self._source.line(f"{raw} = {' | '.join(values)}")
        if excess:
            self._source.surprise(f"{' or '.join(excess)} or {raw}.__class__ is not int")
        self._number(integer, raw)

    def _check_member(self, enum: type[Any], value: str) -> None:
        self._source.line(f"{self._source.constant(members(enum), enum.__name__)}[{value}]")

    # words

    def _word(self, word: WireType[Any], value: str) -> None:
        """Write a word whose value is ``value``."""
        match word:
            case Integer():
                self._number(word, value)
            case Code() | OpenCode() | Flags():
                if isinstance(word, Code) or (isinstance(word, OpenCode) and word.integer.signed):
                    self._check_member(word.enum, value)
                self._number(word.integer, value)
            case Bytes():
                self._bytes(word, value)
            case Nested():
                self._nested(word, value)
            case Array():
                self._array(word, value)
            case Within():
                self._within(word, value)
            case Switch():
                self._switch(word, value)

    def _number(self, integer: Integer, value: str) -> None:
        parts = chunks(integer)
        for code, shift in parts:
            moved = f"{value} >> {shift}" if shift else value
            is_top = len(parts) == 1 or shift == max(shift for _, shift in parts)
            mask = (1 << 8 * struct.calcsize(f"<{code}")) - 1
            self._gather(code, moved if is_top else f"{moved} & {mask:#x}", order_of(integer))

    def _bytes(self, word: Bytes, value: str) -> None:
        if isinstance(word.size, int):
            self._source.surprise(f"len({value}) != {word.size}")
            self._gather(f"{word.size}s", value)
            return
        held = self._held(value, bytes)
        self._measure(word.size, f"len({held})")
        self._part(held)

    def _held(self, value: str, kind: type) -> str:
        """Put a value into a variable, checked to be of one type."""
        held = self._variable(value)
        self._source.surprise(f"{held}.__class__ is not {self._source.constant(kind, kind.__name__)}")
        return held

    def _variable(self, value: str) -> str:
        if value.isidentifier():
            return value
        held = self._source.fresh("y")
        self._source.line(f"{held} = {value}")
        return held

    def _nested(self, word: Nested[Any], value: str) -> None:
        self.structure(word.struct, self._held(value, word.struct))

    def _measure(self, size: Size, measured: str) -> None:
        """Compare what a value measures with what its size says; learn a given fact that nothing has said yet."""
        if isinstance(size, Rest):
            return
        if isinstance(size, int):
            self._source.surprise(f"{measured} != {size}")
            return
        facts = [symbol for symbol in size.symbols() if symbol.scope is Scope.GIVEN]
        if len(facts) == 1 and isinstance(size, Linear):
            self._learn(size, facts[0], measured)
        else:
            for symbol in facts:
                self._source.surprise(f"g_{symbol.name} is None")
            expected = self._names.expression(size) if isinstance(size, Linear) else self._decision(size)
            self._source.surprise(f"{measured} != {expected}")

    def _learn(self, size: Linear, fact: Symbol, measured: str) -> None:
        name, factor = self._facts[fact.name], dict(size.terms)[fact]
        rest = Linear(tuple(term for term in size.terms if term[0] is not fact), size.constant)
        others = self._names.expression(rest) or "0"
        with self._source.block(f"if {name} is None"):
            if factor == 1:
                self._source.line(f"{name} = {measured} - ({others})")
                self._source.surprise(f"{name} < 0")
            else:
                self._source.line(f"{name}, r = divmod({measured} - ({others}), {factor})")
                self._source.surprise(f"r or {name} < 0")
        with self._source.block(f"elif {measured} != {self._names.expression(size)}"):
            self._source.fail()

    # elements

    def _array(self, word: Array[Any], value: str) -> None:
        count, element = word.count, word.element
        held = self._held(value, tuple)
        if isinstance(count, int) and count <= _UNROLLED and isinstance(element, _NUMBERS):
            names = [self._source.fresh("y") for _ in range(count)]
            self._source.surprise(f"len({held}) != {count}")
            if names:
                self._source.line(f"{', '.join(names)}, = {held}")
            for name in names:
                self._word(element, name)
            return
        self._measure(count, f"len({held})")
        integer = integer_of(element)
        if integer is not None and (code := struct_code(integer)):
            self._plain_elements(element, integer, code, held)
        elif isinstance(element, Bytes) and isinstance(element.size, int) and element.size:
            item = self._source.fresh("y")
            with self._source.block(f"for {item} in {held}"):
                self._source.surprise(f"{item}.__class__ is not bytes or len({item}) != {element.size}")
            self._part(f"b''.join({held})")
        else:
            self._loop(element, held)

    def _plain_elements(self, element: WireType[Any], integer: Integer, code: str, held: str) -> None:
        if isinstance(element, Code) or (isinstance(element, OpenCode) and integer.signed):
            look_up = self._source.constant(members(element.enum).__getitem__, "member")
            self._source.line(f"list(map({look_up}, {held}))")
        if integer.size == 1 and not integer.signed:
            self._part(f"bytes({held})")
        else:
            table = self._source.constant(Counted(order_of(integer), code, "pack"), f"{code}s")
            self._part(f"{table}[len({held})](*{held})")

    def _loop(self, element: WireType[Any], held: str) -> None:
        item, written = self._source.fresh("y"), self._source.fresh("w")
        self._source.line(f"{written} = []")
        with self._apart(), self._source.block(f"for {item} in {held}"):
            self._word(element, item)
            text = self.joined()
            if not element.minimum_size:
                self._source.line(f"{item} = {text}")
                self._source.surprise(f"not {item}")
                text = item
            self._source.line(f"{written}.append({text})")
        self._part(f"b''.join({written})")

    # sizes and choices

    def _within(self, word: Within[Any], value: str) -> None:
        if isinstance(word.size, int) and fixed_size(word.element) == word.size:
            self._word(word.element, value)
            return
        written = self._source.fresh("w")
        with self._apart():
            self._word(word.element, value)
            self._source.line(f"{written} = {self.joined()}")
        self._measure(word.size, f"len({written})")
        self._part(written)

    def _switch(self, word: Switch, value: str) -> None:
        chosen, written = self._source.fresh("s"), self._source.fresh("w")
        self._source.line(f"{chosen} = {self._decision(word.field)}")
        integer = shared_integer(word)
        if integer is not None and not any(isinstance(arm, Code) for _, arm in grouped(word)):
            if word.default is None:
                cases = self._source.constant(frozenset(map(int, word.cases)), "cases")
                self._source.surprise(f"{chosen} not in {cases}")
            self._number(integer, value)
            return
        held = self._variable(value)
        keyword = "if"
        with self._apart():
            for values, arm in grouped(word):
                if values is None:
                    continue
                with self._source.block(f"{keyword} {self._source.choice(chosen, values)}"):
                    self._arm(arm, held, written)
                keyword = "elif"
            with self._source.block("else" if keyword == "elif" else "if True"):
                if word.default is None:
                    self._source.fail()
                else:
                    self._arm(word.default, held, written)
        self._part(written)

    def _arm(self, word: WireType[Any], held: str, written: str) -> None:
        """One arm; a structure is written by its own writer, unless it has to agree on facts."""
        if isinstance(word, Nested) and not word.struct.GIVEN:
            cls = self._source.constant(word.struct, word.struct.__name__)
            self._source.surprise(f"{held}.__class__ is not {cls}")
            self._source.line(f"{written} = {held}._WRITE()")
        else:
            self._word(word, held)
            self._source.line(f"{written} = {self.joined()}")
