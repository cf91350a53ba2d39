"""Importing pytio stays cheap, and its packages keep to their floors.

The bounds hold for CPU time: ``import pytio`` at most 1.5 times, ``import pytio.tdisp`` at most 3 times
``import construct, attrs``. Time on a shared machine is no basis for a verdict, so tests/bench/test_imports.py measures
it, and here stands what causes it and is the same on every run: which modules an import loads, and how many calls it
makes. The bounds in calls are tighter than those in time: making a class calls the compiler, and that is one call.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = {
    *("asyncio", "concurrent", "email", "http", "logging", "multiprocessing", "socket", "sqlite3", "ssl"),
    *("subprocess", "unittest", "urllib", "xml", "cryptography", "IPython", "numpy", "pandas", "pyarrow", "rich"),
}
CODECS = ["pytio.errors", "pytio.wire", "pytio.doe", "pytio.idekm", "pytio.tdisp", "pytio.transports"]
SANS_IO = ["doe", "transports", "spdm", "idekm", "tdisp", "pci", "ide", "sev", "evidence", "clients", "mock"]

COUNT = """
import json, sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")
sys.setprofile(count)
import {}
sys.setprofile(None)
print(json.dumps([calls, sorted(sys.modules)]))
"""


@cache
def imported(modules: str) -> tuple[int, frozenset[str]]:
    """Import ``modules`` in a fresh interpreter; return how many calls that made and what is loaded then.

    The interpreter has imported the same once before, so that all byte code is in its cache.
    """
    for _ in range(2):
        run = [sys.executable, "-c", COUNT.format(modules)]
        calls, loaded = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    return calls, frozenset(loaded)


@pytest.mark.parametrize(("modules", "bound"), [("pytio", 0.5), ("pytio.tdisp", 2.0)])
def test_an_import_makes_few_calls(modules: str, bound: float) -> None:
    assert imported(modules)[0] <= bound * imported("construct, attrs")[0]


def test_the_package_loads_nothing_of_itself() -> None:
    """``import pytio`` loads no other module of pytio and none of its dependencies."""
    loaded = imported("pytio")[1]
    assert {name for name in loaded if name.startswith("pytio.")} == set()
    assert loaded.isdisjoint({"attr", "attrs", "construct", "cryptography", "typing_extensions"})


@pytest.mark.parametrize("module", ["pytio", *CODECS])
def test_codecs_load_nothing_heavy(module: str) -> None:
    assert {name for name in imported(module)[1] if name.partition(".")[0] in HEAVY} == set()


def test_every_protocol_package_is_under_the_contract() -> None:
    """The second import contract has to name its packages one by one; a new one must not be forgotten."""
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "sans-io"]
    present = [f"pytio.{name}" for name in SANS_IO if find_spec(f"pytio.{name}")]
    assert sorted(contract["source_modules"]) == sorted(present)
