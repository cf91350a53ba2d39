"""Fuzz one message, or all of them, for as long as you like.

::

    python -m tests.fuzz                                          # the names of the targets
    python -m tests.fuzz pytio.tdisp.messages.TdispError          # until it fails; Ctrl-C stops it
    python -m tests.fuzz all --rounds 100000 --seed 7

With ``atheris`` installed (``pip install atheris``) inputs are led by the coverage of ``pytio.wire`` and what atheris
knows of its arguments goes behind ``--``. Without it a seeded mutator keeps what reaches a new failure or value.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
from typing import Any

from tests.fuzz.mutator import Mutator, seeds
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the messages of pytio.")
    parser.add_argument("target", nargs="?", help="import path of a message, or all")
    parser.add_argument("--rounds", type=int, help="inputs for each target; without it, until it fails")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("arguments", nargs="*", help="for atheris")
    options = parser.parse_args()
    if options.target is None:
        print("\n".join(sorted(TARGETS)))
        return 0
    names = sorted(TARGETS) if options.target == "all" else [options.target]
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}")
    try:
        atheris = importlib.import_module("atheris")
    except ModuleNotFoundError:
        atheris = None
    if atheris is not None and options.rounds is None and len(names) == 1:
        return led_by_coverage(atheris, names[0], options.arguments)
    for name in names:
        mutator = Mutator(TARGETS[name], seeds(name), options.seed)
        for _ in range(options.rounds) if options.rounds is not None else itertools.count():
            mutator.step()
        print(f"{name}: {mutator.rounds} inputs, {len(mutator.features)} outcomes")
    return 0


def led_by_coverage(atheris: Any, name: str, arguments: list[str]) -> int:
    """Hand a target to atheris, which does not come back."""
    for module in [module for module in sys.modules if module.startswith("pytio.wire")]:
        importlib.import_module(module)
    target = TARGETS[name]
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], lambda data: target(data) and None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
