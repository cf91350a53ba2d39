"""Each assumption is named in the one place that its row names, and all of the list are there."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

import pytest

from pytio.mock.psp import ASSUMPTIONS


def resolve(place: str) -> tuple[ModuleType, object]:
    """Return the module of a dotted name, and what the name stands for in it."""
    parts = place.split(".")
    for size in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        found: object = module
        for name in parts[size:]:
            found = getattr(found, name)
        return module, found
    raise LookupError(place)


@pytest.mark.parametrize("name", ASSUMPTIONS)
def test_the_place_names_the_assumption(name: str) -> None:
    module, found = resolve(ASSUMPTIONS[name].place)
    is_defined = inspect.isclass(found) or inspect.isroutine(found)
    home = inspect.getmodule(found) if is_defined else module
    assert home is not None
    assert f"`{name}`" in inspect.getsource(home)


def test_the_list_is_whole() -> None:
    numbers = [int(name.removeprefix("SEV_A")) for name in ASSUMPTIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 36
