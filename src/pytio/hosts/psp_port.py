"""Performs the plans of `pytio.clients.psp`: on a model, or on whatever else runs PSP commands.

A `PspPort` is one way to each resource that the plans need. It keeps one page for command buffers, since only one
command is outstanding at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import attrs

from pytio.clients.ide_streams import ReadConfig, WriteConfig
from pytio.clients.psp.actions import (
    Allocate,
    DoeExchange,
    Free,
    Issue,
    Plan,
    Read,
    RmpUpdate,
    TrustDma,
    Write,
)
from pytio.ids import Bdf
from pytio.sev.codes import SevStatus
from pytio.sev.rmp import RmpEntry

__all__ = ("ConfigAccess", "PspPort", "SystemMemory", "drive_psp")

T = TypeVar("T")
_DW_BYTES: Final = 4


class SystemMemory(Protocol):
    """Memory as a hypervisor has it. What fails raises PytioError; a write to a page that is not the host's does."""

    def allocate(self, pages: int) -> int:
        """Return the physical address of zeroed pages, in one piece."""

    def free(self, paddr: int, pages: int) -> None:
        """Give pages back."""

    def read(self, paddr: int, size: int) -> bytes:
        """Return bytes."""

    def write(self, paddr: int, data: bytes) -> None:
        """Write bytes."""

    def rmp_update(self, paddr: int, entry: RmpEntry) -> None:
        """Execute RMPUPDATE for one page."""


class ConfigAccess(Protocol):
    """The configuration space of every function. What fails raises PytioError."""

    def read(self, function: Bdf, offset: int, size: int) -> bytes:
        """Return bytes."""

    def write(self, function: Bdf, offset: int, data: bytes) -> None:
        """Write bytes."""


@attrs.define
class PspPort:
    """A way to each resource.

    Attributes:
        execute: runs a command, by its id and the physical address of its buffer, and returns the status.
        memory: of the host.
        exchange: carries a message through a device's mailbox: which, whether it is secured, the payload; returns the
            response's payload, and raises DoePeerError or BackendError where there is none.
        config: of every function.
        trust_dma: attaches a function to the trusted domain of an ASID, or to the host's again.
    """

    execute: Callable[[int, int], int]
    memory: SystemMemory
    exchange: Callable[[Bdf, bool, bytes], bytes]
    config: ConfigAccess
    trust_dma: Callable[[Bdf, int, bool], None] = lambda function, asid, is_trusted: None
    _command_page: int | None = attrs.field(default=None, init=False)

    def issue(self, action: Issue) -> SevStatus:
        """Place a command buffer and run the command."""
        if self._command_page is None:
            self._command_page = self.memory.allocate(1)
        self.memory.write(self._command_page, action.buffer)
        return SevStatus(self.execute(int(action.command), self._command_page))

    def close(self) -> None:
        """Give the page for command buffers back."""
        if self._command_page is not None:
            self.memory.free(self._command_page, 1)
            self._command_page = None


_VERBS: Final[Mapping[type, Callable[[PspPort, Any], Any]]] = {
    Issue: PspPort.issue,
    Read: lambda port, action: port.memory.read(action.paddr, action.size),
    Write: lambda port, action: port.memory.write(action.paddr, action.data),
    Allocate: lambda port, action: port.memory.allocate(action.pages),
    Free: lambda port, action: port.memory.free(action.paddr, action.pages),
    RmpUpdate: lambda port, action: port.memory.rmp_update(action.paddr, action.entry),
    DoeExchange: lambda port, action: port.exchange(action.device, action.is_secured, action.payload),
    ReadConfig: lambda port, action: port.config.read(action.function, action.offset, _DW_BYTES),
    WriteConfig: lambda port, action: port.config.write(action.function, action.offset, action.data),
    TrustDma: lambda port, action: port.trust_dma(action.function, action.asid, action.is_trusted),
}


def drive_psp(plan: Plan[T], port: PspPort) -> T:
    """Perform the plan's actions until it returns; what fails is raised into the plan, which may roll back."""
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
