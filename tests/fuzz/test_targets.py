"""Every target holds for a few hundred seeded inputs here, and for as many as one likes in ``python -m tests.fuzz``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytio.errors import DecodeError
from tests.fuzz.mutator import Mutator, seeds
from tests.fuzz.targets import TARGETS, feature, run
from tests.strategies import all_messages
from tests.wire.samples import Facts, Label

ROUNDS = [60, pytest.param(int(os.environ.get("PYTIO_SOAK", "10000")) // 5, marks=pytest.mark.soak)]


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_invariant_holds(name: str, rounds: int) -> None:
    mutator = Mutator(TARGETS[name], seeds(name), seed=1)
    for _ in range(rounds):
        mutator.step()
    assert mutator.features


def test_every_message_is_a_target() -> None:
    assert {f"{cls.__module__}.{cls.__name__}" for cls in all_messages()} < set(TARGETS)
    assert len(TARGETS) > 150


def test_the_mutator_finds_what_hides_behind_a_length() -> None:
    """From eight zeros to a label that parses, one that is cut, and none at all."""
    mutator = Mutator(TARGETS["tests.wire.samples.Label"], [bytes(8)], seed=3)
    for _ in range(300):
        mutator.step()
    assert mutator.features >= {"parsed", "Label.size: needs # byte, # left", "Label.text: needs # bytes, # left"}


def test_a_broken_invariant_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that forgets a check does not survive."""
    good = Label._READ

    def careless(data: bytes, given: dict[str, int], offset: int = 0) -> tuple[Label, int]:
        return good(data + bytes(256), given, offset)  # type: ignore[no-any-return]

    monkeypatch.setattr(Label, "_READ", careless)
    with pytest.raises(AssertionError, match="but construct says"):
        run(Label, b"\5abc")


def test_facts_are_the_first_bytes() -> None:
    assert run(Facts, b"\2\0" + b"\5\0abxcd") is None
    error = run(Facts, b"\3")
    assert isinstance(error, DecodeError)
    assert feature(error) == "Facts.size: needs # bytes, # left"


def test_the_command_runs() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "tests.wire.samples.Point", "--rounds", "50"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith("tests.wire.samples.Point: 52 inputs")
