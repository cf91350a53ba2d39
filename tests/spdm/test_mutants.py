"""The lies prove the checks: with one check taken out of an engine, the lie that it is there for goes unnoticed.

``data/mutants.toml`` lists seeded bugs. Each is applied in memory, by giving the functions of a module the code of its
changed source; the files stay as they are. A bug whose text is not found, or that changes no function, is an error.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import attrs
import pytest

from tests.spdm.lies.telling import every_lie

LIES: Final = every_lie()
TABLE: Final = Path(__file__).parent / "data" / "mutants.toml"
UNNOTICED: Final = (Exception, pytest.fail.Exception)
"""What a lie that goes unnoticed ends with: whatever is not the outcome that it asks for."""
MISTAKEN: Final = (NameError, SyntaxError, ImportError)
"""What a seeded bug that is no Python ends with."""


@attrs.frozen
class Mutant:
    """A seeded bug."""

    check: str
    """What is checked no more."""
    spec: str
    """Where the check is asked for."""
    module: str
    old: str
    new: str
    lie: str
    """The lie that tells on it."""

    def code(self) -> Iterator[tuple[FunctionType, CodeType]]:
        """Yield the functions that change, and what becomes of them."""
        module = import_module(self.module)
        assert module.__file__ is not None
        source = Path(module.__file__).read_text()
        assert source.count(self.old) == 1, f"found {source.count(self.old)} times in {self.module}: {self.old}"
        before = dict(_functions(compile(source, module.__file__, "exec")))
        after = dict(_functions(compile(source.replace(self.old, self.new), module.__file__, "exec")))
        changed = [name for name in before if _bare(before[name]) != _bare(after[name])]
        assert changed, f"no function of {self.module} changes"
        for name in changed:
            yield _found(module, name), after[name]


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Yield the code of every function that is not inside another one."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and "<" not in constant.co_qualname:
            is_class = not constant.co_flags & inspect.CO_NEWLOCALS
            if is_class:
                yield from _functions(constant)
            else:
                yield constant.co_qualname, constant


def _bare(code: CodeType) -> tuple[Any, ...]:
    """Return what a function does, wherever it stands in its file."""
    constants = (_bare(value) if isinstance(value, CodeType) else value for value in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, tuple(constants)


def _found(module: ModuleType, name: str) -> FunctionType:
    """Return a function by its qualified name, out of whatever wraps it."""
    where: Any = module
    for part in name.split("."):
        where = vars(where)[part]
    for wrapper in ("fget", "__func__", "__wrapped__"):
        where = getattr(where, wrapper, where)
    assert isinstance(where, FunctionType), name
    return where


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Have the bug until the block ends."""
    changes = list(mutant.code())
    kept = [function.__code__ for function, _ in changes]
    try:
        for function, code in changes:
            function.__code__ = code
        yield
    finally:
        for (function, _), code in zip(changes, kept, strict=True):
            function.__code__ = code


MUTANTS: Final = [Mutant(**row) for row in tomllib.loads(TABLE.read_text())["mutant"]]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{one.module.split('.', 2)[2]}-{one.lie}" for one in MUTANTS])
def test_a_missing_check_is_missed(mutant: Mutant) -> None:
    tell = LIES[mutant.lie]
    tell()
    with applied(mutant), pytest.raises(UNNOTICED) as outcome:
        tell()
    assert not isinstance(outcome.value, MISTAKEN), outcome.value
    tell()


def test_both_roles_have_seeded_bugs() -> None:
    modules = [mutant.module for mutant in MUTANTS]
    for role in ("requester", "responder"):
        assert sum(f".{role}." in module for module in modules) >= 20


def test_every_lie_tells_on_a_check() -> None:
    """All but the one that is about what comes afterwards."""
    told = {mutant.lie for mutant in MUTANTS}
    assert sorted(set(LIES) - told) == ["after_a_lie_an_honest_requester_is_heard"]


def test_a_bug_that_does_not_apply_is_an_error() -> None:
    gone = attrs.evolve(MUTANTS[0], old="there is no such line")
    with pytest.raises(AssertionError, match="found 0 times"):
        list(gone.code())
    idle = attrs.evolve(MUTANTS[0], new=MUTANTS[0].old)
    with pytest.raises(AssertionError, match="no function"):
        list(idle.code())
