"""Sizes, counts and conditions: the little arithmetic that a wire format may do.

``this.length`` is an earlier field of the same structure, ``given.digest`` a fact that only the connection knows and
the caller passes to ``parse``. Both add, subtract and multiply into a `Linear` expression, and compare into a
`Condition`. The vocabulary is closed on purpose: whatever is written here can be evaluated (construct), written down
as source (`pytio.wire.derive`), put in words (documentation), and a linear one can be solved for one of its symbols,
which is how a length field fills itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import attrs

__all__ = (
    "Computed",
    "Condition",
    "Expression",
    "Linear",
    "Operator",
    "Scope",
    "Symbol",
    "Values",
    "given",
    "solve",
    "this",
)


class Scope(Enum):
    """Where a symbol's value comes from."""

    THIS = "this"
    GIVEN = "given"


@attrs.frozen
class Symbol:
    """One name an expression reads."""

    scope: Scope
    name: str

    def __str__(self) -> str:
        """Return the name as documentation shows it."""
        return self.name


#: What answers for the symbols of an expression.
Values: TypeAlias = Callable[[Symbol], int]


class Expression(ABC):
    """What a size, a count or a condition may be, beside a plain integer."""

    @abstractmethod
    def symbols(self) -> tuple[Symbol, ...]:
        """Return the names this expression reads, in the order of first use."""

    @abstractmethod
    def evaluate(self, values: Values) -> int:
        """Return the value, with ``values`` answering for each symbol."""

    @abstractmethod
    def source(self, render: Callable[[Symbol], str], constant: Callable[[object], str]) -> str:
        """Return Python source for the value; ``constant`` gives a name to each object that it needs."""


@attrs.frozen(eq=False)
class Linear(Expression):
    """A sum of symbols with integer factors, plus a constant; true as a condition when it is not zero."""

    terms: tuple[tuple[Symbol, int], ...]
    constant: int = 0

    def symbols(self) -> tuple[Symbol, ...]:
        """Return the symbols of the terms."""
        return tuple(symbol for symbol, _ in self.terms)

    def evaluate(self, values: Values) -> int:
        """Return the sum."""
        return self.constant + sum(factor * values(symbol) for symbol, factor in self.terms)

    def source(self, render: Callable[[Symbol], str], constant: Callable[[object], str]) -> str:
        """Return the sum as Python source."""
        parts = [render(symbol) if factor == 1 else f"{factor} * {render(symbol)}" for symbol, factor in self.terms]
        if self.constant:
            parts.append(str(self.constant))
        return " + ".join(parts).replace("+ -", "- ")

    def __str__(self) -> str:
        """Return the sum as documentation shows it."""
        return self.source(str, str)

    def __add__(self, other: Linear | int) -> Linear:
        if isinstance(other, int):
            return Linear(self.terms, self.constant + other)
        factors = dict(self.terms)
        for symbol, factor in other.terms:
            factors[symbol] = factors.get(symbol, 0) + factor
        return Linear(tuple(factors.items()), self.constant + other.constant)

    def __radd__(self, other: int) -> Linear:
        return self + other

    def __mul__(self, factor: int) -> Linear:
        return Linear(tuple((symbol, own * factor) for symbol, own in self.terms), self.constant * factor)

    def __rmul__(self, factor: int) -> Linear:
        return self * factor

    def __sub__(self, other: Linear | int) -> Linear:
        return self + other * -1

    def __rsub__(self, other: int) -> Linear:
        return self * -1 + other

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]  # comparing builds a condition
        return self._compare("==", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("!=", other)

    def __ge__(self, other: int) -> Condition:
        return self._compare(">=", other)

    def __lt__(self, other: int) -> Condition:
        return self._compare("<", other)

    def __and__(self, other: Linear | Condition) -> Condition:
        return self.is_set() & other

    def __hash__(self) -> int:
        return hash((self.terms, self.constant))

    def _compare(self, operator: Operator, other: object) -> Condition:
        if not isinstance(other, int):
            raise TypeError(f"a wire expression compares with an integer, not {other!r}")
        return Condition(((self, operator, other),))

    def is_set(self) -> Condition:
        """Return the condition that this is not zero."""
        return self != 0

    def has(self, flag: int) -> Condition:
        """Return the condition that all bits of ``flag`` are set."""
        return Condition(((self, "has", flag),))


#: How a condition compares.
Operator: TypeAlias = Literal["==", "!=", ">=", "<", "has"]
_OPERATIONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "has": lambda a, b: a & b == b,
}


