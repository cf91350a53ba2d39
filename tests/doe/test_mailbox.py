"""The mailbox: the order of registers, every failure, and what is true of the mailbox after each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.doe import (
    ControlFlags,
    DataObject,
    DataObjectType,
    DiscoveryResponse,
    Feature,
    Mailbox,
    MailboxFailure,
    MailboxRegister,
    MailboxState,
    Pause,
    ReadRegister,
    RegisterAction,
    StatusFlags,
    VendorId,
    WriteRegister,
)
from pytio.errors import DoeDecodeError, DoePeerError, LocalProtocolError
from tests.doe.registers import Bench, Registers

GET_VERSION = DataObject.wrap(DataObjectType.CMA_SPDM, bytes.fromhex("10840000"))
ABORT = WriteRegister(MailboxRegister.CONTROL, ControlFlags.ABORT)
STATUS = ReadRegister(MailboxRegister.STATUS)


def failure(mailbox: Mailbox, bench: Bench, request: DataObject = GET_VERSION) -> DoePeerError:
    """Run an exchange that must fail."""
    with pytest.raises(DoePeerError) as caught:
        bench.run(mailbox.exchange(request))
    assert caught.value.hint
    assert caught.value.hint in str(caught.value)
    return caught.value


def test_an_exchange_touches_the_registers_in_the_order_of_the_specification() -> None:
    bench = Bench(Registers())
    assert bench.run(Mailbox().exchange(GET_VERSION)) == GET_VERSION
    take = [ReadRegister(MailboxRegister.READ_MAILBOX), WriteRegister(MailboxRegister.READ_MAILBOX, 0)]
    assert bench.done == [
        *[ABORT, STATUS],  # never used before: an abort comes first
        STATUS,
        WriteRegister(MailboxRegister.WRITE_MAILBOX, 0x0001_0001),
        WriteRegister(MailboxRegister.WRITE_MAILBOX, 3),
        WriteRegister(MailboxRegister.WRITE_MAILBOX, 0x8410),
        WriteRegister(MailboxRegister.CONTROL, ControlFlags.GO),
        STATUS,
        *take,
        *take,
        *[take[0], STATUS, take[1]],  # the last double word: it must still be there before it is let go
        STATUS,
    ]


def test_a_second_exchange_does_not_abort() -> None:
    bench, mailbox = Bench(Registers()), Mailbox()
    bench.run(mailbox.exchange(GET_VERSION))
    bench.done.clear()
    bench.run(mailbox.exchange(GET_VERSION))
    assert ABORT not in bench.done


def test_a_response_of_the_header_alone() -> None:
    bench, empty = Bench(Registers()), DataObject.wrap(DataObjectType.CMA_SPDM, b"")
    assert bench.run(Mailbox().exchange(empty)) == empty


@given(payload=st.binary(max_size=300))
def test_any_payload_comes_back_padded(payload: bytes) -> None:
    wrapped = DataObject.wrap(DataObjectType.SECURED_CMA_SPDM, payload)
    assert Bench(Registers()).run(Mailbox().exchange(wrapped)) == wrapped


def test_discovery() -> None:
    mailbox = Mailbox(2)
    found = Bench(Registers()).run(mailbox.discover())
    assert [str(feature) for feature in found] == ["0001:00", "0001:01", "0001:02"]
    assert mailbox.features == found
    assert Feature(VendorId.PCI_SIG, DataObjectType.CMA_SPDM) in found


@pytest.mark.parametrize(("capability_version", "request_dw"), [(1, 0x0000), (2, 0x0200), (3, 0x0200)])
def test_discovery_says_which_version_of_the_capability_there_is(capability_version: int, request_dw: int) -> None:
    bench = Bench(Registers())
    bench.run(Mailbox(capability_version).discover())
    written = [
        action.value
        for action in bench.done
        if isinstance(action, WriteRegister) and action.register is MailboxRegister.WRITE_MAILBOX
    ]
    assert written[:3] == [0x0000_0001, 3, request_dw]


def test_discovery_ends_where_there_is_nothing() -> None:
    nothing = DiscoveryResponse(vendor_id=VendorId.NONE, data_object_type=0, next_index=7).build()
    registers = Registers(answer=lambda request: request.replace(payload=nothing).build())
    assert Bench(registers).run(Mailbox().discover()) == ()


def test_discovery_refuses_an_index_it_has_used() -> None:
    back = DiscoveryResponse(vendor_id=VendorId.PCI_SIG, data_object_type=1, next_index=1).build()
    registers = Registers(answer=lambda request: request.replace(payload=back).build())
    with pytest.raises(DoePeerError, match="DISCOVERY_LOOP: index 1 again after 2 responses") as caught:
        Bench(registers).run(Mailbox().discover())
    assert caught.value.code is MailboxFailure.DISCOVERY_LOOP


def test_a_malformed_discovery_response_leaves_the_mailbox_usable() -> None:
    registers = Registers(answer=lambda request: DataObject.wrap(DataObjectType.DISCOVERY, b"").build())
    mailbox = Mailbox()
    with pytest.raises(DoeDecodeError):
        Bench(registers).run(mailbox.discover())
    assert mailbox.state is MailboxState.IDLE


def test_busy_is_waited_for() -> None:
    bench = Bench(Registers(aborts=False, status=0))
    mailbox = Mailbox()
    bench.run(mailbox.abort())
    bench.registers.status = StatusFlags.BUSY

    def become_free(action: RegisterAction) -> None:
        if isinstance(action, Pause) and bench.now > 1000.5:
            bench.registers.status = 0

    bench.after_action = become_free
    assert bench.run(mailbox.exchange(GET_VERSION)) == GET_VERSION


def test_busy_for_too_long_fails_and_aborts() -> None:
    bench, mailbox = Bench(Registers()), Mailbox()
    bench.run(mailbox.abort())
    bench.registers.status = StatusFlags.BUSY
    assert failure(mailbox, bench).code is MailboxFailure.BUSY
    assert 1.0 <= bench.now - 1000.0 < 1.1
    assert bench.done[-2:] == [ABORT, STATUS]
    assert mailbox.state is MailboxState.IDLE


def test_error_before_the_request_fails_and_aborts() -> None:
    bench, mailbox = Bench(Registers()), Mailbox()
    bench.run(mailbox.abort())
    bench.registers.status = StatusFlags.ERROR
    error = failure(mailbox, bench)
    assert error.code is MailboxFailure.DEVICE_ERROR
    assert "0x00000004" in str(error)
    assert not [action for action in bench.done if getattr(action, "register", 0) == MailboxRegister.WRITE_MAILBOX]
    assert bench.run(mailbox.exchange(GET_VERSION)) == GET_VERSION  # the abort cleared it


def test_error_after_go_fails_and_aborts() -> None:
    bench, mailbox = Bench(Registers(answers=False)), Mailbox()

    def fail_on_go(action: RegisterAction) -> None:
        if action == WriteRegister(MailboxRegister.CONTROL, ControlFlags.GO):
            bench.registers.status = StatusFlags.ERROR

    bench.after_action = fail_on_go
    assert failure(mailbox, bench).code is MailboxFailure.DEVICE_ERROR
    assert bench.done[-2:] == [ABORT, STATUS]


def test_error_during_the_response_fails_and_aborts() -> None:
    bench, mailbox = Bench(Registers()), Mailbox()

    def fail_at_the_end(action: RegisterAction) -> None:
        if isinstance(action, WriteRegister) and action.register is MailboxRegister.READ_MAILBOX:
            bench.registers.status = StatusFlags.ERROR

    bench.after_action = fail_at_the_end
    assert failure(mailbox, bench).code is MailboxFailure.DEVICE_ERROR
    assert mailbox.state is MailboxState.IDLE


def test_no_response_within_a_second_fails_and_aborts() -> None:
    bench, mailbox = Bench(Registers(answers=False)), Mailbox()
    assert failure(mailbox, bench).code is MailboxFailure.NO_RESPONSE
    assert 1.0 <= bench.now - 1000.0 < 1.1
    assert {action.seconds for action in bench.done if isinstance(action, Pause)} == {1 / 128}
    assert bench.done[-2:] == [ABORT, STATUS]
    bench.registers.answers = True
    assert bench.run(mailbox.exchange(GET_VERSION)) == GET_VERSION


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("01000200 03000000 10040000", MailboxFailure.WRONG_OBJECT),
        ("981e0100 03000000 10040000", MailboxFailure.WRONG_OBJECT),
        ("01000100 01000000", MailboxFailure.BAD_LENGTH),
        ("01000100 04000000 10040000", MailboxFailure.CUT_SHORT),
    ],
    ids=["type", "vendor", "length", "cut"],
)
def test_a_wrong_response_fails_and_aborts(raw: str, code: MailboxFailure) -> None:
    bench, mailbox = Bench(Registers(answer=lambda request: bytes.fromhex(raw))), Mailbox()
    assert failure(mailbox, bench).code is code
    assert bench.done[-2:] == [ABORT, STATUS]
    assert mailbox.state is MailboxState.IDLE


def test_a_length_of_zero_is_the_largest() -> None:
    largest = DataObject(data_object_type=DataObjectType.CMA_SPDM, length_dw=0, payload=bytes((1 << 20) - 8))
    registers = Registers(answer=lambda request: b"")
    header = largest.build()[:8]
    registers.answer = lambda request: header + bytes(64)
    error = failure(Mailbox(), Bench(registers))
    assert error.code is MailboxFailure.CUT_SHORT  # it went on reading all 2^18 of them


def test_an_abort_that_does_not_end_kills_the_mailbox() -> None:
    bench, mailbox = Bench(Registers(aborts=False, status=StatusFlags.BUSY)), Mailbox()
    assert failure(mailbox, bench).code is MailboxFailure.ABORT_FAILED
    assert mailbox.state is MailboxState.DEAD
    with pytest.raises(LocalProtocolError, match="DEAD"):
        bench.run(mailbox.exchange(GET_VERSION))
    bench.registers.aborts = True
    bench.run(mailbox.abort())  # for a caller who has reset the function
    assert bench.run(mailbox.exchange(GET_VERSION)) == GET_VERSION


def test_a_device_that_is_gone_is_not_written_to_again() -> None:
    bench, mailbox = Bench(Registers()), Mailbox()
    bench.run(mailbox.abort())
    bench.registers.gone = True
    bench.done.clear()
    assert failure(mailbox, bench).code is MailboxFailure.GONE
    assert bench.done == [STATUS]


def test_what_was_given_up_is_aborted_first() -> None:
    bench, mailbox = Bench(Registers()), Mailbox()
    bench.run(mailbox.abort())
    steps = mailbox.exchange(GET_VERSION)
    action = next(steps)
    while action != WriteRegister(MailboxRegister.WRITE_MAILBOX, 3):
        action = steps.send(bench.perform(action))
    with pytest.raises(LocalProtocolError, match="IN_USE"):
        bench.run(mailbox.exchange(GET_VERSION))
    steps.close()
    assert mailbox.state is MailboxState.UNKNOWN
    bench.done.clear()
    assert bench.run(mailbox.exchange(GET_VERSION)) == GET_VERSION
    assert bench.done[0] == ABORT
