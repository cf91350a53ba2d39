"""The matrix step × artefact: the workflow with one thing tampered with fails where it has to, as it has to.

``data/tampering.json`` has the cells. Each says in which step what is tampered with, and which step has to fail with
which error; or that it holds, and why that is harmless. Afterwards nothing may be left: no device, no page.
"""

from __future__ import annotations

import json
import traceback
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from pytio.errors import PytioError
from pytio.hosts.psp_port import drive_psp
from pytio.hosts.workflow import STEPS
from tests.hosts.tampering import TAMPERINGS, Stage

_FILE: Final = Path(__file__).parent / "data" / "tampering.json"
_LEAST_CELLS: Final = 80


@attrs.frozen
class Cell:
    """One cell: what is tampered with before which step, and what has to come of it.

    Attributes:
        step: the step before which it is installed.
        artefact: what is tampered with, in words.
        tampering: the function that does it.
        args: its arguments.
        fails: the step that has to fail; None where it holds.
        error: the class of the error.
        phrase: what its text has to say.
        why: what the firmware's own reason has to say, which the host is not told.
        holds: why nothing has to fail.
    """

    step: str
    artefact: str
    tampering: str
    args: dict[str, Any] = attrs.field(factory=dict)
    fails: str | None = None
    error: str = ""
    phrase: str = ""
    why: str = ""
    holds: str = ""

    def __str__(self) -> str:
        """Name it as a test."""
        return f"{self.step}: {self.artefact}"


@attrs.frozen
class Outcome:
    """What came of it: the step that failed, with its error."""

    step: str | None = None
    error: Exception | None = None


CELLS: Final = tuple(Cell(**cell) for cell in json.loads(_FILE.read_text(encoding="utf-8")))


def play(stage: Stage, cell: Cell | None = None) -> Outcome:
    """Play the workflow with one tampering, until a step fails or all is done."""
    for step in STEPS:
        if step.name != "init" and stage.host is None:
            raise AssertionError("the host has not booted")
        try:
            if cell is not None and step.name == cell.step:
                TAMPERINGS[cell.tampering](stage, **cell.args)
            if step.name == "init":
                stage.boot()
            for _ in step.do(stage.workflow):
                pass
        except (PytioError, OSError) as error:
            return Outcome(step.name, error)
    return Outcome()


def clean_up(stage: Stage) -> None:
    """Tamper no more, recover, and end the guests."""
    stage.restore()
    if stage.host is None:
        return
    drive_psp(stage.host.kernel.client.recover(), stage.machine.port)
    for guest in stage.host.guests:
        guest.vm.relay.interfaces.clear()  # they were recovered with their device
        for function in tuple(guest.interfaces):
            guest.unplug(function)
        guest.vm.destroy()


@cache
def pages_of_an_idle_host() -> int:
    """Return how many pages are free after a workflow that nobody tampered with."""
    stage = Stage()
    assert play(stage) == Outcome()
    return stage.machine.platform.host.free_pages


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_tampering_fails_where_it_has_to(cell: Cell) -> None:
    stage = Stage()
    try:
        outcome = play(stage, cell)
        assert stage.fired, "nothing was tampered with"
        assert (outcome.step, type(outcome.error).__name__ if outcome.error else "") == (cell.fails, cell.error), (
            f"{outcome.step}: {outcome.error!r}"
        )
        if outcome.error is not None:
            assert cell.phrase in str(outcome.error)
            assert not cell.why or any(cell.why in reason for reason in stage.reasons), stage.reasons
            told = "".join(traceback.format_exception(outcome.error)) + repr(outcome.error)
            assert not [secret for secret in stage.secrets if secret.hex() in told or repr(secret)[2:-1] in told]
    finally:
        stage.restore()
    clean_up(stage)
    if stage.host is not None:
        assert not stage.host.kernel.client.devices
        assert not stage.host.kernel.client.guests
        assert not stage.host.kernel.client.firmware.pool.lost
        assert not stage.machine.psp.devices
        assert stage.machine.platform.host.free_pages == pages_of_an_idle_host()


def test_the_matrix_is_large_and_covers_every_step() -> None:
    assert len(CELLS) >= _LEAST_CELLS
    assert {cell.step for cell in CELLS} == {step.name for step in STEPS}
    assert {cell.tampering for cell in CELLS} == set(TAMPERINGS)
    twice = [name for name, count in Counter(map(str, CELLS)).items() if count > 1]
    assert not twice


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_cell_says_either_what_fails_or_why_it_holds(cell: Cell) -> None:
    names = [step.name for step in STEPS]
    assert cell.step in names
    if cell.fails is None:
        assert cell.holds
        assert not cell.error
    else:
        assert names.index(cell.fails) >= names.index(cell.step)
        assert cell.error
        assert cell.phrase
        assert not cell.holds
