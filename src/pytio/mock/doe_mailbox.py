"""The device's side of a DOE mailbox, in a configuration space: what each register does, and when.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)". The mailbox takes a data object, asks a callback for
the answer, and hands it out double word by double word. It reads no clock: how long it is busy is counted in status
reads, or left to the owner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from pytio.doe import (
    ControlFlags,
    DataObject,
    DataObjectHeader,
    DataObjectType,
    DiscoveryRequest,
    DiscoveryResponse,
    DiscoveryVersion,
    MailboxRegister,
    StatusFlags,
    VendorId,
)
from pytio.doe.codes import BYTES_PER_DW, HEADER_BYTES, MAX_DATA_OBJECT_DW
from pytio.errors import DoeDecodeError
from pytio.mock.config_space import ConfigSpace

__all__ = ("CAPABILITY_BYTES", "Answer", "DoeMailbox", "Handler", "object_server")

CAPABILITY_BYTES: Final = 0x18
"""The extended capability with its header, version 1 and 2 alike."""
_INTERRUPT_SUPPORT: Final = 1 << 0
_MESSAGE_NUMBER_SHIFT: Final = 1
_MAX_REQUEST_BYTES: Final = MAX_DATA_OBJECT_DW * BYTES_PER_DW

Answer: TypeAlias = Callable[[bytes], bytes | None]
"""From a whole data object to the whole data object that answers it, None to drop it in silence."""
Handler: TypeAlias = Callable[[bytes], bytes | None]
"""From a payload to the payload that answers it, None to drop it in silence."""


class DoeMailbox:
    """A DOE instance of a device.

    Attributes:
        busy_reads: how many reads of the status see Busy after Go, before the answer is there.
        is_deferred: whether Go only makes the mailbox busy, until `finish`.
    """

    def __init__(self, answer: Answer, *, interrupt: Callable[[], None] | None = None) -> None:
        """Serve data objects with ``answer``; call ``interrupt`` for each message, where it is enabled."""
        self.busy_reads = 0
        self.is_deferred = False
        self._answer = answer
        self._interrupt = interrupt
        self._status = StatusFlags(0)
        self._interrupt_enable = False
        self._request = bytearray()
        self._response: deque[int] = deque()
        self._pending: bytes | None = None
        self._polls_left = 0

    @property
    def status(self) -> StatusFlags:
        """The status register, as the device knows it."""
        return self._status

    def attach(self, space: ConfigSpace, offset: int, *, message_number: int = 0) -> None:
        """Put the registers behind the capability whose header is at ``offset``."""
        registers = {
            MailboxRegister.CONTROL: (self._read_control, self._write_control),
            MailboxRegister.STATUS: (self._read_status, self._write_status),
            MailboxRegister.WRITE_MAILBOX: (_nothing, self._append),
            MailboxRegister.READ_MAILBOX: (self._read_data, self._advance),
        }
        capabilities = _INTERRUPT_SUPPORT | message_number << _MESSAGE_NUMBER_SHIFT if self._interrupt else 0
        space.define(offset + MailboxRegister.CAPABILITIES, BYTES_PER_DW, capabilities)
        for register, (read, write) in registers.items():
            space.live(offset + register, read=read, write=write)

    def fail(self) -> None:
        """Set Error, as an internal failure does; only an abort clears it."""
        self._clear()
        self._raise(StatusFlags.ERROR)

    def reset(self) -> None:
        """Forget everything: conventional reset, or a reset of the function (PCIE_A9: sessions are not this one's)."""
        self._clear()
        self._status = StatusFlags(0)
        self._interrupt_enable = False

    def finish(self) -> None:
        """Answer the request that is being worked on, if there is one."""
        request, self._pending = self._pending, None
        if request is None:
            return
        response = self._answer(request)
        self._status &= ~StatusFlags.BUSY
        if response is not None:
            places = range(0, len(response), BYTES_PER_DW)
            self._response.extend(int.from_bytes(response[at : at + BYTES_PER_DW], "little") for at in places)
            self._raise(StatusFlags.DATA_OBJECT_READY)

    # registers

    def _read_control(self) -> int:
        return ControlFlags.INTERRUPT_ENABLE if self._interrupt_enable else 0

    def _write_control(self, value: int) -> None:
        self._interrupt_enable = self._interrupt is not None and bool(value & ControlFlags.INTERRUPT_ENABLE)
        if value & ControlFlags.ABORT:  # PCIE_A7: and not Go, if both are set
            self._clear()
            self._status &= StatusFlags.INTERRUPT_STATUS
        elif value & ControlFlags.GO:
            self._go()

    def _read_status(self) -> int:
        if self._pending is not None and not self.is_deferred:
            self._polls_left -= 1
            if self._polls_left < 0:
                self.finish()
        return int(self._status)

    def _write_status(self, value: int) -> None:
        if value & StatusFlags.INTERRUPT_STATUS:
            self._status &= ~StatusFlags.INTERRUPT_STATUS

    def _append(self, value: int) -> None:
        if self._status & (StatusFlags.BUSY | StatusFlags.ERROR):
            return
        if len(self._request) >= _MAX_REQUEST_BYTES:
            self.fail()
            return
        self._request += value.to_bytes(BYTES_PER_DW, "little")

    def _read_data(self) -> int:
        return self._response[0] if self._response else 0

    def _advance(self, _value: int) -> None:
        if self._status & StatusFlags.ERROR:
            return
        if not self._response:
            self.fail()
            return
        self._response.popleft()
        if not self._response:
            self._status &= ~StatusFlags.DATA_OBJECT_READY

    # what they set off

    def _go(self) -> None:
        if self._status & (StatusFlags.ERROR | StatusFlags.BUSY):
            return
        request = bytes(self._request)
        self._request.clear()
        if self._response:  # PCIE_A6: the last answer was not read
            self.fail()
        elif _is_complete(request):
            self._pending = request
            self._status |= StatusFlags.BUSY
            self._polls_left = self.busy_reads
            if not self.busy_reads and not self.is_deferred:
                self.finish()

    def _clear(self) -> None:
        self._request.clear()
        self._response.clear()
        self._pending = None
        self._status &= ~(StatusFlags.BUSY | StatusFlags.DATA_OBJECT_READY)

    def _raise(self, flag: StatusFlags) -> None:
        """Set a status bit that may interrupt (PCIE_A5: Ready and Error do)."""
        self._status |= flag
        was_clear = not self._status & StatusFlags.INTERRUPT_STATUS
        self._status |= StatusFlags.INTERRUPT_STATUS
        if was_clear and self._interrupt_enable and self._interrupt is not None:
            self._interrupt()


def _nothing() -> int:
    """Return what a read of the write mailbox gives, which the specification leaves open."""
    return 0


def _is_complete(request: bytes) -> bool:
    """Return whether a request is as long as it says; another one is dropped in silence."""
    if len(request) < HEADER_BYTES:
        return False
    try:
        return DataObjectHeader.parse(request[:HEADER_BYTES]).size_bytes == len(request)
    except DoeDecodeError:
        return False


def object_server(handlers: Mapping[int, Handler], *, capability_version: int = 2) -> Answer:
    """Return an answer that serves discovery and, by type, the PCI-SIG data objects in ``handlers``.

    Objects of other types and vendors, and those that break the format, are dropped in silence.
    """
    kinds = [DataObjectType.DISCOVERY, *map(DataObjectType, handlers)]
    version = DiscoveryVersion.V1 if capability_version < 2 else DiscoveryVersion.V2  # noqa: PLR2004  the capability's

    def discover(payload: bytes) -> bytes | None:
        try:
            request = DiscoveryRequest.parse(payload)
        except DoeDecodeError:
            return None
        if request.index >= len(kinds) or request.version != version:
            return DiscoveryResponse(vendor_id=VendorId.NONE, data_object_type=0, next_index=0).build()
        return DiscoveryResponse(
            vendor_id=VendorId.PCI_SIG,
            data_object_type=kinds[request.index],
            next_index=(request.index + 1) % len(kinds),
        ).build()

    served: dict[int, Handler] = {DataObjectType.DISCOVERY: discover, **handlers}

    def answer(raw: bytes) -> bytes | None:
        try:
            request = DataObject.parse(raw)
        except DoeDecodeError:
            return None
        handler = served.get(request.data_object_type) if request.vendor_id == VendorId.PCI_SIG else None
        payload = None if handler is None else handler(request.payload)
        return None if payload is None else DataObject.wrap(request.data_object_type, payload).build()

    return answer
