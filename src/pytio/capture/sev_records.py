"""Records of link types USER0 and USER1: a command of the PSP, and a guest's way to it.

The formats are pytio's own (docs/capture.md): no capture format has a place for either. A record says which revision
its bytes are of, since nothing in them does. This file knows layouts, and no meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pytio.errors import CaptureError
from pytio.sev.registers import CommandRegister, ResponseRegister
from pytio.sev.tio_codes import Revision
from pytio.wire import (
    AUTO,
    U32,
    U64,
    Array,
    Bit,
    Bits,
    Byte,
    Bytes,
    Code,
    Nested,
    OpenCode,
    OpenEnum,
    WireStruct,
    fixed,
    message,
    this,
    wire,
)

__all__ = (
    "GhcbRegisters",
    "GuestDirection",
    "GuestRecord",
    "PspRecord",
    "RECORD_VERSION",
    "RecordedMemory",
    "RecordedRevision",
)

RECORD_VERSION: Final = 1
"""Of both formats."""


class RecordedRevision(OpenEnum):
    """A `pytio.sev.tio_codes.Revision` as a number."""

    R1 = 1
    R2 = 2
    U = 3
    P2 = 4
    N = 5

    @property
    def revision(self) -> Revision | None:
        """The revision; None for one that is not known."""
        return Revision.__members__.get(self.name)


class GuestDirection(IntEnum):
    """Which way a guest record goes."""

    REQUEST = 1
    """From the guest, as it exits."""
    RESPONSE = 2
    """To the guest, as it resumes."""


@message
class RecordedMemory(WireStruct, errors=CaptureError):
    """Memory that a command read or wrote: 16 bytes, and what was there."""

    paddr: int = wire(U64)
    """Physical address, as the command names it: of a buffer with a scatter page that of the scatter page, whose
    pages' bytes then follow in order."""
    is_written: bool = wire(Bit, default=False)
    """The firmware wrote it; otherwise the firmware read it."""
    reserved: int = wire(Bits(31), default=0)
    size: int = wire(U32, default=AUTO)
    data: bytes = wire(Bytes(this.size), default=b"", repr=False)


@message
class PspRecord(WireStruct, errors=CaptureError):
    """One command of the PSP, link type 147: 32 bytes, the command buffer, and the memory that says more."""

    record_version: int = fixed(Byte, RECORD_VERSION)
    revision: RecordedRevision = wire(OpenCode(Byte, RecordedRevision), default=RecordedRevision.P2)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    command: CommandRegister = wire(Nested(CommandRegister))
    """CmdResp as the host wrote it."""
    buffer_paddr: int = wire(U64)
    """CmdBufAddr_Hi and _Lo."""
    response: ResponseRegister = wire(Nested(ResponseRegister))
    """CmdResp as the firmware left it."""
    buffer_size: int = wire(U32, default=AUTO)
    memory_count: int = wire(U32, default=AUTO)
    reserved_end: int = wire(U32, default=0)
    buffer: bytes = wire(Bytes(this.buffer_size), default=b"", repr=False)
    """The command buffer."""
    memory: tuple[RecordedMemory, ...] = wire(Array(this.memory_count, Nested(RecordedMemory)), default=())


@message
class GhcbRegisters(WireStruct, errors=CaptureError):
    """What a GHCB exit passes, 56 bytes; all zero where only the page was recorded."""

    sw_exitcode: int = wire(U64, default=0)
    sw_exitinfo1: int = wire(U64, default=0)
    sw_exitinfo2: int = wire(U64, default=0)
    rax: int = wire(U64, default=0)
    rbx: int = wire(U64, default=0)
    rcx: int = wire(U64, default=0)
    rdx: int = wire(U64, default=0)


@message
class GuestRecord(WireStruct, errors=CaptureError):
    """A guest's exit or its answer, link type 148: 72 bytes, the message page, and the area for blobs."""

    record_version: int = fixed(Byte, RECORD_VERSION)
    revision: RecordedRevision = wire(OpenCode(Byte, RecordedRevision), default=RecordedRevision.P2)
    direction: GuestDirection = wire(Code(Byte, GuestDirection))
    reserved: int = wire(Byte, default=0)
    page_size: int = wire(U32, default=AUTO)
    registers: GhcbRegisters = wire(Nested(GhcbRegisters), default=GhcbRegisters())
    area_size: int = wire(U32, default=AUTO)
    reserved_end: int = wire(U32, default=0)
    page: bytes = wire(Bytes(this.page_size), default=b"", repr=False)
    """The guest message: all of its page, or as much as the message takes; nothing for an operation."""
    area: bytes = wire(Bytes(this.area_size), default=b"", repr=False)
    """The shared data area with the table of blobs, or as much as its blobs take."""
