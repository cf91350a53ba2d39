"""Pages and their owners: what is donated comes back before it is freed, and what does not come back is never freed."""

from __future__ import annotations

import pytest

from pytio.clients.psp.actions import Free, RmpUpdate
from pytio.clients.psp.memory import Buffer, PagePool
from pytio.errors import BackendError, SevCommandError
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import BufferHeader
from pytio.sev.rmp import PageState
from pytio.sev.sla import parse_scatter_page
from pytio.sev.tio_codes import PAGE_BYTES, SevCommand
from tests.clients.psp.fake import FakeHost


def test_one_page_is_named_directly() -> None:
    host, pool = FakeHost(), PagePool()
    buffer: Buffer = host.run(pool.buffer(100))
    assert (buffer.sla.paddr, buffer.sla.is_scatter_page) == (buffer.pages[0], False)
    assert host.peek(buffer.pages[0], 64) == bytes.fromhex("00100000") + bytes(60)
    assert host.state(buffer.pages[0]) is PageState.FIRMWARE


def test_more_pages_are_named_by_a_scatter_page_that_stays_the_hosts() -> None:
    host, pool = FakeHost(), PagePool()
    buffer: Buffer = host.run(pool.buffer(3 * PAGE_BYTES))
    assert buffer.scatter_page is not None
    assert buffer.sla.is_scatter_page
    listed = parse_scatter_page(host.peek(buffer.scatter_page, PAGE_BYTES))
    assert tuple(sla.paddr for sla in listed) == buffer.pages
    assert host.state(buffer.scatter_page) is PageState.HYPERVISOR
    assert host.run(buffer.header()) == BufferHeader(capacity_sz=3 * PAGE_BYTES)
    host.run(pool.release(buffer))
    assert not host.pages


def test_512_pages_are_too_many() -> None:
    host, pool = FakeHost(), PagePool()
    with pytest.raises(ValueError, match="512 pages do not fit into a scatter page"):
        host.run(pool.buffer(512 * PAGE_BYTES))
    assert not host.pages
    host.run(pool.buffer(511 * PAGE_BYTES))


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (0, 8193), (8192, 1), (0, -1)])
def test_nothing_is_read_or_written_outside(offset: int, size: int) -> None:
    host, pool = FakeHost(), PagePool()
    buffer: Buffer = host.run(pool.buffer(2 * PAGE_BYTES, is_donated=False))
    with pytest.raises(ValueError, match="outside of 8192"):
        host.run(buffer.read(offset, size))


def test_reads_and_writes_cross_pages() -> None:
    host, pool = FakeHost(), PagePool()
    buffer: Buffer = host.run(pool.buffer(3 * PAGE_BYTES, is_donated=False))
    data = bytes(range(256)) * 20
    host.run(buffer.write(4000, data))
    assert host.run(buffer.read(4000, len(data))) == data
    assert host.run(buffer.read(12288, 0)) == b""


def test_a_page_that_the_firmware_keeps_is_never_freed() -> None:
    """While two pages of three are donated the third fails, and the firmware does not give back the first two."""
    host, pool = FakeHost(), PagePool()
    host.refuse[SevCommand.SNP_PAGE_RECLAIM] = SevStatus.INVALID_PAGE_STATE
    given: list[int] = []

    def third_fails(action: RmpUpdate) -> None:
        if len(given) == 2:
            raise BackendError("test", "RMPUPDATE failed")
        given.append(action.paddr)
        FakeHost._do_RmpUpdate(host, action)

    host._do_RmpUpdate = third_fails  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="RMPUPDATE failed") as caught:
        host.run(pool.buffer(3 * PAGE_BYTES))
    assert len(caught.value.__notes__) == 2
    assert pool.lost == dict.fromkeys(given, True)
    assert set(host.pages) == set(given)
    with pytest.raises(SevCommandError, match="INVALID_PAGE_STATE"):
        host.run(pool.retry_lost())
    assert set(host.pages) == set(pool.lost) == set(given)
    del host.refuse[SevCommand.SNP_PAGE_RECLAIM]
    host._do_RmpUpdate = lambda action: FakeHost._do_RmpUpdate(host, action)  # type: ignore[method-assign]
    host.run(pool.retry_lost())
    assert not host.pages
    assert not pool.lost


@pytest.mark.parametrize("failing", [RmpUpdate, Free])
def test_what_was_reclaimed_already_is_not_reclaimed_twice(failing: type) -> None:
    host, pool = FakeHost(), PagePool()
    page = host.run(pool.page(is_donated=True))
    host.fails = failing
    with pytest.raises(BackendError):
        host.run(pool.release_page(page, is_donated=True))
    with pytest.raises((BackendError, SevCommandError)):
        host.run(pool.retry_lost())
    host.fails = None
    host.run(pool.retry_lost())
    assert not host.pages
    assert not pool.lost
