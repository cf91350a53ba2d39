"""TCB versions: the security version numbers of the firmware's parts, in one of two layouts.

Document: AMD 56860, "TCB Version". Which layout it is depends on the processor, not on the bytes: Milan and Genoa have
the first, Turin and Venice the second.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.wire import Byte, Bytes, WireStruct, message, wire

__all__ = ("TcbVersion", "TurinTcbVersion")


@message
class TcbVersion(WireStruct, errors=SevDecodeError):
    """TCB_VERSION of family 19h (Milan, Genoa), 8 bytes."""

    boot_loader: int = wire(Byte, default=0)
    tee: int = wire(Byte, default=0)
    reserved: bytes = wire(Bytes(4), default=bytes(4))
    snp: int = wire(Byte, default=0)
    microcode: int = wire(Byte, default=0)


@message
class TurinTcbVersion(WireStruct, errors=SevDecodeError):
    """TCB_VERSION of family 1Ah (Turin, Venice), 8 bytes."""

    fmc: int = wire(Byte, default=0)
    boot_loader: int = wire(Byte, default=0)
    tee: int = wire(Byte, default=0)
    snp: int = wire(Byte, default=0)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    microcode: int = wire(Byte, default=0)
