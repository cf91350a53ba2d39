"""Writing Python: lines, blocks, fresh names, and names for the objects that the lines need."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytio.wire.derive import SurpriseError
from pytio.wire.derive.tables import present
from pytio.wire.enums import WireFlag
from pytio.wire.expressions import Expression, Linear, Scope, Symbol
from pytio.wire.vocabulary import Bits, Code, Flags, Integer, OpenCode, Switch, WireType

if TYPE_CHECKING:
    from pytio.wire.fields import Field

__all__ = (
    "Names",
    "Source",
    "chunks",
    "grouped",
    "has_flags",
    "integer_of",
    "is_natural",
    "order_of",
    "shared_integer",
    "struct_code",
)

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_BITS_PER_BYTE = 8


class Source:
    """One function in the making."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0
        self._names = 0
        self._constants: dict[str, object] = {}
        self._named: dict[int, str] = {}

    def line(self, text: str) -> None:
        """Add a line to the open block."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Open a block under ``header``, which is left out its colon; a block without lines gets a ``pass``."""
        self.line(f"{header}:")
        self._depth += 1
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1

    @contextmanager
    def block_to_name(self) -> Iterator[Callable[[str], None]]:
        """Open a block whose header is known only when its lines are; call what is yielded with it."""
        position, indent = len(self._lines), "    " * self._depth
        self._lines.append("")
        self._depth += 1

        def name(header: str) -> None:
            self._lines[position] = f"{indent}{header}:"

        yield name
        self._depth -= 1

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing has yet."""
        self._names += 1
        return f"{prefix}{self._names}"

    def constant(self, value: object, prefix: str = "k") -> str:
        """Return the name of an object that the code refers to; the same object has one name."""
        name = self._named.get(id(value))
        if name is None:
            name = self._named[id(value)] = self.fresh(f"{prefix}_")
            self._constants[name] = value
        return name

    def check(self, condition: str) -> str:
        """Return a line of check: if ``condition`` holds, construct shall explain."""
        return f"if {condition}: raise {self.constant(SurpriseError, 'Surprise')}"

    def surprise(self, condition: str) -> None:
        """Add a check."""
        self.line(self.check(condition))

    def fail(self) -> None:
        """Add the surprise itself."""
        self.line(f"raise {self.constant(SurpriseError, 'Surprise')}")

    def drop_unused(self, name: str) -> None:
        """Drop the line that assigns a variable which no other line reads."""
        if sum(re.search(rf"\b{name}\b", line) is not None for line in self._lines) == 1:
            self._lines = [line for line in self._lines if not line.lstrip().startswith(f"{name} = ")]

    def choice(self, chosen: str, values: tuple[int, ...]) -> str:
        """Return the test whether a variable has one of some values."""
        if len(values) == 1:
            return f"{chosen} == {values[0]}"
        return f"{chosen} in {self.constant(frozenset(values), 'cases')}"

    def text(self) -> str:
        """Return the source."""
        return "\n".join(self._lines)

    def function(self, name: str, title: str) -> Callable[..., Any]:
        """Compile, and return the function called ``name``; tracebacks show its lines under ``title``."""
        filename = f"<{title}>"
        text = self.text()
        namespace = dict(self._constants)
        exec(compile(text, filename, "exec"), namespace)  # noqa: S102  our own text, of our own declarations
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        made: Callable[..., Any] = namespace[name]  # type: ignore[assignment]  # the function just compiled
        return made


class Names:
    """What symbols are called in the code: fields of the structure at hand, and facts that are given."""

    def __init__(self, source: Source, facts: dict[str, str]) -> None:
        self._source = source
        self._facts = facts
        self._fields: dict[str, str] = {}

    def set(self, field: Field, text: str) -> None:
        """Name a field; one that may be absent surprises those who depend on it when it is."""
        if field.when is not None:
            text = f"{self._source.constant(present, 'present')}({text})"
        self._fields[field.name] = text

    def symbol(self, symbol: Symbol) -> str:
        """Return what stands for a symbol."""
        return (self._fields if symbol.scope is Scope.THIS else self._facts)[symbol.name]

    def expression(self, expression: Expression) -> str:
        """Return what stands for an expression."""
        return expression.source(self.symbol, self._source.constant)


def struct_code(integer: Integer) -> str | None:
    """Return the code that ``struct`` has for an integer, None where it has none of this size."""
    code = _CODES.get(integer.size)
    return code.lower() if code and integer.signed else code


def chunks(integer: Integer) -> list[tuple[str, int]]:
    """Return the ``struct`` codes that make up an integer of any size, in order, and the shift of each in bits."""
    if (code := struct_code(integer)) is not None:
        return [(code, 0)]
    found: list[tuple[str, int]] = []
    left, shift = integer.size, 0
    while left:
        size = next(size for size in (8, 4, 2, 1) if size <= left)
        left -= size
        is_top = integer.signed and not left
        found.append((_CODES[size].lower() if is_top else _CODES[size], shift))
        shift += _BITS_PER_BYTE * size
    return found[::-1] if integer.big_endian else found


def is_natural(expression: Expression, fields: tuple[Field, ...]) -> bool:
    """Return whether an expression cannot be negative, whatever the bytes are."""
    if not isinstance(expression, Linear) or expression.constant < 0:
        return False
    unsigned = {field.name for field in fields if _is_unsigned(field)}
    return all(
        factor > 0 and symbol.scope is Scope.THIS and symbol.name in unsigned for symbol, factor in expression.terms
    )


def _is_unsigned(field: Field) -> bool:
    word = field.type
    if isinstance(word, Code | OpenCode | Flags):
        word = word.integer
    return isinstance(word, Bits) or (isinstance(word, Integer) and not word.signed)


def grouped(word: Switch) -> list[tuple[tuple[int, ...] | None, WireType[Any]]]:
    """Return the arms, each with the values that choose it; None is for all others."""
    groups: dict[int, tuple[WireType[Any], list[int]]] = {}
    for value, arm in word.cases.items():
        groups.setdefault(id(arm), (arm, []))[1].append(int(value))
    arms: list[tuple[tuple[int, ...] | None, WireType[Any]]] = [(tuple(values), arm) for arm, values in groups.values()]
    return arms if word.default is None else [*arms, (None, word.default)]


def integer_of(word: WireType[Any]) -> Integer | None:
    """Return the integer that a number is on the wire, None for other words."""
    if isinstance(word, Integer):
        return word
    return word.integer if isinstance(word, Code | OpenCode | Flags) else None


def has_flags(word: WireType[Any]) -> bool:
    """Return whether a number may be flags, which calculate slowly."""
    if isinstance(word, Switch):
        return any(has_flags(arm) for arm in word.cases.values())
    enum = word.enum if isinstance(word, Flags | Bits) else None
    return enum is not None and issubclass(enum, WireFlag)


def shared_integer(word: Switch) -> Integer | None:
    """Return the integer that all arms of a switch are, if they are, so that they only differ in what it means."""
    integers = {integer_of(arm) for _, arm in grouped(word)}
    return integers.pop() if len(integers) == 1 else None


def order_of(integer: Integer) -> str:
    """Return the byte order as ``struct`` writes it; nothing where there is none."""
    if integer.size == 1:
        return ""
    return ">" if integer.big_endian else "<"
