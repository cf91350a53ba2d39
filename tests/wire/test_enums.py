"""The enumerations that outlive hostile input."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import sys
from collections.abc import Callable

import pytest

from pytio.wire import OpenEnum, WireFlag
from tests.wire.samples import Codes, Color, Fruit, Level, Mood

WARM_UP = 5_000  # more than the tables of the derived readers hold
NOISE_BLOCKS = 200


def test_an_unknown_code_is_a_member_that_nothing_remembers() -> None:
    unknown = Fruit(0x99)
    assert type(unknown) is Fruit
    assert (unknown, unknown.name, unknown.value, str(unknown), f"{unknown:#x}") == (
        0x99,
        "UNKNOWN_0x99",
        0x99,
        "153",
        "0x99",
    )
    assert repr(unknown) == "<Fruit.UNKNOWN_0x99: 153>"
    assert unknown == Fruit(0x99)
    assert hash(unknown) == hash(Fruit(0x99)) == hash(0x99)
    assert {unknown: 1}[Fruit(0x99)] == 1
    assert [fruit.name for fruit in Fruit] == ["APPLE", "PEAR", "PLUM"]
    assert 0x99 not in Fruit._value2member_map_


@pytest.mark.parametrize("value", [-1, "APPLE", None, 1.5])
def test_what_is_no_code_at_all_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="is not a valid Fruit"):
        Fruit(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("member", [Fruit.PEAR, Fruit(0x99), Mood.LOUD, Mood(0), Mood.LOUD | Mood.CALM, Mood(0x55)])
def test_members_copy_and_pickle(member: Fruit | Mood) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(member, protocol))
        assert (again, type(again), again.name) == (member, type(member), member.name)
    assert copy.deepcopy(member) == copy.copy(member) == member


def test_flags_keep_unknown_bits_through_every_operation() -> None:
    mixed = Mood.LOUD | Mood(0x10)
    assert (mixed, mixed.unknown_bits, mixed.names()) == (0x12, 0x10, ["LOUD", "0x10"])
    assert type(mixed) is type(mixed & ~Mood.LOUD) is type(mixed ^ Mood.CALM) is Mood
    assert mixed & ~Mood.LOUD == 0x10
    assert mixed | Mood.CALM == 0x13
    assert mixed ^ Mood.LOUD == 0x10
    assert (Mood.LOUD in mixed, Mood.CALM in mixed) == (True, False)
    assert list(mixed) == [Mood.LOUD]
    assert not Mood(0)
    assert Mood(0).names() == []
    assert repr(Mood(0)) == "<Mood: 0>"
    assert repr(mixed) == "<Mood.LOUD|0x10: 18>"
    assert mixed == Mood(0x12)
    assert hash(mixed) == hash(Mood(0x12)) == hash(0x12)


def test_a_complement_names_everything_else() -> None:
    everything = ~Mood(0)
    assert everything & Mood(0x7FFF_FFFF_FFFF_FFFF) == Mood(0x7FFF_FFFF_FFFF_FFFF)
    assert Mood.CALM not in ~Mood.CALM
    assert Mood.LOUD in ~Mood.CALM


def test_a_member_of_several_bits_is_named_by_its_bits() -> None:
    assert Level.BOTH.names() == ["LOW", "HIGH"]
    assert Level(Level.LOW | Level.HIGH) is Level.BOTH
    assert Level(Level.BOTH | 2).names() == ["LOW", "HIGH", "0x2"]


def growth(operation: Callable[[int], object], rounds: int) -> int:
    """Return how many more blocks of memory are in use after random words than after the first few."""
    words = random.Random(7)
    for _ in range(WARM_UP):
        operation(words.getrandbits(32))
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(rounds):
        operation(words.getrandbits(32))
    gc.collect()
    return sys.getallocatedblocks() - before


@pytest.mark.parametrize("rounds", [30_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("enum", [Mood, Level, Fruit])
def test_random_words_leave_memory_flat(enum: type[WireFlag | OpenEnum], rounds: int) -> None:
    members = len(enum._value2member_map_)
    assert growth(enum, rounds) < NOISE_BLOCKS
    assert len(enum._value2member_map_) == members


@pytest.mark.parametrize("rounds", [10_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_random_messages_leave_memory_flat(rounds: int) -> None:
    """The same through the derived reader and writer, whose tables know the members."""

    def back_and_forth(word: int) -> None:
        raw = b"PT\x83\1\0" + bytes([word & 0xFF, word >> 8 & 0xFF]) + word.to_bytes(4, "little") + b"\0\0\0"
        assert Codes.parse(raw).build() == raw

    assert growth(back_and_forth, rounds) < NOISE_BLOCKS


def test_closed_codes_stay_what_they_are() -> None:
    assert Color(1) is Color.RED
    with pytest.raises(ValueError, match="0 is not a valid Color"):
        Color(0)
