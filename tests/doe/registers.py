"""The registers of a DOE mailbox as the smallest device has them, with a knob for each way to fail, and a driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from pytio.doe import (
    ControlFlags,
    DataObject,
    DataObjectType,
    DiscoveryRequest,
    DiscoveryResponse,
    MailboxRegister,
    Pause,
    ReadRegister,
    RegisterAction,
    Reply,
    StatusFlags,
    Steps,
    VendorId,
)

T = TypeVar("T")
OFFERED: Final = (DataObjectType.DISCOVERY, DataObjectType.CMA_SPDM, DataObjectType.SECURED_CMA_SPDM)


@attrs.define
class Registers:
    """A mailbox that answers discovery, and echoes everything else."""

    request: list[int] = attrs.field(factory=list)
    response: list[int] = attrs.field(factory=list)
    status: int = 0
    """Bits that are set beside Data Object Ready."""
    answers: bool = True
    aborts: bool = True
    gone: bool = False
    answer: Callable[[DataObject], bytes] | None = None

    def read(self, register: MailboxRegister) -> int:
        if self.gone:
            return 0xFFFF_FFFF
        if register is MailboxRegister.STATUS:
            return self.status | (StatusFlags.DATA_OBJECT_READY if self.response else 0)
        return self.response[0] if register is MailboxRegister.READ_MAILBOX and self.response else 0

    def write(self, register: MailboxRegister, value: int) -> None:
        if register is MailboxRegister.WRITE_MAILBOX:
            self.request.append(value)
        elif register is MailboxRegister.READ_MAILBOX and self.response:
            del self.response[0]
        elif value & ControlFlags.ABORT and self.aborts:
            self.request, self.response, self.status = [], [], 0
        elif value & ControlFlags.GO:
            raw, self.request = b"".join(dw.to_bytes(4, "little") for dw in self.request), []
            if self.answers:
                reply = (self.answer or answer)(DataObject.parse(raw))
                self.response = [int.from_bytes(reply[at : at + 4], "little") for at in range(0, len(reply), 4)]


def answer(request: DataObject) -> bytes:
    """Answer discovery from `OFFERED`, and everything else with itself."""
    if request.data_object_type != DataObjectType.DISCOVERY:
        return request.build()
    index = DiscoveryRequest.parse(request.payload).index
    offer = DiscoveryResponse(
        vendor_id=VendorId.PCI_SIG, data_object_type=OFFERED[index], next_index=(index + 1) % len(OFFERED)
    )
    return DataObject.wrap(DataObjectType.DISCOVERY, offer.build()).build()


class Bench:
    """Performs the actions on some registers, keeps what was done, and lets time pass only in pauses."""

    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        self.done: list[RegisterAction] = []
        self.now = 1000.0
        self.after_action: Callable[[RegisterAction], None] = lambda action: None

    def run(self, steps: Steps[T]) -> T:
        """Perform the actions until the steps return."""
        try:
            action = next(steps)
            while True:
                action = steps.send(self.perform(action))
        except StopIteration as stop:
            result: T = stop.value
            return result

    def perform(self, action: RegisterAction) -> Reply:
        self.done.append(action)
        value = 0
        if isinstance(action, Pause):
            self.now += action.seconds
        elif isinstance(action, ReadRegister):
            value = self.registers.read(action.register)
        else:
            self.registers.write(action.register, action.value)
        self.after_action(action)
        return Reply(self.now, value)
