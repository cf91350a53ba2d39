"""What an import costs: CPU time in fresh interpreters, interleaved so that a busy machine is busy for all.

Interference only ever adds time, so the minima of many rounds are what the imports cost. The bounds are in multiples
of ``import construct, attrs``, which any user of the codecs pays for anyway.
"""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import Bench

BASELINE = "construct, attrs"
BOUNDS = {"pytio": 1.5, "pytio.tdisp": 3.0}
ROUNDS = 15
TIMED = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"


def cpu_seconds(modules: str) -> float:
    """Return the CPU time, user and system, that importing ``modules`` takes in a fresh interpreter."""
    child = subprocess.run([sys.executable, "-c", TIMED.format(modules)], check=True, capture_output=True, text=True)
    return float(child.stdout)


def test_import(bench: Bench) -> None:
    rounds = ROUNDS if bench.is_measuring else 1
    measured = [{modules: cpu_seconds(modules) for modules in (BASELINE, *BOUNDS)} for _ in range(rounds)]
    best = {modules: min(row[modules] for row in measured) for modules in (BASELINE, *BOUNDS)}
    if bench.is_measuring:
        for modules, seconds in best.items():
            bench.record(f"{modules} ({seconds / best[BASELINE]:.2f} of the baseline)", seconds)
        too_dear = {
            modules: best[modules] for modules, bound in BOUNDS.items() if best[modules] > bound * best[BASELINE]
        }
        assert too_dear == {}, best
