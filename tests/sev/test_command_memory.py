"""What memory commands name, and what is taken from there."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.errors import SevDecodeError
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS, SPDM_AWARE, PageRange, PageRangeList, SnpInitEx, TioStatus
from pytio.sev.commands.memory import RESULTS, MemoryRole, MemoryUse, memory_used, named_memory, parse_memory
from pytio.sev.data_objects import BufferHeader, SpdmObject
from pytio.sev.sla import Sla, build_scatter_page
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, Revision, SevCommand
from tests.hosts.sev_story import CONNECT, Memory, buffer_of

# by command: sizes of what R1, R2, U and P2 write, as the tables give them
SIZES = {
    SevCommand.SNP_PLATFORM_STATUS: (32, 32, 32, 32),
    SevCommand.SNP_FEATURE_INFO: (16, 16, 16, 16),
    SevCommand.TIO_STATUS: (48, 48, 64, 64),
    SevCommand.TIO_DEV_STATUS: (152, 160, None, 160),
    SevCommand.TIO_TDI_STATUS: (8, 8, None, 16),
    SevCommand.TIO_TDI_INFO: (192, 192, None, 192),
    SevCommand.TIO_ASID_FENCE_STATUS: (8, 8, None, 8),
}
REVISIONS = (Revision.R1, Revision.R2, Revision.U, Revision.P2)


def used(command: SevCommand, buffer: bytes, status: SevStatus, memory: Memory) -> tuple[MemoryUse, ...]:
    return memory_used(Revision.P2, command, buffer, status, memory.read)


@pytest.mark.parametrize("command", SIZES, ids=lambda command: command.name)
def test_sizes_of_results(command: SevCommand) -> None:
    for revision, size in zip(REVISIONS, SIZES[command], strict=True):
        cls = RESULTS[revision].get(command)
        assert (cls.fixed_size() if cls else None) == size
    assert RESULTS[Revision.N] == RESULTS[Revision.P2]


@pytest.mark.parametrize("revision", Revision)
def test_every_command_with_an_address_of_a_structure_has_its_class(revision: Revision) -> None:
    for command, cls in COMMANDS[revision].items():
        names = {field.name for field in cls.FIELDS}
        writes = bool(names & {"status_paddr", "feature_info_paddr"})
        known = RESULTS[revision].get(command) is not None
        assert known is writes or command.name.startswith("SNP_GUEST"), command
        if command in SPDM_AWARE:
            roles = {memory.role for memory in named_memory(cls.parse(b"\x01\x10" * (cls.minimum_size() // 2)))}
            assert {MemoryRole.SPDM_REQ, MemoryRole.SPDM_RSP, MemoryRole.SPDM_OUTPUT} <= roles


def test_null_is_not_named() -> None:
    connect = COMMANDS[Revision.P2][SevCommand.TIO_DEV_CONNECT].parse(CONNECT[:0x20] + bytes(8) + CONNECT[0x28:])
    assert [memory.role for memory in named_memory(connect)] == [
        MemoryRole.SPDM_REQ,
        MemoryRole.SPDM_RSP,
        MemoryRole.SPDM_SCRATCH,
    ]
    assert named_memory(TioStatus(status_paddr=0)) == ()
    (status,) = named_memory(TioStatus(status_paddr=0x1008))
    assert status.paddr == 0x1008


def test_a_buffer_that_is_to_grow_is_taken_with_its_header_alone() -> None:
    memory = Memory()
    memory.write(0x1004000, build_scatter_page((Sla.to(0x2000),)))
    memory.write(0x1003000, build_scatter_page((Sla.to(0x3000),)))
    memory.write(0x2000, BufferHeader(capacity_sz=4 * PAGE_BYTES).build())
    memory.write(0x3000, BufferHeader(capacity_sz=PAGE_BYTES).build())
    found = used(SevCommand.TIO_DEV_CONNECT, CONNECT, SevStatus.EXPAND_BUFFER_LENGTH_REQUEST, memory)
    assert [(use.paddr, use.is_written, len(use.data)) for use in found] == [
        (0x1003000, True, 64),
        (0x1004000, True, 64),
    ]
    ((header, _),) = parse_memory(MemoryRole.SPDM_OUTPUT, None, found[1].data)
    assert isinstance(header, BufferHeader)
    assert header.capacity_sz == 4 * PAGE_BYTES


def test_page_ranges_are_taken_whole() -> None:
    memory, ranges = Memory(), PageRangeList(ranges=(PageRange(base=0x1000, page_count=2),) * 3)
    memory.write(0x5000, ranges.build())
    (found,) = used(
        SevCommand.SNP_INIT_EX, SnpInitEx(list_paddr_en=True, list_paddr=0x5000).build(), SevStatus.SUCCESS, memory
    )
    assert parse_memory(MemoryRole.PAGE_RANGES, None, found.data) == ((ranges, 0),)


def test_what_cannot_be_read_is_left_out() -> None:
    memory = Memory()
    request = SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=b"\x10\x84\0\0")
    memory.write(0x1001000, buffer_of(request))
    (found,) = used(SevCommand.TIO_DEV_CONNECT, CONNECT, SevStatus.SPDM_REQUEST, memory)  # there is no RSP
    assert found.paddr == 0x1001000
    memory.write(0x1004000, bytes(PAGE_BYTES))  # a scatter page without an end
    assert used(SevCommand.TIO_DEV_CONNECT, CONNECT, SevStatus.SUCCESS, memory) == ()
    assert used(SevCommand.TIO_DEV_CONNECT, CONNECT[:9], SevStatus.SUCCESS, memory) == ()
    assert used(SevCommand(0x7F0), CONNECT, SevStatus.SUCCESS, memory) == ()


def test_a_payload_larger_than_its_pages_ends_with_them() -> None:
    memory = Memory()
    request: Any = SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=b"\x10\x84\0\0").build()
    header = BufferHeader(capacity_sz=0xFFFFFFFF, payload_sz=0xFFFFFFE0)
    memory.write(0x1001000, header.build() + request)
    (found,) = used(SevCommand.TIO_DEV_CONNECT, CONNECT, SevStatus.SPDM_REQUEST, memory)
    assert len(found.data) == PAGE_BYTES


def test_offsets_count_from_the_buffer() -> None:
    raw = BufferHeader(capacity_sz=4096, payload_sz=32).build() + bytes.fromhex("01000000 ff000000 0001 01")
    with pytest.raises(SevDecodeError) as caught:
        parse_memory(MemoryRole.SPDM_REQ, None, raw)
    assert caught.value.offset >= 64
    assert caught.value.data == raw
    with pytest.raises(SevDecodeError, match="no structure"):
        parse_memory(MemoryRole.STATUS, None, bytes(8))
