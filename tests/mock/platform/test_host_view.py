"""The hypervisor's memory: an allocator, and faults where a page is not its own."""

from __future__ import annotations

import pytest

from pytio.mock.platform import HostMemory, Memory, OutOfMemoryError, Rmp, RmpViolation
from pytio.mock.platform.host_view import FIRST_FREE
from pytio.sev.rmp import RmpEntry

FIRMWARE = RmpEntry(assigned=1, immutable=1)


@pytest.fixture
def host() -> HostMemory:
    return HostMemory(Memory(FIRST_FREE + 16 * 4096), Rmp())


def test_pages_come_zeroed_in_one_piece(host: HostMemory) -> None:
    first, second = host.allocate(3), host.allocate(1)
    assert (first, second) == (FIRST_FREE, FIRST_FREE + 3 * 4096)
    host.write(first, b"\xff" * 3 * 4096)
    host.free(first, 3)
    assert host.allocate(2) == first
    assert host.read(first, 2 * 4096) == bytes(2 * 4096)


def test_pages_that_are_freed_grow_together(host: HostMemory) -> None:
    pieces = [host.allocate(4) for _ in range(4)]
    assert host.free_pages == 0
    with pytest.raises(OutOfMemoryError, match="1 pages"):
        host.allocate(1)
    for piece in (pieces[1], pieces[3], pieces[2], pieces[0]):
        host.free(piece, 4)
    assert host.free_pages == 16
    assert host.allocate(16) == FIRST_FREE


def test_alignment(host: HostMemory) -> None:
    host.allocate(1)
    assert host.allocate(1, alignment=4 * 4096) == FIRST_FREE + 4 * 4096
    assert host.allocate(3) == FIRST_FREE + 4096
    with pytest.raises(ValueError, match="aligned"):
        host.allocate(1, alignment=100)
    with pytest.raises(ValueError, match="aligned"):
        host.allocate(0)


def test_the_host_reads_but_does_not_write_pages_of_the_firmware(host: HostMemory) -> None:
    page = host.allocate(2)
    host.write(page, b"given away")
    host.rmp_update(page + 4096, FIRMWARE)
    with pytest.raises(RmpViolation, match="write to shared memory"):
        host.write(page + 4090, b"across the border")
    assert host.read(page + 4090, 12) == bytes(12)
    assert host.read(page, 10) == b"given away"
    with pytest.raises(RmpViolation, match="allocator"):
        host.free(page, 2)


@pytest.mark.parametrize("offset", [1, 4096])
def test_only_what_was_allocated_is_given_back(host: HostMemory, offset: int) -> None:
    page = host.allocate(1)
    with pytest.raises(ValueError, match="not allocated"):
        host.free(page + offset, 1)
    host.free(page, 1)
    with pytest.raises(ValueError, match="not allocated"):
        host.free(page, 1)
