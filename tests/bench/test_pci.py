"""A large dump: every field of every decoded capability as JSON, beside what lspci prints of it, in the same run.

Every function has 39 capabilities with random registers, so that nothing repeats. Both are processes of their own, and
both write to a file; CPU time is user and system together, since whoever else uses the machine does not count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytio.pci import format_dump
from tests.conftest import Bench
from tests.pci.agreement import crowd

FUNCTIONS = 10_000
ROUNDS = 3


def measure(command: list[str], output: Path) -> tuple[float, float]:
    """Run a command; return its CPU time and its wall time in seconds."""
    before, start = os.times(), time.perf_counter()
    with output.open("wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True)
    after, stop = os.times(), time.perf_counter()
    cpu = sum(after[2:4]) - sum(before[2:4])
    return cpu, stop - start


def test_show_json(bench: Bench, tmp_path: Path) -> None:
    lspci = shutil.which("lspci")
    if lspci is None:
        pytest.skip("lspci is not installed")
    count = FUNCTIONS if bench.is_measuring else 100
    dump = tmp_path / "dump"
    with dump.open("w") as file:
        file.writelines(format_dump(bdf, data) for bdf, data in crowd(count))
    commands = {
        "lspci -vvv -n -F": [lspci, "-vvv", "-n", "-F", str(dump)],
        "pytio pci show --json --dump": [sys.executable, "-m", "pytio", "pci", "show", "--json", "--dump", str(dump)],
    }
    rounds = ROUNDS if bench.is_measuring else 1
    measured = [
        {name: measure(command, tmp_path / str(number)) for number, (name, command) in enumerate(commands.items())}
        for _ in range(rounds)
    ]
    assert (tmp_path / "1").read_bytes().count(b"\n") == count
    if bench.is_measuring:
        for name in commands:
            bench.record(f"{name}, CPU", min(row[name][0] for row in measured))
            bench.record(f"{name}, wall", min(row[name][1] for row in measured))
