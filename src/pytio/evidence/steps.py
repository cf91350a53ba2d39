"""A judgement in steps: what was asked, whether it holds, why, and where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from pytio.errors import VerificationError

__all__ = ("Step", "Verdict")


@attrs.frozen
class Step:
    """One question, and its answer."""

    what: str
    """What was asked, as a sentence that is to be true."""
    holds: bool
    """Whether it is."""
    reason: str = ""
    """Why, or what was found."""
    section: str = ""
    """The document and section that asks it."""
    pieces: tuple[object, ...] = attrs.field(default=(), repr=False)
    """The bytes that it is about, where the step failed."""

    def __str__(self) -> str:
        """Say outcome, question, reason and section on one line."""
        found = f": {self.reason}" if self.reason else ""
        where = f"  ({self.section})" if self.section else ""
        return f"{'ok    ' if self.holds else 'FAILED'}  {self.what}{found}{where}"

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain data."""
        return {"step": self.what, "ok": self.holds, "reason": self.reason, "section": self.section}


@attrs.frozen
class Verdict:
    """All steps, in the order in which they were taken. A failed step does not end the others."""

    steps: tuple[Step, ...]

    @property
    def holds(self) -> bool:
        """Whether there are steps and every one holds."""
        return bool(self.steps) and all(step.holds for step in self.steps)

    @property
    def failed(self) -> tuple[Step, ...]:
        """The steps that do not hold."""
        return tuple(step for step in self.steps if not step.holds)

    def require(self) -> None:
        """Raise VerificationError for the first step that does not hold."""
        for step in self.failed:
            raise VerificationError(f"{step.what}: {step.reason}" if step.reason else step.what, step.pieces)
        if not self.steps:
            raise VerificationError("evidence without anything in it")

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps."""
        return iter(self.steps)

    def __str__(self) -> str:
        """Return one line for each step."""
        return "\n".join(map(str, self.steps))

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {"ok": self.holds, "steps": [step.to_dict() for step in self.steps]}
