"""The registers of a guest's exit, as the hypervisor finds them and as it leaves them.

Document: AMD 56421 (GHCB); SEV-TIO's "GHCB exits". What is in a register is `pytio.sev.ghcb`'s.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.errors import SevCommandError
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.ghcb import RequestResult

__all__ = ("GuestOperation", "GuestReply", "GuestRequest", "register_bytes")

_REGISTER_BYTES: Final = 8


def register_bytes(value: int) -> bytes:
    """Return a register as bytes."""
    return value.to_bytes(_REGISTER_BYTES, "little")


@attrs.frozen
class GuestRequest:
    """SW_EXITCODE 0x80000020 as the guest left the registers."""

    sw_exitinfo1: int
    """Guest physical address of the request page, shared."""
    sw_exitinfo2: int
    """Guest physical address of the response page, shared."""
    rax: int = 0
    """Guest physical address of the data area, shared."""
    rbx: int = 0
    """Its size in pages."""
    rcx: int = 0
    """The interface's requester id in the guest."""
    rdx: int = 0
    """What the message wants of the host."""


@attrs.frozen
class GuestOperation:
    """SW_EXITCODE 0x80000021 as the guest left the register."""

    sw_exitinfo1: int
    """Action and requester id."""


@attrs.frozen
class GuestReply:
    """The registers as the guest gets them back.

    Attributes:
        sw_exitinfo2: what the hypervisor and the firmware say.
        rbx: pages that are needed, where the data area is too small.
        rcx: the id of the interface after a bind.
        rdx: the state of the interface after TDI_INFO.
        cause: what went wrong on the host, which the guest is not told.
    """

    sw_exitinfo2: int = 0
    rbx: int = 0
    rcx: int = 0
    rdx: int = 0
    cause: Exception | None = attrs.field(default=None, eq=False)

    @property
    def result(self) -> RequestResult:
        """What the hypervisor and the firmware say."""
        return RequestResult.parse(register_bytes(self.sw_exitinfo2))

    @classmethod
    def saying(
        cls,
        *,
        fw_err: int = SevStatus.SUCCESS,
        vmm_err: int = HypervisorError.NONE,
        cause: Exception | None = None,
        **registers: int,
    ) -> GuestReply:
        """Make a reply with a result."""
        result = RequestResult(fw_err=SevStatus(fw_err), vmm_err=HypervisorError(vmm_err))
        return cls(int.from_bytes(result.build(), "little"), cause=cause, **registers)

    @classmethod
    def of_failure(cls, error: Exception) -> GuestReply:
        """Make the reply for what was raised: the firmware's status, or that the host failed."""
        if isinstance(error, SevCommandError):
            return cls.saying(fw_err=error.status, cause=error)
        return cls.saying(vmm_err=HypervisorError.GENERIC, cause=error)
