"""Performs the plans of `pytio.clients.guest`: shared pages are filled, the exit made, and read back.

A `GuestPort` is what a guest has: shared memory, and a way out to the hypervisor. It keeps its shared pages: one for
requests, one for responses, and a data area that grows when the hypervisor wants it larger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import attrs

from pytio.clients.guest.actions import (
    Operation,
    OperationReply,
    Plan,
    Request,
    RequestReply,
    Wait,
)
from pytio.clients.ide_streams import ReadConfig, WriteConfig
from pytio.clients.psp.exits import GuestOperation, GuestReply, GuestRequest
from pytio.hosts.psp_port import ConfigAccess
from pytio.sev.ghcb import TioOperationInfo
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("GuestPort", "SharedMemory", "drive_guest")

T = TypeVar("T")
_DW_BYTES: Final = 4


class SharedMemory(Protocol):
    """A guest's shared memory, by guest physical address. What fails raises PytioError."""

    def allocate(self, pages: int) -> int:
        """Return the address of pages in one piece, which the hypervisor may read and write."""

    def read(self, gpa: int, size: int) -> bytes:
        """Return bytes."""

    def write(self, gpa: int, data: bytes) -> None:
        """Write bytes."""


def _no_wait(seconds: float) -> None:
    """Do not wait: a model is ready at once."""


@attrs.define
class GuestPort:
    """What a guest has.

    Attributes:
        memory: its shared memory.
        request: makes the exit of a guest request.
        operation: makes the exit of a TIO operation.
        config: of the functions that it was given, by their addresses in the guest.
        wait: waits for so many seconds.
    """

    memory: SharedMemory
    request: Callable[[GuestRequest], GuestReply]
    operation: Callable[[GuestOperation], GuestReply]
    config: ConfigAccess
    wait: Callable[[float], None] = _no_wait
    _pages: tuple[int, int] | None = attrs.field(default=None, init=False)
    _area: tuple[int, int] = attrs.field(default=(0, 0), init=False)

    def exit_request(self, action: Request) -> RequestReply:
        """Fill the pages and the registers, make the exit, and read everything back."""
        if self._pages is None:
            self._pages = self.memory.allocate(1), self.memory.allocate(1)
        asked, answered = self._pages
        self.memory.write(asked, action.page)
        self.memory.write(answered, bytes(PAGE_BYTES))
        area = self._data_area(action)
        reply = self.request(GuestRequest(asked, answered, area, action.data_pages, action.rcx, action.rdx))
        data = self.memory.read(area, action.data_pages * PAGE_BYTES) if action.data_pages else b""
        return RequestReply(reply.result, self.memory.read(answered, PAGE_BYTES), reply.rbx, reply.rdx, data)

    def _data_area(self, action: Request) -> int:
        if not action.data_pages:
            return 0
        if action.data_pages > self._area[1]:
            self._area = self.memory.allocate(action.data_pages), action.data_pages
        self.memory.write(self._area[0], action.data.ljust(action.data_pages * PAGE_BYTES, b"\0"))
        return self._area[0]

    def exit_operation(self, action: Operation) -> OperationReply:
        """Fill the register and make the exit."""
        info = TioOperationInfo(guest_rid=action.guest_rid, action=action.action)
        reply = self.operation(GuestOperation(int.from_bytes(info.build(), "little")))
        return OperationReply(reply.result, reply.rcx)


_VERBS: Final[Mapping[type, Callable[[GuestPort, Any], Any]]] = {
    Request: GuestPort.exit_request,
    Operation: GuestPort.exit_operation,
    Wait: lambda port, action: port.wait(action.seconds),
    ReadConfig: lambda port, action: port.config.read(action.function, action.offset, _DW_BYTES),
    WriteConfig: lambda port, action: port.config.write(action.function, action.offset, action.data),
}


def drive_guest(plan: Plan[T], port: GuestPort) -> T:
    """Perform the plan's actions until it returns; what fails is raised into the plan, which may close things again."""
    try:
        action = next(plan)
        while True:
            try:
                outcome = _VERBS[type(action)](port, action)
            except Exception as error:  # noqa: BLE001  whatever it is, the plan has to know
                action = plan.throw(error)
            else:
                action = plan.send(outcome)
    except StopIteration as done:
        result: T = done.value
        return result
