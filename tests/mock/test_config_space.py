"""Access rules by bit, live registers, watchers, and what software must not do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.mock import Change, ConfigSpace, Violation


def test_each_bit_keeps_its_rule() -> None:
    space = ConfigSpace()
    space.define(0x40, 4, 0xF0F0_00FF, rw=0x0000_FF00, rw1c=0x0000_000F)
    space.write(0x40, 4, 0xFFFF_AAF3)
    assert space.read(0x40, 4) == 0xF0F0_AAFC  # RO kept, RW taken, the two ones cleared


@given(value=st.integers(0, 0xFF), at=st.integers(0, 3), initial=st.integers(0, 0xFFFF_FFFF))
def test_a_narrow_write_touches_only_its_bytes(value: int, at: int, initial: int) -> None:
    space = ConfigSpace()
    space.define(0x40, 4, initial, rw=0xFFFF_FFFF)
    space.write(0x40 + at, 1, value)
    assert space.read(0x40, 4) == initial & ~(0xFF << 8 * at) | value << 8 * at


def test_narrow_writes_do_not_clear_the_neighbour() -> None:
    """Device Control and Device Status share a double word; writing the first must not clear the second."""
    space = ConfigSpace()
    space.define(0x48, 2, rw=0x7FFF)
    space.define(0x4A, 2, 0x000F, rw1c=0x000F)
    space.write(0x48, 2, 0x0010)
    assert space.read(0x48, 4) == 0x000F_0010
    space.write(0x48, 4, 0x000F_0010)
    assert space.read(0x48, 4) == 0x0000_0010


@pytest.mark.parametrize(("offset", "width"), [(1, 2), (2, 4), (0, 3), (0, 8), (-4, 4)])
def test_an_access_is_aligned_and_of_a_legal_width(offset: int, width: int) -> None:
    with pytest.raises(ValueError, match="no access of"):
        ConfigSpace().read(offset, width)
    with pytest.raises(ValueError, match="no access of"):
        ConfigSpace().write(offset, width, 0)


def test_a_value_fits_its_width() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ConfigSpace().write(0, 1, 0x100)


def test_beyond_the_end_and_beyond_life() -> None:
    space = ConfigSpace(256)
    space.define(0, 4, 0x1234_5678, rw=0xFFFF_FFFF)
    assert space.read(0x100, 4) == 0xFFFF_FFFF
    space.write(0x100, 4, 0)
    assert len(space) == len(bytes(space)) == 256
    space.is_present = False
    space.write(0, 4, 0)
    assert space.read(0, 2) == 0xFFFF
    space.is_present = True
    assert space.read(0, 4) == 0x1234_5678


def test_a_watcher_sees_the_whole_register() -> None:
    space = ConfigSpace()
    space.define(0x48, 4, 0x1100, rw=0x0000_FFFF)
    seen: list[Change] = []
    space.watch(0x48, 4, seen.append)
    space.write(0x49, 1, 0x22)
    space.write(0x4C, 4, 1)
    space.poke(0x48, 4, 0)  # the device itself is not told
    assert seen == [Change(0x48, old=0x1100, new=0x2200, written=0x2200)]
    assert seen[0].rises(0x2000)
    assert seen[0].falls(0x1000)
    assert not seen[0].rises(0x1000)


def test_a_live_register_takes_whole_accesses_only() -> None:
    space, written = ConfigSpace(), list[int]()
    space.live(0x40, read=lambda: 0xABCD_0123, write=written.append)
    assert space.read(0x40, 4) == 0xABCD_0123
    assert space.read(0x42, 2) == 0
    space.write(0x40, 4, 5)
    space.write(0x40, 1, 6)
    assert written == [5]
    assert space.violations == [
        Violation(0x42, "2 bytes of a register of 4"),
        Violation(0x40, "1 bytes of a register of 4"),
    ]


def test_reserved_bits_have_to_be_written_back() -> None:
    space = ConfigSpace()
    space.define(0x40, 4, 0x0000_0100, rw=0xFF, rsvdp=0xFFFF_FF00)
    space.write(0x40, 4, 0x0000_0155)
    assert space.violations == []
    space.write(0x40, 4, 0x0000_0055)
    assert space.violations == [Violation(0x40, "0x55 changes reserved bits 0x100")]


def test_resets() -> None:
    space = ConfigSpace()
    space.define(0x40, 4, 1, rw=0xFFFF_FFFF, sticky=0xFFFF_0000)
    space.write(0x40, 4, 0x5555_5555)
    space.reset(keep_sticky=True)
    assert space.read(0x40, 4) == 0x5555_0001
    space.reset()
    assert space.read(0x40, 4) == 1
