"""Every program in examples/ runs, as a reader would run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path) -> None:
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr


def test_the_capture_tells_the_life_of_an_interface() -> None:
    path = EXAMPLES[0].parent / "decode_a_capture.py"
    told = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True).stdout
    states = [line.rsplit(" ", 1)[1] for line in told.splitlines() if " is CONFIG" in line or " is RUN" in line]
    assert states == ["CONFIG_UNLOCKED", "CONFIG_LOCKED", "RUN", "CONFIG_UNLOCKED"]
