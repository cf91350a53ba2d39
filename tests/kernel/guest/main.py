"""Run the tests that are named, in that order, and say how many there were: passed, and anything else."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

__all__ = ("main",)


class Tally:
    """Counts how tests end; a skip, an error and a test file without tests count against the run."""

    def __init__(self) -> None:
        self.ended: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test once, and every phase that fails or skips."""
        if report.when == "call" or report.outcome != "passed":
            self.ended[report.outcome] += 1


def main(names: list[str]) -> int:
    """Run and report."""
    tally = Tally()
    folder = Path(__file__).parent
    status = 0
    for name in names:
        options = [
            "-c",
            "/dev/null",
            "--rootdir=/tests",
            "--import-mode=importlib",
            "-p",
            "no:cacheprovider",
            "-ra",
            "-v",
        ]
        status |= int(pytest.main([*options, "--tb=short", "--color=no", str(folder / name)], plugins=[tally]))
    passed = tally.ended["passed"]
    other = sum(tally.ended.values()) - passed + (1 if status and tally.ended.keys() <= {"passed"} else 0)
    print(f"GUEST-SUMMARY {passed} passed, {other} other", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
