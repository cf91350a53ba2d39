"""The PSP's command registers: writing CmdResp runs a command.

Document: AMD 58271, "SEV command register set". One command is outstanding at a time, and over when the write is.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from pytio.sev.codes import SevStatus
from pytio.sev.registers import CommandRegister, InterruptStatus, ResponseRegister

__all__ = ("Mailbox", "PspRegister")

_WORD_BITS: Final = 32
_WORD_BYTES: Final = 4
_WORD_MASK: Final = (1 << _WORD_BITS) - 1


class PspRegister(Enum):
    """A register of 32 bits."""

    CMD_RESP = "CmdResp"
    """Command on a write, response on a read."""
    CMD_BUF_ADDR_LO = "CmdBufAddr_Lo"
    CMD_BUF_ADDR_HI = "CmdBufAddr_Hi"
    INT_STS = "IntSts"
    """Bit 1 is set by a completed command that asked for an interrupt, and cleared by writing it."""


class Mailbox:
    """The registers in front of a firmware."""

    def __init__(self, execute: Callable[[int, int], SevStatus]) -> None:
        """Run commands by ``execute``: command and physical address of the buffer to status."""
        self._execute = execute
        self._values = dict.fromkeys(PspRegister, 0)

    def read(self, register: PspRegister) -> int:
        """Return a register's 32 bits."""
        return self._values[register]

    def write(self, register: PspRegister, value: int) -> None:
        """Write 32 bits; to CmdResp runs the command.

        Raises:
            ValueError: the value has more than 32 bits.
        """
        if value & ~_WORD_MASK:
            raise ValueError(f"{value:#x} does not fit in a register of {_WORD_BITS} bits")
        if register is PspRegister.CMD_RESP:
            self._run(CommandRegister.parse(value.to_bytes(_WORD_BYTES, "little")))
        elif register is PspRegister.INT_STS:
            self._values[register] &= ~value
        else:
            self._values[register] = value

    def _run(self, asked: CommandRegister) -> None:
        high, low = self._values[PspRegister.CMD_BUF_ADDR_HI], self._values[PspRegister.CMD_BUF_ADDR_LO]
        status = self._execute(asked.command, high << _WORD_BITS | low)
        self._values[PspRegister.CMD_RESP] = _word(ResponseRegister(status=status).build())
        if asked.interrupt_on_completion:
            self._values[PspRegister.INT_STS] |= _word(InterruptStatus(command_complete=True).build())


def _word(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