@attrs.frozen
class Condition(Expression):
    """Comparisons that must all hold."""

    tests: tuple[tuple[Linear, Operator, int], ...]

    def symbols(self) -> tuple[Symbol, ...]:
        """Return the symbols of all comparisons."""
        return tuple(dict.fromkeys(symbol for left, _, _ in self.tests for symbol in left.symbols()))

    def evaluate(self, values: Values) -> int:
        """Return 1 if all comparisons hold, else 0."""
        return int(all(_OPERATIONS[op](left.evaluate(values), int(right)) for left, op, right in self.tests))

    def source(self, render: Callable[[Symbol], str], constant: Callable[[object], str]) -> str:
        """Return the comparisons as Python source."""
        parts = []
        for left, operator, right in self.tests:
            value, number = left.source(render, constant), int(right)
            parts.append(f"({value}) & {number} == {number}" if operator == "has" else f"{value} {operator} {number}")
        return " and ".join(parts)

    def __str__(self) -> str:
        """Return the comparisons as documentation shows them."""
        return " and ".join(_in_words(left, operator, right) for left, operator, right in self.tests)

    def __and__(self, other: Linear | Condition) -> Condition:
        tests = other.tests if isinstance(other, Condition) else other.is_set().tests
        return Condition(self.tests + tests)


def _in_words(left: Linear, operator: Operator, right: int) -> str:
    if operator == "!=" and right == 0 and not isinstance(right, Enum):
        return f"{left} set"
    if str(left) == "version" and operator in (">=", "<"):
        dotted = f"{right >> 4}.{right & 0xF}"  # an SPDM version byte: major and minor nibble
        return f"{dotted} and later" if operator == ">=" else f"before {dotted}"
    return f"{left} {operator} {getattr(right, 'name', None) or hex(right)}"


@attrs.frozen(eq=False)
class Computed(Expression):
    """A size or count that a pure function makes from earlier fields; it checks, but cannot be solved."""

    function: Callable[..., int]
    arguments: tuple[Linear, ...]

    def symbols(self) -> tuple[Symbol, ...]:
        """Return the symbols of the arguments."""
        return tuple(dict.fromkeys(symbol for argument in self.arguments for symbol in argument.symbols()))

    def evaluate(self, values: Values) -> int:
        """Call the function."""
        return self.function(*(argument.evaluate(values) for argument in self.arguments))

    def source(self, render: Callable[[Symbol], str], constant: Callable[[object], str]) -> str:
        """Return the call as Python source."""
        return (
            f"{constant(self.function)}({', '.join(argument.source(render, constant) for argument in self.arguments)})"
        )

    def __str__(self) -> str:
        """Return the call as documentation shows it."""
        return f"{self.function.__name__}({', '.join(map(str, self.arguments))})"


class _Names:
    """``this`` and ``given``: an attribute is a symbol."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __getattr__(self, name: str) -> Linear:
        if name.startswith("__"):
            raise AttributeError(name)
        return Linear(((Symbol(self._scope, name), 1),))


#: An earlier field of the same structure: ``this.length``.
this: Final[Any] = _Names(Scope.THIS)
#: A fact that the caller of ``parse`` gives: ``given.digest``.
given: Final[Any] = _Names(Scope.GIVEN)


def solve(expression: Expression, unknown: Symbol, result: int, values: Values) -> int:
    """Return the value of ``unknown`` that makes ``expression`` equal ``result``.

    Raises:
        ValueError: the expression is not linear in ``unknown``, or no integer solves it.
    """
    factor = dict(expression.terms).get(unknown, 0) if isinstance(expression, Linear) else 0
    if not factor:
        raise ValueError(f"{expression} cannot be solved for {unknown}")
    rest = expression.evaluate(lambda symbol: 0 if symbol == unknown else values(symbol))
    value, remainder = divmod(result - rest, factor)
    if remainder:
        raise ValueError(f"{result} is not a possible value of {expression}")
    return value
