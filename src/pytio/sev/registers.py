"""The PSP's command registers: one command at a time, its buffer's address beside it.

Document: AMD 58271 and the kernel's ``psp-sev.h``, "SEV command register set". CmdBufAddr_Lo and _Hi hold the two
halves of the buffer's physical address, and have no layout of their own.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.sev.codes import SevStatus
from pytio.sev.tio_codes import SevCommand
from pytio.wire import Bit, Bits, WireStruct, message, wire

__all__ = ("CommandRegister", "InterruptStatus", "ResponseRegister")


@message
class CommandRegister(WireStruct, errors=SevDecodeError):
    """CmdResp as the host writes it, 4 bytes: go."""

    interrupt_on_completion: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(15), default=0)
    command: SevCommand = wire(Bits(11, SevCommand))
    reserved_high: int = wire(Bits(5), default=0)


@message
class ResponseRegister(WireStruct, errors=SevDecodeError):
    """CmdResp as the firmware leaves it, 4 bytes: the status stands there once ``is_response`` is set."""

    status: SevStatus = wire(Bits(16, SevStatus), default=SevStatus.SUCCESS)
    reserved: int = wire(Bits(15), default=0)
    is_response: bool = wire(Bit, default=True)


@message
class InterruptStatus(WireStruct, errors=SevDecodeError):
    """IntSts, 4 bytes."""

    reserved: bool = wire(Bit, default=False)
    command_complete: bool = wire(Bit, default=False)
    reserved_high: int = wire(Bits(30), default=0)
