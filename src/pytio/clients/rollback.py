"""Taking back what was begun: the first failure is the one that is raised, what fails after it is a note to it.

This file knows no peer and no action; plans of every client use it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

__all__ = ("Undo", "roll_back", "try_all")

A = TypeVar("A")
_Step: TypeAlias = Callable[[], Generator[A, Any, Any]]


def roll_back(error: Exception, undo: Generator[A, Any, Any]) -> Generator[A, Any, None]:
    """Run a plan because of an error; that the plan fails, too, becomes a note to the error."""
    try:
        yield from undo
    except Exception as failure:  # noqa: BLE001  whatever it is, it must not hide the first error
        error.add_note(f"rolling back failed, too: {type(failure).__name__}: {failure}")


def try_all(*steps: _Step[A]) -> Generator[A, Any, None]:
    """Run every step, also after one that failed; raise the first failure, with the others as notes."""
    first: Exception | None = None
    for step in steps:
        try:
            yield from step()
        except Exception as failure:  # noqa: BLE001  it is raised when the others had their turn
            if first is None:
                first = failure
            else:
                first.add_note(f"then failed, too: {type(failure).__name__}: {failure}")
    if first is not None:
        raise first


class Undo:
    """How to take back what was done so far, last thing first."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self._steps: list[_Step[Any]] = []

    def push(self, step: _Step[Any]) -> None:
        """Remember how to take back what is done now, or is about to be."""
        self._steps.append(step)

    def unwind(self, error: Exception) -> Generator[Any, Any, None]:
        """Take everything back because of an error, each step even where one before it failed."""
        while self._steps:
            yield from roll_back(error, self._steps.pop()())
