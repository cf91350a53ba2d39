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
from pytio.sev.guest_ioctl import ReportRequest, ReportResponseHeader
from pytio.sev.guest_messages import GUEST_MESSAGES
from pytio.sev.tio_codes import GuestMessageType, GuestMessageTypeR1, Revision
from pytio.wire import WireStruct

__all__ = ("EXIT_NAMES", "SNP_EXITS", "exit_registers", "guest_message_type", "parse_guest_payload")

_SNP_EXIT_GUEST_REQUEST: Final = 0x8000_0011
_SNP_EXIT_EXTENDED_GUEST_REQUEST: Final = 0x8000_0012
EXIT_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        SW_EXIT_TIO_GUEST_REQUEST: "SEV_TIO_GUEST_REQUEST",
        SW_EXIT_TIO_OPERATION: "SEV_TIO_OP",
        _SNP_EXIT_GUEST_REQUEST: "SNP_GUEST_REQUEST",
        _SNP_EXIT_EXTENDED_GUEST_REQUEST: "SNP_EXT_GUEST_REQUEST",
    }
)
"""What the exits that carry guest messages are called, by SW_EXITCODE."""
SNP_EXITS: Final = frozenset({_SNP_EXIT_GUEST_REQUEST, _SNP_EXIT_EXTENDED_GUEST_REQUEST})
"""Exits whose messages are SEV-SNP's, in every revision of SEV-TIO."""
_REGISTER_BYTES: Final = 8
_R1: Final = frozenset({Revision.R1, Revision.R2})


def guest_message_type(revision: Revision, msg_type: int) -> GuestMessageType | GuestMessageTypeR1:
    """Return what a message is in a revision, where a command or an exit of SEV-TIO carried it.

    Numbers that SEV-TIO gives no meaning in the revision are those of SEV-SNP.
    """
    if revision in _R1 and msg_type in set(GuestMessageTypeR1):
        return GuestMessageTypeR1(msg_type)
    return GuestMessageType(msg_type)


def parse_guest_payload(revision: Revision, msg_type: int, payload: bytes) -> tuple[WireStruct, ...]:
    """Return the structures in a message's payload; none for a message that is not laid out here.

    Those are SEV-TIO's, and the request for an attestation report and its response. What other messages of SEV-SNP hold
    may be keys.

    Raises:
        SevDecodeError: the payload does not decode.
    """
    kind = guest_message_type(revision, msg_type)
    cls = GUEST_MESSAGES.get(revision, {}).get(kind) or _SNP.get(kind)
    if cls is None:
        return ()
    if cls is not ReportResponseHeader:
        return (cls.parse(payload),)
    header, report = ReportResponseHeader.split(payload)
    return (header,) if report is None else (header, report)


_SNP: Final[Mapping[int, type[WireStruct]]] = {
    GuestMessageType.REPORT_REQ: ReportRequest,
    GuestMessageType.REPORT_RSP: ReportResponseHeader,
}


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
