"""The device's side of a mailbox against the client's, through the registers of a configuration space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.doe import (
    ControlFlags,
    DataObject,
    DataObjectType,
    Limits,
    Mailbox,
    MailboxFailure,
    MailboxRegister,
    Pause,
    ReadRegister,
    Reply,
    StatusFlags,
    Steps,
)
from pytio.errors import DoePeerError
from pytio.mock import DoeMailbox, MockFunction, object_server
from pytio.mock.doe_mailbox import Handler

T = TypeVar("T")
HELLO = DataObject.wrap(DataObjectType.CMA_SPDM, b"hello...")
ECHO: dict[int, Handler] = {DataObjectType.CMA_SPDM: bytes, DataObjectType.SECURED_CMA_SPDM: bytes}


class Bus:
    """A function with one mailbox, and the way to its registers."""

    def __init__(self, mailbox: DoeMailbox | None = None, *, version: int = 2) -> None:
        self.interrupts = 0
        self.mailbox = mailbox or DoeMailbox(object_server(ECHO, capability_version=version), interrupt=self._interrupt)
        self.function = MockFunction(0x1022, 0x14A0, tee_io=True)
        self.at = self.function.add_mailbox(self.mailbox, version=version)
        self.now = 0.0

    def _interrupt(self) -> None:
        self.interrupts += 1

    def read(self, register: MailboxRegister) -> int:
        return self.function.space.read(self.at + register, 4)

    def write(self, register: MailboxRegister, value: int) -> None:
        self.function.space.write(self.at + register, 4, value)

    def send(self, raw: bytes) -> None:
        for at in range(0, len(raw), 4):
            self.write(MailboxRegister.WRITE_MAILBOX, int.from_bytes(raw[at : at + 4], "little"))
        self.write(MailboxRegister.CONTROL, ControlFlags.GO)

    def status(self) -> StatusFlags:
        return StatusFlags(self.read(MailboxRegister.STATUS))

    def run(self, steps: Steps[T]) -> T:
        reply: Reply | None = None
        while True:
            try:
                action = next(steps) if reply is None else steps.send(reply)
            except StopIteration as stop:
                result: T = stop.value
                return result
            value = 0
            if isinstance(action, Pause):
                self.now += action.seconds
            elif isinstance(action, ReadRegister):
                value = self.read(action.register)
            else:
                self.write(action.register, action.value)
            reply = Reply(self.now, value)


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus()
    yield made
    assert made.function.space.violations == []


@pytest.mark.parametrize("version", [1, 2])
def test_discovery(version: int) -> None:
    bus = Bus(version=version)
    assert bus.function.space.read(bus.at, 4) == 0x2E | version << 16
    assert [str(feature) for feature in bus.run(Mailbox(version).discover())] == ["0001:00", "0001:01", "0001:02"]


def test_discovery_of_the_wrong_version_finds_nothing(bus: Bus) -> None:
    assert bus.run(Mailbox(1).discover()) == ()


@given(payload=st.binary(max_size=200))
def test_an_exchange(payload: bytes) -> None:
    bus, request = Bus(), DataObject.wrap(DataObjectType.SECURED_CMA_SPDM, payload)
    mailbox = Mailbox(2)
    assert bus.run(mailbox.exchange(request)) == request
    assert bus.run(mailbox.exchange(HELLO)) == HELLO


def test_busy_lasts_as_many_reads_as_asked_for(bus: Bus) -> None:
    bus.mailbox.busy_reads = 2
    bus.send(HELLO.build())
    seen = [bus.status() for _ in range(3)]
    assert [bool(status & StatusFlags.BUSY) for status in seen] == [True, True, False]
    assert seen[2] & StatusFlags.DATA_OBJECT_READY


def test_a_deferred_answer_waits_for_its_owner(bus: Bus) -> None:
    bus.mailbox.is_deferred = True
    bus.send(HELLO.build())
    assert bus.status() == StatusFlags.BUSY
    bus.send(HELLO.build())  # ignored while busy
    bus.mailbox.finish()
    assert bus.status() & StatusFlags.DATA_OBJECT_READY
    assert bus.read(MailboxRegister.READ_MAILBOX) == 0x0001_0001


def test_an_abort_while_busy_drops_the_request(bus: Bus) -> None:
    bus.mailbox.is_deferred = True
    bus.send(HELLO.build())
    bus.write(MailboxRegister.CONTROL, ControlFlags.ABORT)
    bus.mailbox.finish()
    assert bus.status() == 0


def test_reading_does_not_advance_and_the_last_advance_empties(bus: Bus) -> None:
    bus.send(HELLO.build())
    assert {bus.read(MailboxRegister.READ_MAILBOX) for _ in range(3)} == {0x0001_0001}
    for _ in range(4):
        assert bus.status() & StatusFlags.DATA_OBJECT_READY
        bus.write(MailboxRegister.READ_MAILBOX, 0)
    assert not bus.status() & StatusFlags.DATA_OBJECT_READY
    assert bus.read(MailboxRegister.READ_MAILBOX) == 0


def test_underflow_is_an_error_that_only_an_abort_clears(bus: Bus) -> None:
    bus.write(MailboxRegister.READ_MAILBOX, 0)
    assert bus.status() & StatusFlags.ERROR
    bus.send(HELLO.build())
    assert not bus.status() & StatusFlags.DATA_OBJECT_READY
    bus.write(MailboxRegister.CONTROL, ControlFlags.ABORT)
    bus.send(HELLO.build())
    assert bus.status() & StatusFlags.DATA_OBJECT_READY


def test_go_with_an_unread_answer_is_an_error(bus: Bus) -> None:
    bus.send(HELLO.build())
    bus.send(HELLO.build())
    assert bus.status() & (StatusFlags.ERROR | StatusFlags.DATA_OBJECT_READY) == StatusFlags.ERROR


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\1\0\1\0",
        HELLO.build()[:-4],
        HELLO.build() + bytes(4),
        b"\1\0\1\0\1\0\0\0",
        DataObject.wrap(0x7F, b"").build(),
    ],
    ids=["nothing", "half a header", "too short", "too long", "length 1", "unknown type"],
)
def test_what_is_no_request_is_dropped_in_silence(bus: Bus, raw: bytes) -> None:
    bus.send(raw)
    assert bus.status() == 0
    bus.send(HELLO.build())
    assert bus.status() & StatusFlags.DATA_OBJECT_READY


def test_a_client_gives_up_on_silence(bus: Bus) -> None:
    with pytest.raises(DoePeerError) as caught:
        bus.run(Mailbox(2, limits=Limits()).exchange(DataObject.wrap(0x7F, b"")))
    assert caught.value.code is MailboxFailure.NO_RESPONSE


def test_a_client_sees_an_internal_failure() -> None:
    failing = Bus(DoeMailbox(lambda _: failing.mailbox.fail()))
    with pytest.raises(DoePeerError) as caught:
        failing.run(Mailbox(2).exchange(HELLO))
    assert caught.value.code is MailboxFailure.DEVICE_ERROR


def test_interrupts_only_where_enabled_and_once_until_cleared(bus: Bus) -> None:
    bus.send(HELLO.build())
    assert bus.status() & StatusFlags.INTERRUPT_STATUS
    assert bus.interrupts == 0
    bus.write(MailboxRegister.CONTROL, ControlFlags.ABORT | ControlFlags.INTERRUPT_ENABLE)
    bus.write(MailboxRegister.STATUS, StatusFlags.INTERRUPT_STATUS)
    bus.mailbox.fail()
    bus.mailbox.fail()
    assert bus.interrupts == 1
    assert bus.read(MailboxRegister.CONTROL) == ControlFlags.INTERRUPT_ENABLE
    bus.write(MailboxRegister.STATUS, StatusFlags.INTERRUPT_STATUS)
    assert not bus.status() & StatusFlags.INTERRUPT_STATUS


def test_a_mailbox_without_interrupts_cannot_enable_them() -> None:
    bus = Bus(DoeMailbox(object_server(ECHO)))
    bus.write(MailboxRegister.CONTROL, ControlFlags.INTERRUPT_ENABLE)
    assert bus.read(MailboxRegister.CONTROL) == 0
    assert bus.read(MailboxRegister.CAPABILITIES) == 0


def test_a_reset_of_the_function_empties_the_mailbox(bus: Bus) -> None:
    bus.send(HELLO.build())
    bus.function.reset()
    assert bus.status() == 0


def test_half_a_register_is_not_accessed() -> None:
    bus = Bus()
    bus.function.space.write(bus.at + MailboxRegister.WRITE_MAILBOX, 2, 1)
    assert [violation.reason for violation in bus.function.space.violations] == ["2 bytes of a register of 4"]
    bus.send(HELLO.build())
    assert bus.status() & StatusFlags.DATA_OBJECT_READY
