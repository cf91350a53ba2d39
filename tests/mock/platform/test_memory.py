"""Memory: sparse, bounded, and ciphertext to whoever has the wrong key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.mock.platform import Memory, MemoryRangeError

SECRET = bytes(range(64)) * 3


@given(paddr=st.integers(0, 0x3000), size=st.integers(0, 0x1000), asid=st.integers(0, 3))
def test_memory_keeps_what_is_written(paddr: int, size: int, asid: int) -> None:
    memory = Memory(0x4000)
    data = bytes(at % 253 + 1 for at in range(size))
    memory.write(0, b"\xee" * 0x4000, asid)
    memory.write(paddr, data, asid)
    expected = bytearray(b"\xee" * 0x4000)
    expected[paddr : paddr + size] = data
    assert memory.read(0, 0x4000, asid) == expected


def test_memory_that_nobody_wrote_is_zero_and_costs_nothing() -> None:
    assert Memory(1 << 45).read((1 << 45) - 4096, 4096) == bytes(4096)


def test_the_wrong_asid_sees_ciphertext() -> None:
    memory = Memory(1 << 20)
    memory.write(0x1010, SECRET, 5)
    assert memory.read(0x1010, len(SECRET), 5) == SECRET
    seen = [memory.read(0x1010, len(SECRET), asid) for asid in (0, 6)]
    assert SECRET not in seen
    assert seen[0] != seen[1]
    assert SECRET[:16] not in memory.read(0x1000, 4096)


def test_the_address_is_part_of_the_encryption() -> None:
    """Ciphertext that is moved to another page is no plaintext there."""
    memory = Memory(1 << 20)
    memory.write(0x1000, SECRET, 5)
    memory.write(0x2000, memory.read(0x1000, 4096))
    assert memory.read(0x2000, len(SECRET), 5) != SECRET
    memory.write(0x3000, SECRET, 5)
    assert memory.read(0x3000, 4096) != memory.read(0x1000, 4096)


def test_a_key_that_is_discarded_takes_the_plaintext_with_it() -> None:
    memory = Memory(1 << 20)
    memory.write(0x1000, SECRET, 5)
    memory.discard(5)
    memory.discard(5)
    assert memory.read(0x1000, len(SECRET), 5) != SECRET


@pytest.mark.parametrize(("paddr", "size"), [(0x4000, 1), (0x3FFF, 2), (-1, 1), (0, -1), (1 << 52, 4096)])
def test_there_is_nothing_outside(paddr: int, size: int) -> None:
    with pytest.raises(MemoryRangeError, match="no memory") as caught:
        Memory(0x4000).read(paddr, size)
    assert (caught.value.paddr, caught.value.size) == (paddr, size)
    with pytest.raises(MemoryRangeError):
        Memory(0x4000).write(0x3FFF, b"ab")


@pytest.mark.parametrize("size", [0, -4096, 100])
def test_memory_is_made_of_pages(size: int) -> None:
    with pytest.raises(ValueError, match="whole number of pages"):
        Memory(size)
