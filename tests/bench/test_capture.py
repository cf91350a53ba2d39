"""How fast a capture is read: the recorded session s01 again and again, with the secrets of every session.

With ``--bench`` it is 200,000 records; without, a few. A folder with DMTF's dump tool in it, named by PYTIO_SPDM_DUMP,
gives a row of that tool in the same run: its CPU time for s01, less that for an empty capture, as it keeps secrets of
four sessions only.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from pytio import _accel
from pytio.capture import KeyLog, Trace, open_capture
from pytio.cli.decode import print_trace
from tests.capture import recorded
from tests.conftest import Bench

NAME: Final = "s01-doe12-p384-full"
HEADER_BYTES: Final = 24
MANY: Final = 516  # times 388 records: 200,208
ROUNDS: Final = 5
RUNS: Final = 20
DUMP_TOOL: Final = "DMTF's dump tool, -a -d"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


def repeated(folder: Path, times: int) -> Path:
    """Return a capture that holds the recorded one several times."""
    path = folder / f"{times}.pcap"
    if not path.exists():
        raw = recorded.path(NAME).read_bytes()
        path.write_bytes(raw + raw[HEADER_BYTES:] * (times - 1))
    return path


@cache
def secrets() -> KeyLog:
    """Return the secret of each session."""
    return recorded.opened(NAME).key_log()


class Race:
    """Takes the CPU time of one operation after the other, round after round, and keeps the best of each."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self.times = MANY if bench.is_measuring else 2
        self.path = repeated(folder, self.times)
        self.best: dict[str, float] = {}

    def trace(self, *, has_secrets: bool) -> Trace:
        """Return the capture."""
        return open_capture(self.path, secrets=secrets() if has_secrets else None)

    def run(self, operations: dict[str, Callable[[], object]]) -> None:
        """Run all of them, and record nanoseconds for a record."""
        records = self.times * recorded.RECORDED[NAME]
        for _ in range(ROUNDS if self._bench.is_measuring else 1):
            for how, operation in operations.items():
                start = time.process_time()
                operation()
                spent = (time.process_time() - start) / records
                self.best[how] = min(spent, self.best.get(how, spent))
            other = dump_tool(self.path.parent) if self._bench.is_measuring else None
            if other is not None:
                self.best[DUMP_TOOL] = min(other, self.best.get(DUMP_TOOL, other))
        if self._bench.is_measuring:
            for how, spent in self.best.items():
                self._bench.record(f"{how}: {1 / spent / 1000:,.0f} k/s", spent)


def dump_tool(folder: Path) -> float | None:
    """Return the CPU seconds for a record that the dump tool takes; None where there is none."""
    tool = os.environ.get("PYTIO_SPDM_DUMP")
    if tool is None:
        return None
    empty = folder / "empty.pcap"
    empty.write_bytes(recorded.path(NAME).read_bytes()[:HEADER_BYTES])
    command = [str(Path(tool) / "spdm_dump"), "-a", "-d"]
    for option, kind in (("--psk", "psk"), ("--dhe_secret", "dhe_secret")):
        for secret in recorded.log(NAME)[kind]:
            command += [option, secret]
    spent = [spent_by([*command, "-r", str(path)]) for path in (recorded.path(NAME), empty)]
    return (spent[0] - spent[1]) / recorded.RECORDED[NAME]


def spent_by(command: list[str]) -> float:
    """Return the CPU seconds of a command."""

    def children() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    start = children()
    for _ in range(RUNS):
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return (children() - start) / RUNS


def test_data_frame(bench: Bench, folder: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed, as without the notebook extra")
    race = Race(bench, folder)
    race.run(
        {
            "without secrets": lambda: race.trace(has_secrets=False).to_dataframe(),
            "decrypted": lambda: race.trace(has_secrets=True).to_dataframe(),
        }
    )


def test_data_frame_of_the_pure_twins(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed, as without the notebook extra")
    monkeypatch.setattr(_accel, "chosen", _accel.PURE)
    test_data_frame(bench, folder)


def test_records(bench: Bench, folder: Path) -> None:
    race = Race(bench, folder)

    def messages() -> None:
        for record in race.trace(has_secrets=True):
            assert record.message is not None

    def layers() -> None:
        for record in race.trace(has_secrets=True):
            assert record.layers

    def headers() -> None:
        for record in race.trace(has_secrets=True):
            assert record.direction is not None

    race.run({"headers": headers, "messages": messages, "all layers": layers})


def test_text(bench: Bench, folder: Path) -> None:
    race = Race(bench, folder)

    def text() -> None:
        lines = io.StringIO() if not bench.is_measuring else open(os.devnull, "w")  # noqa: PTH123, SIM115
        with lines, contextlib.redirect_stdout(lines), contextlib.redirect_stderr(io.StringIO()):
            print_trace(race.trace(has_secrets=True))

    race.run({"pytio decode": text})


PEAK = """
import re, sys
from pathlib import Path
from pytio.capture import open_capture
for record in open_capture(sys.argv[1], secrets=sys.argv[2]):
    record.message
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_memory_of_a_stream(bench: Bench, folder: Path) -> None:
    """Twenty times as many records take no more memory, but for what the collector has not looked at yet."""
    log = folder / "keylog"
    secrets().write(log)

    def peak(times: int) -> int:
        command = [sys.executable, "-c", PEAK, str(repeated(folder, times)), str(log)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    few, many = 20, MANY if bench.is_measuring else 60
    first, last = peak(few), peak(many)
    if bench.is_measuring:
        bench.record(f"peak of {few * 388:,} records {first:,} kB, of {many * 388:,} records {last:,} kB", 0)
    assert last < first + 8_000
