"""The arrays of a reader: elements of one size by one call or one loop, others one after the other."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio.wire.declaration import fixed_size
from pytio.wire.derive.runs import Run, Runs
from pytio.wire.derive.source import integer_of, is_natural, order_of, struct_code
from pytio.wire.derive.tables import Counted, OneByte, members
from pytio.wire.expressions import Expression
from pytio.wire.vocabulary import Array, Bytes, Code, Flags, Integer, Nested, OpenCode, Rest, Size, WireType

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("Elements", "is_shared", "meaning", "of_a_byte")

_NUMBERS = (Integer, Code, OpenCode, Flags)
_UNROLLED: Final = 16  # elements of a fixed array that become values of one run


class Elements(Runs):
    """A reader in the making that knows arrays."""

    def value(self, word: WireType[Any]) -> str:
        """Read a word; return the variable that holds it."""
        raise NotImplementedError

    def array(self, word: Array[Any], target: str) -> None:
        """Read an array into ``target``."""
        count, element = word.count, word.element
        if isinstance(count, int) and count <= _UNROLLED and isinstance(element, _NUMBERS):
            names = [self.value(element) for _ in range(count)]
            self.later(f"{target} = ({''.join(f'{name}, ' for name in names)})")
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
        if _is_octet(element) or is_shared(element):
            self.source.line(f"{target} = tuple({self._mapped(element, f'{data}[{start}:{stop}]')})")
        elif code is not None and integer is not None:  # which checks the size by itself
            table = self.source.constant(Counted(order_of(integer), code, "unpack_from"), f"{code}s")
            numbers = f"{table}[{count}]({data}, {start})"
            mapped = self._mapped(element, numbers)
            self.source.line(f"{target} = {numbers if mapped is numbers else f'tuple({mapped})'}")
        elif isinstance(element, Bytes):
            items = f"[{data}[i:i + {size}] for i in range({start}, {stop}, {size})]"
            self.source.line(f"{target} = tuple({items})")
        else:
            self._even_loop(element, size, stop, target)
        self.place.move(stop)

    def _extent(self, count: Size, size: int, *, is_checked: bool) -> tuple[str, str]:
        """Return how many elements of ``size`` bytes there are, and the variable that holds where they stop."""
        if isinstance(count, Rest):
            left = f"({self.place.end} - ({self.place.offset}))"
            if size > 1:
                self.source.surprise(f"{left} % {size}")
            return f"{left} // {size}", self.place.end
        number = str(count) if isinstance(count, int) else self.names.expression(count)
        if isinstance(count, Expression) and not number.isidentifier():
            variable = self.source.fresh("n")
            self.source.line(f"{variable} = {number}")
            number = variable
        stop = self.source.fresh("e")
        self.source.line(f"{stop} = {self.place.offset} + {number} * {size}")
        if is_checked:
            self.check_stop(stop, isinstance(count, int) or is_natural(count, self.fields))
        return number, stop

    def _even_loop(self, element: WireType[Any], size: int, stop: str, target: str) -> None:
        """A loop; elements that are one run each are unpacked by one iterator."""
        items, cursor = self.source.fresh("items"), self.source.fresh("o")
        self.source.line(f"{items} = []")
        outer, self.place = self.place, attrs.evolve(self.place, cursor=cursor, base=cursor, add=0)
        with self.source.block_to_name() as name:
            item = self.value(element)
            run = self.run
            if self.place.offset == cursor and run.codes:
                self.run = Run()
                values = [self.source.fresh("v") if "." in value else value for value in run.targets]
                for value, variable in zip(run.targets, values, strict=True):
                    if value != variable:
                        self.source.line(f"{value} = {variable}")
                for line in run.after:
                    self.source.line(line)
                unpack = self.source.constant(struct.Struct(run.format).iter_unpack, "unpack")
                name(f"for {', '.join(values)}, in {unpack}({outer.data}[{outer.offset}:{stop}])")
            else:
                self.flush()
                name(f"for {cursor} in range({outer.offset}, {stop}, {size})")
            self.source.line(f"{items}.append({item})")
        self.place = outer
        self.source.line(f"{target} = tuple({items})")

    def _mapped(self, element: WireType[Any], numbers: str) -> str:
        """Return what makes elements of numbers."""
        if isinstance(element, Integer):
            return numbers
        look_up = of_a_byte(element.struct).__getitem__ if isinstance(element, Nested) else meaning(element)
        return f"map({self.source.constant(look_up, 'member')}, {numbers})"

    def _uneven_elements(self, word: Array[Any], target: str) -> None:
        """Elements of sizes of their own."""
        items = self.source.fresh("items")
        self.settle()
        self.source.line(f"{items} = []")
        place, minimum = self.place, word.element.minimum_size
        header = f"while {place.cursor} < {place.end}"
        if not isinstance(word.count, Rest):
            count = self.source.fresh("n")
            text = str(word.count) if isinstance(word.count, int) else self.names.expression(word.count)
            self.source.line(f"{count} = {text}")
            if isinstance(word.count, Expression) and not is_natural(word.count, self.fields):
                self.source.surprise(f"{count} < 0")
            if minimum:
                self.source.surprise(f"{count} * {minimum} > {place.end} - {place.cursor}")
            header = f"for _ in range({count})"
        with self.source.block(header):
            before = self.source.fresh("o")
            if not minimum:
                self.source.line(f"{before} = {place.cursor}")
            item = self.value(word.element)
            self.settle()
            if not minimum:
                self.source.surprise(f"{place.cursor} == {before}")
            self.source.line(f"{items}.append({item})")
        self.source.line(f"{target} = tuple({items})")


def meaning(word: WireType[Any]) -> Callable[[int], Any]:
    """Return what makes a value of a word's number."""
    return members(word.enum).__getitem__ if isinstance(word, Code | OpenCode | Flags) else int


def _is_octet(word: WireType[Any]) -> bool:
    integer = integer_of(word)
    return integer is not None and integer.size == 1 and not integer.signed


def is_shared(word: WireType[Any]) -> bool:
    """Return whether a structure is one byte and nothing else, so that 256 frozen objects are all there are."""
    return isinstance(word, Nested) and fixed_size(word) == 1 and not word.struct.GIVEN


def of_a_byte(cls: type[WireStruct]) -> OneByte[WireStruct]:
    """Return the table of the structures of one byte."""
    return OneByte(lambda value: cls._READ(bytes((value,)), {})[0])
