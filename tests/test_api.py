"""What pytio promises is what pytio has: every public module's ``__all__`` against reality."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar

import pytest

import pytio

EXTRAS = {"rich", "pandas", "pyarrow"}  # what a module may need beyond the base dependencies


def public_modules() -> Iterator[str]:
    """Yield the dotted name of every module that has no private part in it."""
    yield "pytio"
    for found in pkgutil.walk_packages(pytio.__path__, "pytio."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield found.name


MODULES = sorted(public_modules())


def load(name: str) -> ModuleType:
    """Import a module; skip the test when an optional dependency is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in EXTRAS:
            pytest.skip(f"{name} needs {error.name}")
        raise


def exported(module: ModuleType) -> tuple[str, ...]:
    """Return the module's ``__all__``."""
    names: tuple[str, ...] = module.__all__
    return names


def assigned(module: ModuleType) -> dict[str, bool]:
    """Return each public name that the module's own top level assigns, and whether it is documented.

    Documented is a string under the assignment, or a ``#:`` comment above or beside it.
    """
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    lines = source.splitlines()
    body = ast.parse(source).body
    documented: dict[str, bool] = {}
    for statement, after in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                near = (lines[statement.lineno - 2], lines[(statement.end_lineno or statement.lineno) - 1])
                beside = any("#: " in line for line in near)
                if not name.startswith("_"):
                    documented[name] = below or beside
    return documented


def test_the_modules_are_found() -> None:
    assert {"pytio", "pytio.errors", "pytio.wire"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_all_is_a_tuple_of_names_that_exist(name: str) -> None:
    module = load(name)
    assert isinstance(getattr(module, "__all__", None), tuple), f"{name} has no __all__ tuple"
    names = exported(module)
    assert len(set(names)) == len(names)
    assert [missing for missing in names if not hasattr(module, missing)] == []


@pytest.mark.parametrize("name", MODULES)
def test_nothing_public_is_missing_from_all(name: str) -> None:
    module = load(name)
    defined = {
        key
        for key, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == name
    }
    variables = {key for key, value in vars(module).items() if isinstance(value, TypeVar | ParamSpec)}
    public = {key for key in defined | assigned(module).keys() if not key.startswith("_")} - variables
    assert sorted(public - set(exported(module))) == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    """Check the module, the classes and functions it exports, and the constants it defines."""
    module = load(name)
    assert module.__doc__, f"{name} has no docstring"
    constants = assigned(module)
    undocumented = []
    for key in exported(module):
        value = getattr(module, key)
        if inspect.isclass(value) or inspect.isroutine(value):
            if not vars(value).get("__doc__", value.__doc__):
                undocumented.append(key)
        elif not constants.get(key, True):
            undocumented.append(key)
    assert undocumented == []


def test_the_package_lists_its_names_before_it_loads_them() -> None:
    """``dir(pytio)`` shows every public name in a fresh interpreter, and asking for one resolves it."""
    code = "import pytio, sys; print(*dir(pytio)); print('pytio.errors' in sys.modules, pytio.DecodeError.__module__)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert set(pytio.__all__) <= set(said[0].split())
    assert said[1] == "False pytio.errors"


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pytio' has no attribute 'open_captures'"):
        _ = pytio.open_captures  # type: ignore[attr-defined]  # that is the point


def test_the_version_is_the_distributions() -> None:
    assert pytio.__version__ == importlib.import_module("importlib.metadata").version("pytio")
