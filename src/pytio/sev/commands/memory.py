"""What memory a command names, and what is in it once the command is done.

Document: AMD 58271, "SPDM control", "Structures returned by firmware". A command is judged by its fields: whatever has
an `SpdmControl` names the buffers of a device, whatever has an address names a structure, whose class is in `RESULTS`.
This file reads no memory of its own: it asks a function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs

from pytio.errors import DecodeError, PytioError, SevDecodeError
from pytio.sev.codes import SevStatus
from pytio.sev.commands.platform import PageRangeList
from pytio.sev.data_objects import (
    BUFFER_HEADER_BYTES,
    SPDM_HEADER_BYTES,
    BufferHeader,
    DataObjectHeader,
    ResultObject,
    SpdmControl,
    SpdmObject,
)
from pytio.sev.guest_envelope import GuestMessage
from pytio.sev.host_ioctl import SnpPlatformStatus
from pytio.sev.sla import NULL, Sla, parse_scatter_page
from pytio.sev.structures import (
    AsidFence,
    AsidFenceR1,
    DeviceStatus,
    DeviceStatusR1,
    DeviceStatusR2,
    FeatureInfo,
    TdiInfo,
    TdiInfoR1,
    TdiInfoR2,
    TdiStatus,
    TdiStatusR1,
    TioPlatformStatus,
    TioPlatformStatusR1,
)
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, Revision, SevCommand
from pytio.wire import WireStruct

__all__ = (
    "RESULTS",
    "MemoryRole",
    "MemoryUse",
    "NamedMemory",
    "memory_used",
    "named_memory",
    "parse_memory",
    "parse_object",
)

_GUEST_HEADER_BYTES: Final = 0x60
_COUNT_BYTES: Final = 8  # of a list of page ranges, and 16 for each of them
_RANGE_BYTES: Final = 16


class MemoryRole(Enum):
    """What memory is to a command."""

    SPDM_REQ = "request for the device"
    SPDM_RSP = "response of the device"
    SPDM_SCRATCH = "scratch"
    SPDM_OUTPUT = "result"
    STATUS = "status"
    GUEST_REQUEST = "guest's request"
    GUEST_RESPONSE = "guest's response"
    PAGE_RANGES = "page ranges"


@attrs.frozen
class NamedMemory:
    """Memory that a command names.

    Attributes:
        role: what it is to the command.
        sla: how it is named; what has a plain address is named as its page, and the rest of the address is ``offset``.
        offset: bytes into the page.
    """

    role: MemoryRole
    sla: Sla
    offset: int = 0

    @property
    def paddr(self) -> int:
        """The physical address, in bytes: of the data, or of the scatter page that lists it."""
        return self.sla.paddr + self.offset


@attrs.frozen
class MemoryUse:
    """Bytes of memory that a command read or wrote.

    Attributes:
        paddr: the address, as the command names it: for a buffer of several pages that of its scatter page.
        is_written: whether the firmware wrote them; otherwise it read them.
        data: the bytes of the structure, or the header and the payload of a buffer.
    """

    paddr: int
    is_written: bool
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


_U: Final[Mapping[SevCommand, type[WireStruct]]] = {
    SevCommand.SNP_PLATFORM_STATUS: SnpPlatformStatus,
    SevCommand.SNP_FEATURE_INFO: FeatureInfo,
    SevCommand.TIO_STATUS: TioPlatformStatus,
}
_P2: Final[Mapping[SevCommand, type[WireStruct]]] = {
    **_U,
    SevCommand.TIO_DEV_STATUS: DeviceStatus,
    SevCommand.TIO_TDI_STATUS: TdiStatus,
    SevCommand.TIO_TDI_INFO: TdiInfo,
    SevCommand.TIO_ASID_FENCE_STATUS: AsidFence,
}
_R2: Final[Mapping[SevCommand, type[WireStruct]]] = {
    **_P2,
    SevCommand.TIO_STATUS: TioPlatformStatusR1,
    SevCommand.TIO_DEV_STATUS: DeviceStatusR2,
    SevCommand.TIO_TDI_STATUS: TdiStatusR1,
    SevCommand.TIO_TDI_INFO: TdiInfoR2,
    SevCommand.TIO_ASID_FENCE_STATUS: AsidFenceR1,
}
_R1: Final[Mapping[SevCommand, type[WireStruct]]] = {
    **_R2,
    SevCommand.TIO_DEV_STATUS: DeviceStatusR1,
    SevCommand.TIO_TDI_INFO: TdiInfoR1,
}

RESULTS: Final[Mapping[Revision, Mapping[SevCommand, type[WireStruct]]]] = MappingProxyType(
    {
        Revision.R1: MappingProxyType(_R1),
        Revision.R2: MappingProxyType(_R2),
        Revision.U: MappingProxyType(_U),
        Revision.P2: MappingProxyType(_P2),
        Revision.N: MappingProxyType(_P2),
    }
)
"""The class that lays out what a command writes to the address in it, by revision and command."""

_BUFFERS: Final = {
    "spdm_req": MemoryRole.SPDM_REQ,
    "spdm_rsp": MemoryRole.SPDM_RSP,
    "spdm_scratch": MemoryRole.SPDM_SCRATCH,
    "spdm_output": MemoryRole.SPDM_OUTPUT,
}
_ADDRESSES: Final = {
    "status_paddr": MemoryRole.STATUS,
    "feature_info_paddr": MemoryRole.STATUS,
    "req_paddr": MemoryRole.GUEST_REQUEST,
    "res_paddr": MemoryRole.GUEST_RESPONSE,
    "list_paddr": MemoryRole.PAGE_RANGES,
}
_READ: Final = frozenset({MemoryRole.SPDM_RSP, MemoryRole.GUEST_REQUEST, MemoryRole.PAGE_RANGES})
_WRITTEN: Final[Mapping[SevStatus, frozenset[MemoryRole]]] = {
    SevStatus.SUCCESS: frozenset({MemoryRole.SPDM_OUTPUT, MemoryRole.STATUS, MemoryRole.GUEST_RESPONSE}),
    SevStatus.SPDM_REQUEST: frozenset({MemoryRole.SPDM_REQ}),
    SevStatus.EXPAND_BUFFER_LENGTH_REQUEST: frozenset({MemoryRole.SPDM_OUTPUT, MemoryRole.SPDM_SCRATCH}),
}
"""What holds something new, by the status of the command."""


def named_memory(command: WireStruct) -> tuple[NamedMemory, ...]:
    """Return the memory that a command names beside its contexts, in the order of its fields; NULL is not named."""
    found: list[NamedMemory] = []
    for field in command.FIELDS:
        value = getattr(command, field.name)
        if isinstance(value, SpdmControl):
            found += (NamedMemory(role, getattr(value, name)) for name, role in _BUFFERS.items())
        elif role := _ADDRESSES.get(field.name):
            page, offset = divmod(value, PAGE_BYTES)
            if page.bit_length() <= _PFN_BITS:
                found.append(NamedMemory(role, Sla(pfn=page), offset))
    return tuple(memory for memory in found if memory.sla != NULL or memory.offset)


_PFN_BITS: Final = 40


def memory_used(
    revision: Revision,
    command: SevCommand,
    buffer: bytes,
    status: SevStatus,
    read: Callable[[int, int], bytes],
    *,
    continues: bool = True,
) -> tuple[MemoryUse, ...]:
    """Return what a command that is done has read and written, where that says something.

    Args:
        revision: whose layouts the command buffer has.
        command: the command.
        buffer: its buffer.
        status: what the firmware answered.
        read: returns so many bytes at a physical address. It may raise ValueError or `PytioError`: what cannot be read
            is left out, as is what a buffer that does not decode would name.
        continues: whether the command was issued again with a response; otherwise the one in memory is an older one.
    """
    from pytio.sev.commands import COMMANDS  # noqa: PLC0415  the table holds what this module is beside

    cls = COMMANDS[revision].get(command)
    if cls is None:
        return ()
    try:
        parsed = cls.parse(buffer)
    except DecodeError:
        return ()
    found: list[MemoryUse] = []
    used = _WRITTEN.get(status, frozenset()) | (_READ if continues else _READ - {MemoryRole.SPDM_RSP})
    for memory in named_memory(parsed):
        if memory.role in used:
            with suppress(PytioError, ValueError):
                data = _READERS[memory.role](memory, RESULTS[revision].get(command), read)
                if data:
                    found.append(MemoryUse(memory.paddr, memory.role not in _READ, data))
    return tuple(sorted(found, key=lambda use: use.is_written))


_Reader = Callable[[NamedMemory, type[WireStruct] | None, Callable[[int, int], bytes]], bytes]


def _read_buffer(memory: NamedMemory, _: type[WireStruct] | None, read: Callable[[int, int], bytes]) -> bytes:
    """Return header and payload of a buffer; nothing where the object in it is empty."""
    pages = [memory.sla]
    if memory.sla.is_scatter_page:
        pages = [*parse_scatter_page(read(memory.sla.paddr, PAGE_BYTES))]
    if not pages:
        return b""
    start = read(pages[0].paddr, BUFFER_HEADER_BYTES + SPDM_HEADER_BYTES)
    header = BufferHeader.parse(start[:BUFFER_HEADER_BYTES])
    is_empty = DataObjectHeader.parse_prefix(start[BUFFER_HEADER_BYTES:])[0].length < SPDM_HEADER_BYTES
    if header.payload_sz == 0 or is_empty:
        return start[:BUFFER_HEADER_BYTES] if memory.role in _GROWING else b""
    size = min(BUFFER_HEADER_BYTES + header.payload_sz, sum(map(_size_of, pages)))
    return b"".join(_gathered(pages, size, read))


_GROWING: Final = frozenset({MemoryRole.SPDM_OUTPUT, MemoryRole.SPDM_SCRATCH})


def _size_of(page: Sla) -> int:
    return PAGE_BYTES << 9 if page.is_2mib else PAGE_BYTES


def _gathered(pages: list[Sla], size: int, read: Callable[[int, int], bytes]) -> Iterator[bytes]:
    for page in pages:
        part = min(size, _size_of(page))
        if part:
            yield read(page.paddr, part)
        size -= part


def _read_structure(memory: NamedMemory, cls: type[WireStruct] | None, read: Callable[[int, int], bytes]) -> bytes:
    return b"" if cls is None else read(memory.paddr, cls.minimum_size())


def _read_message(memory: NamedMemory, _: type[WireStruct] | None, read: Callable[[int, int], bytes]) -> bytes:
    return GuestMessage.parse_prefix(read(memory.paddr, PAGE_BYTES))[0].build()


def _read_ranges(memory: NamedMemory, _: type[WireStruct] | None, read: Callable[[int, int], bytes]) -> bytes:
    count = int.from_bytes(read(memory.paddr, _COUNT_BYTES // 2), "little")
    size = _COUNT_BYTES + count * _RANGE_BYTES
    return read(memory.paddr, size) if size <= PAGE_BYTES else b""


_READERS: Final[Mapping[MemoryRole, _Reader]] = {
    MemoryRole.SPDM_REQ: _read_buffer,
    MemoryRole.SPDM_RSP: _read_buffer,
    MemoryRole.SPDM_SCRATCH: _read_buffer,
    MemoryRole.SPDM_OUTPUT: _read_buffer,
    MemoryRole.STATUS: _read_structure,
    MemoryRole.GUEST_REQUEST: _read_message,
    MemoryRole.GUEST_RESPONSE: _read_message,
    MemoryRole.PAGE_RANGES: _read_ranges,
}


def parse_memory(role: MemoryRole, result: type[WireStruct] | None, data: bytes) -> tuple[tuple[WireStruct, int], ...]:
    """Return the structures in memory of a role, and where each begins.

    Args:
        role: what the memory is to its command.
        result: the class in `RESULTS`, for `MemoryRole.STATUS`.
        data: the bytes.

    Raises:
        SevDecodeError: they do not decode; or nobody knows what a status structure of the command looks like.
    """
    if role in _BUFFERS.values():
        header, size = BufferHeader.parse_prefix(data)
        if len(data) == size or role is MemoryRole.SPDM_SCRATCH:
            return ((header, 0),)
        try:
            return (header, 0), (parse_object(data[size:]), size)
        except DecodeError as error:
            raise SevDecodeError(error.reason, data, size + error.offset, error.path) from error
    cls = result if role is MemoryRole.STATUS else _STRUCTURES.get(role)
    if cls is None:
        raise SevDecodeError("no structure is known of this command", data, 0)
    return ((cls.parse_prefix(data)[0], 0),)


_STRUCTURES: Final[Mapping[MemoryRole, type[WireStruct]]] = {
    MemoryRole.GUEST_REQUEST: GuestMessage,
    MemoryRole.GUEST_RESPONSE: GuestMessage,
    MemoryRole.PAGE_RANGES: PageRangeList,
}
_SPDM_OBJECTS: Final = frozenset({DataObjectId.SPDM_REQUEST, DataObjectId.SPDM_RESPONSE})
_RESULT_OBJECTS: Final = frozenset(
    {DataObjectId.CERTIFICATES, DataObjectId.MEASUREMENTS, DataObjectId.INTERFACE_REPORT}
)


def parse_object(data: bytes) -> SpdmObject | ResultObject | DataObjectHeader:
    """Return the data object at the start of bytes; of one that is not known only the header.

    Raises:
        SevDecodeError: they do not decode.
    """
    header, _ = DataObjectHeader.parse_prefix(data)
    if header.object_id in _SPDM_OBJECTS:
        return SpdmObject.parse_prefix(data)[0]
    return ResultObject.parse_prefix(data)[0] if header.object_id in _RESULT_OBJECTS else header
