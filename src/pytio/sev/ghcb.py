"""How a guest reaches the hypervisor for SEV-TIO: exits of the GHCB, and what their registers hold.

Documents: AMD 56421 (GHCB), and the kernel's guest drivers for what is not in it. A register is eight bytes.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SevDecodeError
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.tio_codes import EvidenceFlags, TioOperation
from pytio.wire import U32, Bit, Bits, Flags, Integer, OpenCode, WireStruct, message, wire

__all__ = (
    "HV_FEATURE_SEV_TIO",
    "SW_EXIT_TIO_GUEST_REQUEST",
    "SW_EXIT_TIO_OPERATION",
    "MmioParameter",
    "RequestResult",
    "SdteParameter",
    "SdteParameterN",
    "TdiInfoParameter",
    "TioOperationInfo",
    "tdisp_state_r1",
)

SW_EXIT_TIO_GUEST_REQUEST: Final = 0x8000_0020
"""SW_EXITCODE: hand an encrypted message to the firmware."""
SW_EXIT_TIO_OPERATION: Final = 0x8000_0021
"""SW_EXITCODE: bind, unbind, run or stop an interface; from P2 on."""
HV_FEATURE_SEV_TIO: Final = 1 << 7
"""The hypervisor offers these exits."""
_LEAST_PAGE_SHIFT: Final = 12


@message
class RequestResult(WireStruct, errors=SevDecodeError):
    """SW_EXITINFO2 after a request, 8 bytes."""

    fw_err: SevStatus = wire(OpenCode(U32, SevStatus), default=SevStatus.SUCCESS)
    vmm_err: HypervisorError = wire(OpenCode(U32, HypervisorError), default=HypervisorError.NONE)


@message
class TdiInfoParameter(WireStruct, errors=SevDecodeError):
    """RDX of a TDI_INFO request from P2 on, 8 bytes; what R1 and R2 pass is zero."""

    wanted: EvidenceFlags = wire(Flags(Integer(8), EvidenceFlags), default=EvidenceFlags(0))


@message
class MmioParameter(WireStruct, errors=SevDecodeError):
    """RDX of an MMIO_VALIDATE or MMIO_CONFIG request, 8 bytes: which pages."""

    range_number: int = wire(Bits(3), default=0)
    """The BAR."""
    is_private: bool = wire(Bit, default=False)
    """T; reserved in R1."""
    order: int = wire(Bits(8), default=0)
    """log2 of the number of pages."""
    page: int = wire(Bits(40))
    """Guest physical address in pages."""
    reserved: int = wire(Bits(12), default=0)

    @property
    def gpa(self) -> int:
        """The guest physical address, in bytes."""
        return self.page << _LEAST_PAGE_SHIFT

    @property
    def size_bytes(self) -> int:
        """How many bytes from there on."""
        return 1 << self.order + _LEAST_PAGE_SHIFT


@message
class SdteParameter(WireStruct, errors=SevDecodeError):
    """RDX of an SDTE_WRITE request, 8 bytes."""

    validate: bool = wire(Bit, default=False)
    """Set the entry, and not clear it."""
    reserved: int = wire(Bits(63), default=0)


@message
class SdteParameterN(WireStruct, errors=SevDecodeError):
    """RDX of an SDTE_WRITE request in N, 8 bytes."""

    validate: bool = wire(Bit, default=False)
    """Set the entry, and not clear it."""
    reserved: int = wire(Bits(20), default=0)
    vtom: int = wire(Bits(31), default=0)
    """Bits 51:21 of the first shared address."""
    reserved_high: int = wire(Bits(12), default=0)


@message
class TioOperationInfo(WireStruct, errors=SevDecodeError):
    """SW_EXITINFO1 of a TIO operation, 8 bytes."""

    guest_rid: int = wire(U32)
    """Requester id of the device in the guest."""
    action: TioOperation = wire(OpenCode(U32, TioOperation))


def tdisp_state_r1(rdx: int) -> int | None:
    """Return the TDISP state in RDX of an R1 hypervisor, which is one more than the wire's; None for unavailable."""
    return rdx - 1 if rdx else None
