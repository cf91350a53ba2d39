"""What every test can ask for: both twins of the hot loops, a stopwatch, and how long a soak is.

Hypothesis draws the same examples on every run, so a red run is red for everyone.
"""

from __future__ import annotations

import os
import time
import timeit
from collections.abc import Callable
from types import ModuleType
from typing import Final

import hypothesis
import pytest

from pytio import _accel
from pytio._accel import pure

BENCH_ROWS: Final = pytest.StashKey[list[tuple[str, str, float]]]()
REPEATS: Final = 5
NANOSECONDS: Final = 1e9
LONG_SOAK: Final = int(os.environ.get("PYTIO_SOAK", "10000"))
"""How many rounds ``make soak`` runs."""

hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same")


class Bench:
    """A stopwatch that stands still unless ``--bench`` is given, so that CI runs each operation once and none rots."""

    def __init__(self, name: str, config: pytest.Config) -> None:
        self.is_measuring: bool = config.getoption("--bench")
        self._name = name
        self._rows = config.stash[BENCH_ROWS]

    def __call__(self, how: str, operation: Callable[[], object]) -> None:
        """Run the operation once; when measuring, take the best of five as well."""
        operation()
        if self.is_measuring:
            timer = timeit.Timer(operation, timer=time.process_time)  # whoever else uses the machine does not count
            loops, _ = timer.autorange()
            self.record(how, min(timer.repeat(REPEATS, loops)) / loops)

    def record(self, how: str, seconds: float) -> None:
        """Add a row that was measured by other means."""
        self._rows.append((self._name, how, seconds * NANOSECONDS))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bench``."""
    parser.addoption("--bench", action="store_true", help="measure tests/bench instead of running each operation once")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the rows of a measurement."""
    config.stash[BENCH_ROWS] = []


@pytest.fixture(params=["compiled", "pure"])
def accel(request: pytest.FixtureRequest) -> ModuleType:
    """Return the hot loops, once compiled and once pure."""
    return pure if request.param == "pure" else compiled_twin()


def compiled_twin() -> ModuleType:
    """Return the compiled hot loops, whatever the environment selects; skip the test where none were built."""
    scan: ModuleType = pytest.importorskip("pytio._accel.scan", reason="nothing is compiled here")
    return scan


@pytest.fixture(params=["compiled", "pure"])
def twins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test on everything that is compiled, and on the pure twins; return which."""
    which: str = request.param
    if which == "compiled":
        for module in ("scan", "openers", "records", "hkdf"):
            pytest.importorskip(f"pytio._accel.{module}", reason=f"{module} is not compiled here")
    monkeypatch.setattr(_accel, "chosen", _accel.PURE if which == "pure" else _accel.compiled())
    return which


@pytest.fixture(params=[200, pytest.param(LONG_SOAK, marks=pytest.mark.soak)])
def soak_rounds(request: pytest.FixtureRequest) -> int:
    """Return how many rounds a seeded soak runs: few in the suite, as many as PYTIO_SOAK says in ``make soak``."""
    rounds: int = request.param
    return rounds


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return the stopwatch: ``bench("compiled", operation)`` makes one row."""
    return Bench(request.node.name, request.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured, ready for docs/performance.md, and what a long soak counted."""
    if config.option.markexpr == "soak":
        reports = terminalreporter.stats.get("passed", [])
        lines = [text for report in reports for key, text in report.user_properties if key == "soak"]
        if lines:
            terminalreporter.section("counted")
            terminalreporter.write_line("\n".join(lines))
    rows = config.stash[BENCH_ROWS]
    if rows:
        terminalreporter.section("best of five")
        terminalreporter.write_line("| operation | how | ns each |\n| --- | --- | ---: |")
        for name, row, nanoseconds in rows:
            terminalreporter.write_line(f"| {name.removeprefix('test_')} | {row} | {nanoseconds:,.0f} |")
