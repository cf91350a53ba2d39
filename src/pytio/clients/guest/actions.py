"""What plans of the guest's client ask for: an exit to the hypervisor, a wait, an access to configuration space.

Document: AMD 56421 (GHCB). Whoever performs them places pages in shared memory and fills the registers.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

import attrs

from pytio.clients.ide_streams import ReadConfig, WriteConfig
from pytio.sev.ghcb import RequestResult
from pytio.sev.tio_codes import TioOperation

__all__ = ("Action", "Operation", "OperationReply", "Plan", "Request", "RequestReply", "Wait")

T = TypeVar("T")


def _size(data: bytes) -> str:
    return f"<{len(data)} bytes>"


@attrs.frozen
class Request:
    """Hand an encrypted message to the firmware: SW_EXITCODE 0x80000020; the outcome is a `RequestReply`.

    Attributes:
        page: the request page, 4096 bytes.
        rcx: the interface, and in N the number of MMIO pages.
        rdx: what the message wants of the hypervisor.
        data_pages: pages of the data area, which RBX says; 0 for none.
        data: what the data area begins with.
    """

    page: bytes = attrs.field(repr=_size)
    rcx: int
    rdx: int = 0
    data_pages: int = 0
    data: bytes = attrs.field(default=b"", repr=_size)


@attrs.frozen
class RequestReply:
    """What came of a request.

    Attributes:
        result: SW_EXITINFO2.
        page: the response page, 4096 bytes; whatever it holds where the result is a failure.
        rbx: pages that the data area should have, where it is too small.
        rdx: the state of the interface after TDI_INFO.
        data: the data area.
    """

    result: RequestResult
    page: bytes = attrs.field(default=b"", repr=_size)
    rbx: int = 0
    rdx: int = 0
    data: bytes = attrs.field(default=b"", repr=_size)


@attrs.frozen
class Operation:
    """Have the hypervisor bind, start, stop or unbind: SW_EXITCODE 0x80000021; the outcome is an `OperationReply`."""

    action: TioOperation
    guest_rid: int


@attrs.frozen
class OperationReply:
    """What came of an operation.

    Attributes:
        result: SW_EXITINFO2.
        tdi_id: RCX, the interface's id after a bind.
    """

    result: RequestResult
    tdi_id: int = 0


@attrs.frozen
class Wait:
    """Wait; no outcome."""

    seconds: float


Action: TypeAlias = Request | Operation | Wait | ReadConfig | WriteConfig
"""What a plan asks for."""
Plan: TypeAlias = Generator[Action, Any, T]
"""Actions out, outcomes in, a result at the end."""
