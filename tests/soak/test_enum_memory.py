"""Hostile words through every flag and open-code type: they come out as they went in, and nothing remembers them."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import random
import sys
from collections.abc import Iterator

import pytest

import pytio
from pytio.wire import OpenEnum, WireFlag

WORDS = 1_000_000
SAMPLE = 1_500
THOROUGH_EVERY = 32
MOST_BLOCKS = 100
"""What the interpreter itself may allocate meanwhile; remembering would take a block for each word, at least."""


def every_type() -> list[type[OpenEnum | WireFlag]]:
    """Return every flag and open-code type of the package."""
    for module in pkgutil.walk_packages(pytio.__path__, "pytio."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {cls for base in (OpenEnum, WireFlag) for cls in below(base) if cls.__module__.startswith("pytio.")}
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


def below(base: type[OpenEnum | WireFlag]) -> Iterator[type[OpenEnum | WireFlag]]:
    """Yield every subclass that has members."""
    cls: type[OpenEnum | WireFlag]
    for cls in base.__subclasses__():
        if cls.__members__:
            yield cls
        yield from below(cls)


TYPES = every_type()


def words(count: int, dice: random.Random) -> Iterator[int]:
    """Yield random words of every width that a field may have, small ones and large ones."""
    for _ in range(count):
        yield dice.getrandbits(dice.choice((8, 16, 32, 64, 128)))


def use(cls: type[OpenEnum | WireFlag], word: int) -> None:
    """Do with a word what a decoder and its user do."""
    member = cls(word)
    assert member == word
    assert isinstance(member, cls)
    str(member.name)
    if isinstance(member, WireFlag):
        assert int(member | cls(1)) == word | 1
        assert int(member & cls(0xFF)) == word & 0xFF
        assert member & ~member == 0


def blocks_after(cls: type[OpenEnum | WireFlag], count: int, seed: str) -> int:
    """Return how many blocks of memory are in use once words went through a type."""
    for number, word in enumerate(words(count, random.Random(seed))):
        if number % THOROUGH_EVERY:
            cls(word)
        else:
            use(cls, word)
    gc.collect()
    return sys.getallocatedblocks()


def check(cls: type[OpenEnum | WireFlag], count: int) -> None:
    """Check that words leave no trace."""
    members, values = dict(cls.__members__), len(cls._value2member_map_)
    before = blocks_after(cls, SAMPLE, f"{cls.__name__} warm")
    after = blocks_after(cls, count, cls.__name__)
    assert after - before < MOST_BLOCKS
    assert dict(cls.__members__) == members
    assert len(cls._value2member_map_) == values


def test_the_types_are_there() -> None:
    names = {cls.__name__ for cls in TYPES}
    assert {"SpdmCode", "LockFlags", "BaseHashAlgo", "VendorId", "MctpMessageType", "ResponderCapabilities"} <= names
    assert len(TYPES) > 40


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_words_leave_memory_flat(cls: type[OpenEnum | WireFlag]) -> None:
    check(cls, SAMPLE)


@pytest.mark.soak
@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_a_million_words_leave_memory_flat(cls: type[OpenEnum | WireFlag]) -> None:
    check(cls, WORDS)
