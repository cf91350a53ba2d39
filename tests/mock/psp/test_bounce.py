"""What goes back and forth while a command waits: the loop, what breaks it, larger buffers, and who may cut in."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.mock.psp import BufferSizes, DeviceState, PspConfig
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import BufferHeader, SpdmControl, SpdmObject
from pytio.sev.rmp import RmpEntry
from pytio.sev.sla import NULL, Sla
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, SevCommand, SpdmDataType
from pytio.spdm import SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.error import Error
from tests.mock.psp.bench import Bench

CONNECT = SevCommand.TIO_DEV_CONNECT


def waiting() -> tuple[Bench, Sla, SpdmControl]:
    """A device that is being connected."""
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    bench.refuses(SevStatus.SPDM_REQUEST, CONNECT, dev_ctx_sla=context, spdm_ctrl=control)
    return bench, context, control


def test_the_first_message_is_get_version_in_clear() -> None:
    bench, _, control = waiting()
    assert bench.question(control) == (False, bytes.fromhex("10840000"))
    raw = bench.read_buffer(control.spdm_req)
    assert raw[64:80].hex() == "01000000140000000001010000000000"
    assert BufferHeader.parse(raw[:64]).payload_sz == 32


def test_only_what_is_in_the_session_is_secured() -> None:
    bench = Bench()
    context, control = bench.connected()
    kinds = [is_secured for is_secured, _, _ in bench.exchanges]
    assert kinds == sorted(kinds)
    del bench.exchanges[:]
    bench.ok(bench.run(SevCommand.TIO_DEV_MEASUREMENTS, dev_ctx_sla=context, spdm_ctrl=control, meas_nonce=bytes(32)))
    assert {is_secured for is_secured, _, _ in bench.exchanges} == {True}


def test_without_a_response_the_exchange_is_over() -> None:
    bench, context, control = waiting()
    raw = SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, message=b"").build()
    bench.write_response(control, raw[:4] + bytes(4) + raw[8:])
    bench.refuses(SevStatus.SPDM_ERROR, CONNECT, dev_ctx_sla=context, spdm_ctrl=control)
    assert bench.psp.devices[context].state is DeviceState.CREATED
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control))


@pytest.mark.parametrize(
    "answer",
    [
        SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=bytes(16)),
        SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, data_type=SpdmDataType.SECURED, message=bytes(16)),
        SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, message=bytes(16)),
        SpdmObject(
            object_id=DataObjectId.SPDM_RESPONSE,
            message=Error(version=SpdmVersion.V1_0, error_code=SpdmErrorCode.UNSPECIFIED).build().ljust(16, b"\0"),
        ),
    ],
    ids=["no response", "secured", "no SPDM", "ERROR"],
)
def test_an_answer_that_is_none_is_an_spdm_error(answer: SpdmObject) -> None:
    bench, context, control = waiting()
    bench.write_response(control, answer.build())
    bench.refuses(SevStatus.SPDM_ERROR, CONNECT, dev_ctx_sla=context, spdm_ctrl=control)
    assert bench.psp.devices[context].state is DeviceState.CREATED


def test_an_answer_that_ends_behind_the_buffer_is_too_large() -> None:
    bench, context, control = waiting()
    raw = bytearray(SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, message=bytes(16)).build())
    raw[4:8] = (2 * PAGE_BYTES - 63).to_bytes(4, "little")
    bench.write_response(control, bytes(raw))
    bench.refuses(SevStatus.RESPONSE_TOO_LARGE, CONNECT, dev_ctx_sla=context, spdm_ctrl=control)


def test_a_forged_record_takes_the_session_and_the_device_to_error() -> None:
    bench = Bench()
    context, control = bench.connected()
    fields: dict[str, Any] = {"dev_ctx_sla": context, "spdm_ctrl": control, "meas_nonce": bytes(32)}
    bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_DEV_MEASUREMENTS, **fields)
    is_secured, request = bench.question(control)
    answer = bytearray(bench.ask_device(is_secured, request))
    answer[20] ^= 1
    bench.answer(control, is_secured, bytes(answer))
    bench.refuses(SevStatus.SPDM_ERROR, SevCommand.TIO_DEV_MEASUREMENTS, **fields)
    device = bench.psp.devices[context]
    assert device.state is DeviceState.ERROR
    assert not any(port.state_of(0).name == "SECURE" for port in bench.ports[:1])
    for command in (SevCommand.TIO_DEV_MEASUREMENTS, CONNECT, SevCommand.TIO_DEV_DISCONNECT):
        bench.refuses(SevStatus.INVALID_DEV_STATE, command, **fields)
    bench.refuses(SevStatus.INVALID_DEV_STATE, SevCommand.TIO_DEV_RECLAIM, dev_ctx_sla=context)
    bench.ok(bench.issue(SevCommand.TIO_DEV_DISCONNECT, force=True, **fields))
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control))


# who may cut in


def test_another_command_has_to_wait() -> None:
    bench, context, control = waiting()
    for command in (
        SevCommand.TIO_DEV_MEASUREMENTS,
        SevCommand.TIO_DEV_CERTIFICATES,
        SevCommand.TIO_ROLL_KEY,
        SevCommand.TIO_DEV_DISCONNECT,
    ):
        bench.refuses(SevStatus.IN_USE, command, dev_ctx_sla=context, spdm_ctrl=control, meas_nonce=bytes(32))
    bench.refuses(SevStatus.IN_USE, SevCommand.TIO_DEV_RECLAIM, dev_ctx_sla=context)
    bench.carry(control)
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control))


def test_the_same_command_has_to_come_with_the_same_buffer() -> None:
    bench, context, control = waiting()
    bench.refuses(SevStatus.INVALID_PARAM, CONNECT, dev_ctx_sla=context, spdm_ctrl=control, cert_slot=1)
    bench.refuses(SevStatus.INVALID_PARAM, CONNECT, dev_ctx_sla=context, spdm_ctrl=bench.control())
    bench.carry(control)
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control))


def test_force_cuts_in() -> None:
    bench, context, control = waiting()
    bench.ok(bench.issue(SevCommand.TIO_DEV_DISCONNECT, dev_ctx_sla=context, spdm_ctrl=control, force=True))
    assert bench.psp.devices[context].state is DeviceState.DISCONNECTED
    assert bench.psp.devices[context].pending is None
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control))


# larger buffers


def test_a_long_chain_grows_output_and_scratch() -> None:
    bench = Bench(config=PspConfig(sizes=BufferSizes(out=(1024, 16 * PAGE_BYTES), scratch=(1024, 2 * PAGE_BYTES))))
    bench.init()
    context, control = bench.create(), bench.control(output_pages=1)
    bench.write_capacity(control.spdm_output, 1024)
    bench.write_capacity(control.spdm_scratch, 1024)
    status = bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control)
    assert status is SevStatus.EXPAND_BUFFER_LENGTH_REQUEST
    asked = BufferHeader.parse(bench.read_buffer(control.spdm_output)[:64]).capacity_sz
    assert asked == PAGE_BYTES
    assert BufferHeader.parse(bench.read_buffer(control.spdm_scratch)[:64]).capacity_sz == PAGE_BYTES
    # anything else than the buffers has to stay as it is
    larger = control.replace(spdm_output=bench.buffer(2), spdm_scratch=bench.buffer(2))
    bench.refuses(SevStatus.INVALID_PARAM, CONNECT, dev_ctx_sla=context, spdm_ctrl=larger, cert_slot=1)
    bench.ok(bench.issue(CONNECT, dev_ctx_sla=context, spdm_ctrl=larger))
    assert bench.result(larger).object_id is DataObjectId.CERTIFICATES


def test_a_buffer_that_did_not_grow_is_asked_for_again() -> None:
    bench = Bench(config=PspConfig(sizes=BufferSizes(out=(1024, 16 * PAGE_BYTES))))
    bench.init()
    context, control = bench.create(), bench.control(output_pages=1)
    bench.write_capacity(control.spdm_output, 1024)
    assert bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control) is SevStatus.EXPAND_BUFFER_LENGTH_REQUEST
    again = control.replace(spdm_output=bench.buffer(1))
    bench.write_capacity(again.spdm_output, 1024)
    bench.refuses(SevStatus.EXPAND_BUFFER_LENGTH_REQUEST, CONNECT, dev_ctx_sla=context, spdm_ctrl=again)
    bench.ok(bench.issue(CONNECT, dev_ctx_sla=context, spdm_ctrl=control.replace(spdm_output=bench.buffer(1))))


def test_a_result_that_fits_in_no_buffer_is_refused() -> None:
    bench = Bench(config=PspConfig(sizes=BufferSizes(out=(1024, 1024))))
    bench.init()
    context, control = bench.create(), bench.control(output_pages=1)
    assert bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control) is SevStatus.RESOURCE_LIMIT
    assert bench.psp.devices[context].state is DeviceState.CREATED


# buffers as they are given


def test_each_buffer_is_looked_at() -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    plain = bench.buffer(2, firmware=False)
    given = bench.buffer(2)
    outside = Sla.to(1 << 40)
    guests = bench.host.allocate(1)
    bench.host.write(guests, BufferHeader(capacity_sz=PAGE_BYTES).build())
    bench.host.rmp_update(guests, RmpEntry(assigned=1, asid=3, gpa=0x1000))
    small = bench.buffer(1)
    bench.write_capacity(small, PAGE_BYTES - 32)
    for changes, expected in (
        ({"spdm_req": NULL}, SevStatus.INVALID_ADDRESS),
        ({"spdm_output": NULL}, SevStatus.INVALID_ADDRESS),
        ({"spdm_scratch": outside}, SevStatus.INVALID_ADDRESS),
        ({"spdm_req": given.replace(reserved=1)}, SevStatus.INVALID_ADDRESS),
        ({"spdm_req": given.replace(is_scatter_page=False, is_2mib=True, pfn=3)}, SevStatus.INVALID_ADDRESS),
        ({"spdm_req": control.spdm_scratch}, SevStatus.INVALID_ADDRESS),
        ({"spdm_req": plain}, SevStatus.INVALID_PAGE_STATE),
        ({"spdm_rsp": given}, SevStatus.INVALID_PAGE_STATE),
        ({"spdm_output": Sla.to(guests)}, SevStatus.INVALID_PAGE_OWNER),
        ({"spdm_output": small}, SevStatus.INCORRECT_BUFFER_LENGTH),
    ):
        bench.refuses(expected, CONNECT, dev_ctx_sla=context, spdm_ctrl=control.replace(**changes))
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=control))


def test_a_list_without_an_end_names_no_buffer() -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    page = bench.host.allocate(1)
    bench.host.write(page, Sla.to(0x100000).build() * 512)
    for content in (Sla.to(0x100000).build() * 512, b"", Sla.to(0x100000).build() * 2):
        bench.host.write(page, content.ljust(PAGE_BYTES, b"\0"))
        scatter = Sla.to(page, is_scatter_page=True)
        bench.refuses(
            SevStatus.INVALID_ADDRESS, CONNECT, dev_ctx_sla=context, spdm_ctrl=control.replace(spdm_req=scatter)
        )


def test_buffers_of_two_megabytes_are_named_directly() -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    paddr = bench.host.allocate(512, alignment=1 << 21)
    bench.host.write(paddr, BufferHeader(capacity_sz=1 << 21).build())
    bench.host.rmp_update(paddr, RmpEntry(assigned=1, immutable=1, pagesize=1))
    large = control.replace(spdm_output=Sla.to(paddr, is_2mib=True))
    one = control.replace(spdm_output=Sla.to(paddr))
    bench.refuses(SevStatus.INVALID_PAGE_SIZE, CONNECT, dev_ctx_sla=context, spdm_ctrl=one)
    bench.ok(bench.run(CONNECT, dev_ctx_sla=context, spdm_ctrl=large))
    assert bench.result(large).object_id is DataObjectId.CERTIFICATES


def test_a_command_without_a_result_takes_no_output_buffer() -> None:
    bench = Bench()
    context, control = bench.connected()
    bench.enable()
    bench.ok(bench.run(SevCommand.TIO_ROLL_KEY, dev_ctx_sla=context, spdm_ctrl=control.replace(spdm_output=NULL)))
