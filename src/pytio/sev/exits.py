"""The registers of a GHCB exit of SEV-TIO as messages: what the guest passes, and what it gets back.

Documents: AMD 56421 (GHCB), and the kernel's guest drivers. What RDX means depends on the revision and on the guest
message beside it, whose type travels in clear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pytio.sev.ghcb import (
    SW_EXIT_TIO_GUEST_REQUEST,
    SW_EXIT_TIO_OPERATION,
    MmioParameter,
    RequestResult,
    SdteParameter,
    SdteParameterN,
    TdiInfoParameter,
    TioOperationInfo,
)
from pytio.sev.guest_messages import GUEST_MESSAGES
from pytio.sev.tio_codes import GuestMessageType, GuestMessageTypeR1, Revision
from pytio.wire import WireStruct

__all__ = ("EXIT_NAMES", "exit_registers", "guest_message_class", "guest_message_type")

EXIT_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {SW_EXIT_TIO_GUEST_REQUEST: "SEV_TIO_GUEST_REQUEST", SW_EXIT_TIO_OPERATION: "SEV_TIO_OP"}
)
"""What SEV-TIO's exits are called, by SW_EXITCODE."""
_REGISTER_BYTES: Final = 8
_R1: Final = frozenset({Revision.R1, Revision.R2})


def guest_message_type(revision: Revision, msg_type: int) -> GuestMessageType | GuestMessageTypeR1:
    """Return what a message is in a revision, where a command or an exit of SEV-TIO carried it."""
    return GuestMessageTypeR1(msg_type) if revision in _R1 else GuestMessageType(msg_type)


def guest_message_class(revision: Revision, msg_type: int) -> type[WireStruct] | None:
    """Return the class that lays out a message's payload; None for one that is not SEV-TIO's."""
    return GUEST_MESSAGES.get(revision, {}).get(guest_message_type(revision, msg_type))


def exit_registers(
    revision: Revision, registers: Mapping[str, int], *, is_response: bool, msg_type: int | None = None
) -> dict[str, WireStruct]:
    """Return the registers that are laid out, by name: what they hold in this direction.

    Args:
        revision: whose meaning they have.
        registers: their values, by the names of `pytio.capture.sev_records.GhcbRegisters`; what is missing is left out.
        is_response: whether the guest gets them back.
        msg_type: MSG_TYPE of the guest message beside them, which tells what RDX is.

    Raises:
        SevDecodeError: a register does not decode; ValueError, a value has more than 64 bits.
    """
    code = registers.get("sw_exitcode", SW_EXIT_TIO_GUEST_REQUEST)
    rdx = _RDX.get(guest_message_type(revision, msg_type or 0).name, None)
    layouts: dict[str, type[WireStruct]] = {}
    if is_response:
        layouts["sw_exitinfo2"] = RequestResult
    elif code == SW_EXIT_TIO_OPERATION:
        layouts["sw_exitinfo1"] = TioOperationInfo
    elif code == SW_EXIT_TIO_GUEST_REQUEST and rdx is not None:
        layouts["rdx"] = rdx(revision)
    return {
        name: cls.parse(registers[name].to_bytes(_REGISTER_BYTES, "little"))
        for name, cls in layouts.items()
        if name in registers
    }


def _sdte(revision: Revision) -> type[WireStruct]:
    return SdteParameterN if revision is Revision.N else SdteParameter


_RDX: Final[Mapping[str, Callable[[Revision], type[WireStruct]]]] = {
    "TIO_TDI_INFO_REQ": lambda _: TdiInfoParameter,
    "TIO_MMIO_VALIDATE_REQ": lambda _: MmioParameter,
    "TIO_MMIO_CONFIG_REQ": lambda _: MmioParameter,
    "TIO_SDTE_WRITE_REQ": _sdte,
}
