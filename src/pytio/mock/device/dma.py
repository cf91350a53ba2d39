"""The DMA engine, and the registers of BAR 0 through which a driver drives it.

Little-endian registers of 4 bytes. A driver writes source, destination and length, and rings CONTROL:

====== ============== ===========================================================================================
offset register       what it is
====== ============== ===========================================================================================
00     IDENTITY       "pTIO"
04     VERSION        1
08     REQUESTER_ID   the function's own
0C     SCRATCH        any value
10, 14 SOURCE         low and high half: address in the host's memory, or offset in the device's own
18, 1C DESTINATION    the same
20     LENGTH         bytes
24     CONTROL        doorbell: bit 0 start, bit 1 direction (0 to the host, 1 from it), bit 2 interrupt at the end,
                      31:16 its vector
28     STATUS         0 idle, 1 done, 2 refused by the device, 3 failed on the way
====== ============== ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Final, Protocol

from pytio.errors import LocalProtocolError, RemoteProtocolError
from pytio.mock.device.regions import Region, Register, RegisterFile

__all__ = ("IDENTITY", "DmaControl", "DmaRegister", "DmaStatus", "HostBus", "dma_registers")

IDENTITY: Final = int.from_bytes(b"pTIO", "little")
"""What IDENTITY reads."""
_VERSION: Final = 1
_ALL: Final = 0xFFFF_FFFF
_VECTOR_SHIFT: Final = 16
_MOST_BYTES: Final = 1 << 20


class DmaRegister(IntEnum):
    """Offsets in the BAR."""

    IDENTITY = 0x00
    VERSION = 0x04
    REQUESTER_ID = 0x08
    SCRATCH = 0x0C
    SOURCE_LOW = 0x10
    SOURCE_HIGH = 0x14
    DESTINATION_LOW = 0x18
    DESTINATION_HIGH = 0x1C
    LENGTH = 0x20
    CONTROL = 0x24
    STATUS = 0x28


class DmaControl(IntFlag):
    """Bits of CONTROL."""

    START = 1 << 0
    FROM_HOST = 1 << 1
    INTERRUPT = 1 << 2


class DmaStatus(IntEnum):
    """Values of STATUS."""

    IDLE = 0
    DONE = 1
    REFUSED = 2
    FAILED = 3


class HostBus(Protocol):
    """The way to the host's memory, as `pytio.mock.device.requester` has it."""

    def read(self, address: int, size: int) -> bytes:
        """Read; raises LocalProtocolError, RemoteProtocolError."""

    def write(self, address: int, data: bytes) -> None:
        """Write; raises LocalProtocolError."""

    def interrupt(self, vector: int) -> bool:
        """Interrupt; raises LocalProtocolError, IndexError."""


def dma_registers(bus: HostBus, memory: Callable[[], Region | None], requester_id: int) -> RegisterFile:
    """Return the registers; what is transferred goes to, or comes from, ``memory``."""
    registers = RegisterFile(
        Register(DmaRegister.IDENTITY, "IDENTITY", IDENTITY),
        Register(DmaRegister.VERSION, "VERSION", _VERSION),
        Register(DmaRegister.REQUESTER_ID, "REQUESTER_ID", requester_id),
        Register(DmaRegister.SCRATCH, "SCRATCH", writable=_ALL),
        Register(DmaRegister.SOURCE_LOW, "SOURCE_LOW", writable=_ALL),
        Register(DmaRegister.SOURCE_HIGH, "SOURCE_HIGH", writable=_ALL),
        Register(DmaRegister.DESTINATION_LOW, "DESTINATION_LOW", writable=_ALL),
        Register(DmaRegister.DESTINATION_HIGH, "DESTINATION_HIGH", writable=_ALL),
        Register(DmaRegister.LENGTH, "LENGTH", writable=_ALL),
        Register(
            DmaRegister.CONTROL, "CONTROL", writable=_ALL, written=lambda value: _ring(registers, bus, memory, value)
        ),
        Register(DmaRegister.STATUS, "STATUS"),
    )
    return registers


def _ring(registers: RegisterFile, bus: HostBus, memory: Callable[[], Region | None], control: int) -> None:
    """Do what CONTROL says, at once."""
    if not control & DmaControl.START:
        return
    try:
        _transfer(registers, bus, memory(), control)
        status = DmaStatus.DONE
        if control & DmaControl.INTERRUPT:
            bus.interrupt(control >> _VECTOR_SHIFT)
    except (LocalProtocolError, IndexError):
        status = DmaStatus.REFUSED
    except RemoteProtocolError:
        status = DmaStatus.FAILED
    registers["CONTROL"] = 0
    registers["STATUS"] = status


def _transfer(registers: RegisterFile, bus: HostBus, memory: Region | None, control: int) -> None:
    source = registers["SOURCE_HIGH"] << 32 | registers["SOURCE_LOW"]
    destination = registers["DESTINATION_HIGH"] << 32 | registers["DESTINATION_LOW"]
    size = registers["LENGTH"]
    if memory is None or not 0 < size <= _MOST_BYTES:
        raise LocalProtocolError("idle", f"DMA of {size} bytes", f"1 to {_MOST_BYTES} bytes of memory that there is")
    if control & DmaControl.FROM_HOST:
        memory.write(destination, bus.read(source, size))
    else:
        bus.write(destination, memory.read(source, size))
