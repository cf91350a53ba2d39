"""The order of checks: one command with everything wrong, which is put right step by step; and strict beside lax."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.ids import InterfaceId
from pytio.mock.psp import DeviceState, PspConfig, TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS, LockFlags, TioStatus, TioTdiBind
from pytio.sev.sla import Sla
from pytio.sev.tio_codes import Revision, SevCommand
from pytio.wire import WireStruct
from tests.mock.psp.bench import ASID, SECOND_FUNCTION, Bench
from tests.mock.psp.lives import Interface

BIND = SevCommand.TIO_TDI_BIND


def test_everything_wrong_is_told_one_by_one() -> None:
    bench = Bench()
    control = bench.control()
    outside = Sla.to(1 << 40)
    plain = bench.buffer(1, firmware=False)
    small = bench.buffer()
    bench.write_capacity(small, 64)
    wrong: dict[str, Any] = {
        "length": 79,
        "reserved": 1,
        "dev_ctx_sla": outside.replace(reserved=1),
        "tdi_ctx_sla": outside,
        "gctx_paddr": 0x30_0001,
        "spdm_ctrl": control.replace(spdm_req=plain, spdm_output=small),
        "tdisp_lock_if_flags": LockFlags(bind_p2p=True),
        "guest_device_id": 1,
    }

    def expect(status: SevStatus, **put_right: Any) -> None:
        wrong.update(put_right)
        bench.refuses(status, BIND, TioTdiBind(**wrong))

    assert bench.psp.execute(0x0D9, 0) is SevStatus.INVALID_COMMAND
    expect(SevStatus.INVALID_LEN)
    expect(SevStatus.INVALID_PLATFORM_STATE, length=80)
    bench.init()
    expect(SevStatus.INVALID_PARAM)
    expect(SevStatus.INVALID_ADDRESS, reserved=0)
    expect(SevStatus.INVALID_PAGE_STATE, dev_ctx_sla=outside, gctx_paddr=0x30_0000)
    expect(SevStatus.INCORRECT_BUFFER_LENGTH, spdm_ctrl=control.replace(spdm_output=small))
    expect(SevStatus.INVALID_DEV_CTX, spdm_ctrl=control)
    context = bench.create()
    expect(SevStatus.INVALID_TDI_CTX, dev_ctx_sla=context)
    # an interface of a device that is disconnected by force, and another's
    bench.ok(bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control))
    tdi = bench.create_tdi(context)
    other = bench.buffer()
    bench.ok(bench.issue(SevCommand.TIO_DEV_CREATE, dev_ctx_sla=other, device_id=0xE200, root_port_id=2))
    expect(SevStatus.INVALID_TDI, dev_ctx_sla=other, tdi_ctx_sla=tdi)
    bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_DEV_CERTIFICATES, dev_ctx_sla=context, spdm_ctrl=control)
    expect(SevStatus.IN_USE, dev_ctx_sla=context)
    bench.ok(bench.issue(SevCommand.TIO_DEV_DISCONNECT, dev_ctx_sla=context, spdm_ctrl=control, force=True))
    expect(SevStatus.INVALID_DEV_STATE)
    bench.ok(bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control))
    expect(SevStatus.INVALID_TDI_STATE, run=True)
    expect(SevStatus.INVALID_GUEST, run=False)
    gctx = bench.page(firmware=True)
    bench.ok(bench.issue(SevCommand.SNP_GCTX_CREATE, gctx_paddr=gctx))
    expect(SevStatus.INACTIVE, gctx_paddr=gctx)
    bench.ok(bench.issue(SevCommand.SNP_LAUNCH_START, gctx_paddr=gctx))
    bench.ok(bench.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=ASID))
    expect(SevStatus.INVALID_PARAM)
    expect(SevStatus.SPDM_REQUEST, tdisp_lock_if_flags=LockFlags())


@pytest.mark.parametrize("revision", list(Revision))
def test_commands_that_a_revision_lacks(revision: Revision) -> None:
    bench = Bench(revision)
    bench.init()
    for command in SevCommand:
        if command not in COMMANDS[revision] and command is not SevCommand.SNP_DF_FLUSH:
            assert bench.psp.execute(command, bench.command_page) is SevStatus.INVALID_COMMAND


@pytest.mark.parametrize("revision", list(Revision))
def test_every_command_that_is_laid_out_is_run(revision: Revision) -> None:
    from pytio.mock.psp.table import ROWS  # noqa: PLC0415  the table is nobody's business but this test's

    assert set(COMMANDS[revision]) <= set(ROWS)


# strict and lax


def reserved_fields(message: WireStruct) -> list[str]:
    return [field.name for field in message.FIELDS if field.name.startswith("reserved")]


def with_one_set(message: WireStruct, name: str) -> WireStruct:
    value = getattr(message, name)
    return message.replace(**{name: b"\1" + value[1:] if isinstance(value, bytes) else 1})


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2])
def test_reserved_bytes_of_every_command(revision: Revision) -> None:
    """Strict firmware looks at them before anything that the command names; lax firmware does not look."""
    strict, lax = Bench(revision), Bench(revision, strict=False)
    for bench in (strict, lax):
        bench.init()
    tried = 0
    for command, cls in COMMANDS[revision].items():
        if not command.name.startswith("TIO_") or command is SevCommand.TIO_INIT:
            continue
        empty = cls.parse(bytes(cls.fixed_size() or 0))
        message = empty.replace(length=cls.fixed_size())
        before = lax.issue(command, message)
        for name in reserved_fields(message):
            strict.refuses(SevStatus.INVALID_PARAM, command, with_one_set(message, name))
            lax.refuses(before, command, with_one_set(message, name))
            tried += 1
    assert tried > 20


def test_lax_firmware_runs_what_strict_firmware_refuses() -> None:
    for is_strict, expected in ((True, SevStatus.INVALID_PARAM), (False, SevStatus.SUCCESS)):
        bench = Bench(strict=is_strict)
        bench.init()
        message = TioStatus(reserved=7, status_paddr=bench.status_page)
        bench.refuses(expected, SevCommand.TIO_STATUS, message)


def test_a_build_without_tio_says_so_before_it_looks() -> None:
    bench = Bench(config=PspConfig(supports_tio=False))
    bench.init(tio=False)
    for command in COMMANDS[Revision.P2]:
        if command.name.startswith("TIO_"):
            assert bench.psp.execute(command, 1 << 50) is SevStatus.UNSUPPORTED
    assert bench.psp.execute(SevCommand.SNP_PLATFORM_STATUS, 1 << 50) is SevStatus.INVALID_ADDRESS


# connecting


@pytest.mark.parametrize(
    "fields",
    [
        {"tc_mask": 0x02},
        {"tc_mask": 0x00},
        {"cert_slot": 8},
        {"tc_mask": 0x03, "ide_stream_id": (0, 0, *[0xFF] * 6)},
    ],
    ids=["TC0 missing", "no class", "no slot", "one stream twice"],
)
def test_parameters_of_a_connect(fields: dict[str, Any]) -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    bench.refuses(
        SevStatus.INVALID_PARAM,
        SevCommand.TIO_DEV_CONNECT,
        **({"dev_ctx_sla": context, "spdm_ctrl": control} | fields),
    )
    assert bench.psp.devices[context].state is DeviceState.CREATED


def test_a_slot_without_a_certificate_ends_the_connect() -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    status = bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control, cert_slot=5)
    assert status is SevStatus.SPDM_ERROR
    assert bench.psp.devices[context].state is DeviceState.CREATED


def test_a_stream_that_a_port_does_not_know_ends_the_connect_in_device_set_up() -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    streams = (9, *[0xFF] * 7)
    status = bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control, ide_stream_id=streams)
    assert status is SevStatus.ERR_IN_DEV_CONN
    assert bench.psp.devices[context].state is DeviceState.CREATED
    bench.ok(bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control))
    bench.enable()
    assert bench.are_secure()


def test_a_second_interface_of_the_device() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    second = one.bench.create_tdi(one.context, SECOND_FUNCTION)
    one.bench.ok(one.bench.run(BIND, **(one.common | {"tdi_ctx_sla": second, "guest_device_id": 0x0200})))
    assert {tdi.interface_id for tdi in one.bench.psp.tdis if tdi.is_bound} >= {InterfaceId.of(SECOND_FUNCTION)}
    assert [tdi.tdi_id for tdi in one.bench.psp.tdis] == [1, 2]
