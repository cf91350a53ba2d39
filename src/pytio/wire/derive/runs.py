"""What every reader in the making does: gather values of fixed size, read them at once, and know where it is."""

from __future__ import annotations

import struct

import attrs

from pytio.wire.derive.source import Names, Source, chunks, is_natural, order_of
from pytio.wire.expressions import Expression
from pytio.wire.fields import Field
from pytio.wire.vocabulary import Integer

__all__ = ("Place", "Run", "Runs")


@attrs.define
class Run:
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
class Place:
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


class Runs:
    """The open run, the place in the bytes, and the names of the structure at hand."""

    def __init__(self, source: Source, facts: dict[str, str]) -> None:
        self.source = source
        self.facts = facts
        self.run = Run()
        self.names = Names(source, facts)
        self.fields: tuple[Field, ...] = ()
        self.place = Place()

    def flush(self) -> None:
        """Read what the open run has gathered."""
        run, self.run = self.run, Run()
        if run.codes:
            layout = struct.Struct(run.format)
            unpack = self.source.constant(layout.unpack_from, "unpack")
            targets = ", ".join(run.targets) + ("," if len(run.targets) == 1 else "")
            self.source.line(f"{targets} = {unpack}({self.place.data}, {self.place.offset})")
            self.place.add += layout.size
        for line in run.after:
            self.source.line(line)

    def gather(self, code: str, target: str, order: str = "") -> None:
        """Add a value to the open run, which has one byte order."""
        if order and self.run.order not in ("", order):
            self.flush()
        self.run.order = self.run.order or order
        self.run.codes.append(code)
        self.run.targets.append(target)

    def later(self, line: str) -> None:
        """Add a line that needs the values of the open run."""
        if self.run.codes:
            self.run.after.append(line)
        else:
            self.source.line(line)

    def check_later(self, condition: str) -> None:
        """Add a check that needs the values of the open run."""
        self.later(self.source.check(condition))

    def settle(self) -> None:
        """Put the offset into the variable that it has in every branch and round."""
        self.flush()
        if self.place.offset != self.place.cursor:
            self.source.line(f"{self.place.cursor} = {self.place.offset}")
        self.place.move(self.place.cursor)

    def number(self, integer: Integer, target: str) -> None:
        """Read an integer of any size into ``target``."""
        order, parts = order_of(integer), chunks(integer)
        if len(parts) == 1:
            self.gather(parts[0][0], target, order)
            return
        names = [self.source.fresh("p") for _ in parts]
        for (code, _), name in zip(parts, names, strict=True):
            self.gather(code, name, order)
        shifted = (f"{name} << {shift}" if shift else name for (_, shift), name in zip(parts, names, strict=True))
        self.later(f"{target} = {' | '.join(shifted)}")

    def stop(self, size: int | Expression) -> str:
        """Return the variable that holds the offset ``size`` bytes further on, checked."""
        self.flush()
        stop = self.source.fresh("e")
        text = str(size) if isinstance(size, int) else self.names.expression(size)
        self.source.line(f"{stop} = {self.place.offset} + {text}")
        self.check_stop(stop, isinstance(size, int) or is_natural(size, self.fields))
        return stop

    def check_stop(self, stop: str, is_behind: bool) -> None:
        """Check that the bytes reach an offset, and that it lies ahead, unless it is known to."""
        beyond = f"{stop} > {self.place.end}"
        self.source.surprise(beyond if is_behind else f"{beyond} or {stop} < {self.place.offset}")
