"""A seeded mutator that keeps the inputs which reached something new: what fuzzes where atheris is not installed.

New is a failure of another field or for another reason. That is coarser than the coverage of code and needs nothing:
in a codec, each check has its field and its reason.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Final

from pytio.errors import DecodeError
from tests.fuzz.targets import Target, feature, packed
from tests.test_vectors import VALID, load

__all__ = ("Mutator", "seeds")

MOST_CHANGES: Final = 4
LONGEST: Final = 4096
INTERESTING: Final = (0, 1, 2, 3, 4, 5, 8, 0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x7F, 0x80, 0x81, 0xFE, 0xFF)


@cache
def _vectors() -> dict[str, list[bytes]]:
    """Return the inputs that stand for all vectors, by message."""
    found: dict[str, list[bytes]] = {}
    for path in VALID:
        cls, raw, given, _ = load(path)
        found.setdefault(f"{cls.__module__}.{cls.__name__}", []).append(packed(cls, raw, given))
    return found


def seeds(name: str) -> list[bytes]:
    """Return the inputs that stand for the vectors of a message; some zeros where there is none."""
    return _vectors().get(name, [bytes(8), bytes(64)])


class Mutator:
    """Feeds one target; ``step`` raises what breaks the invariant."""

    def __init__(self, target: Target, corpus: list[bytes], seed: int) -> None:
        self._target = target
        self._corpus = list(corpus)
        self._dice = random.Random(seed)
        self.features: set[str] = set()
        self.rounds = 0
        for data in corpus:
            self._try(data)

    def step(self) -> None:
        """Make one input of an earlier one, and try it."""
        data = bytearray(self._dice.choice(self._corpus))
        for _ in range(self._dice.randint(1, MOST_CHANGES)):
            self._change(data)
        self._try(bytes(data[:LONGEST]))

    def _try(self, data: bytes) -> None:
        self.rounds += 1
        error: DecodeError | None = self._target(data)
        reached = feature(error)
        if reached not in self.features:
            self.features.add(reached)
            self._corpus.append(data)

    def _change(self, data: bytearray) -> None:
        dice = self._dice
        place = dice.randint(0, len(data))
        match dice.randrange(7):
            case 0:
                del data[place:]
            case 1:
                data[place:place] = dice.randbytes(dice.randint(1, 16))
            case 2:
                del data[place : place + dice.randint(1, 8)]
            case 3:
                other = dice.choice(self._corpus)
                data[place:] = other[dice.randint(0, len(other)) :]
            case 4 if place < len(data):
                data[place] ^= 1 << dice.randrange(8)
            case 5 if place < len(data):
                data[place] = (data[place] + dice.choice((-1, 1))) & 0xFF
            case _ if place < len(data):
                data[place] = dice.choice(INTERESTING)
