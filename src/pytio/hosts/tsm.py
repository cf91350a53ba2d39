"""Performs the plans of `pytio.clients.tsm` on a TSM and a witness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pytio.clients.tsm import (
    Accept,
    CollectEvidence,
    Connect,
    Lock,
    Look,
    Outcome,
    Plan,
    Stop,
    Tsm,
    Witness,
)

__all__ = ("drive",)

T = TypeVar("T")

_VERBS: Final[Mapping[type, Callable[[Tsm, Witness, Any], Outcome]]] = {
    Connect: lambda tsm, witness, action: tsm.connect(action.device),
    Lock: lambda tsm, witness, action: tsm.lock(action.interface),
    CollectEvidence: lambda tsm, witness, action: tsm.evidence(action.device),
    Accept: lambda tsm, witness, action: tsm.accept(action.interface),
    Stop: lambda tsm, witness, action: tsm.stop(action.target),
    Look: lambda tsm, witness, action: witness.look(action.device),
}


def drive(plan: Plan[T], tsm: Tsm, witness: Witness) -> T:
    """Perform the plan's actions until it returns; what fails is raised into the plan, which may roll back."""
    try:
        action = next(plan)
        while True:
            try:
                outcome = _VERBS[type(action)](tsm, witness, action)
            except Exception as error:  # noqa: BLE001  whatever it is, the plan has to know
                action = plan.throw(error)
            else:
                action = plan.send(outcome)
    except StopIteration as done:
        result: T = done.value
        return result
