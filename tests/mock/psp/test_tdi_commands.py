"""The life of an interface beside its states: reports, digests, identities, fences, force, and what is left behind."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from pytio import idekm
from pytio.ids import FunctionId, InterfaceId
from pytio.mock.psp import DeviceState, TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.commands import LockFlags
from pytio.sev.data_objects import ResultObject
from pytio.sev.structures import (
    AsidFence,
    AsidFenceR1,
    TdiInfo,
    TdiInfoR1,
    TdiInfoR2,
    TdiLockState,
    TdiStatus,
    TdiStatusR1,
)
from pytio.sev.tio_codes import (
    AsidFenceState,
    DataObjectId,
    DmaFenceState,
    MmioFenceState,
    Revision,
    SevCommand,
    TdiBindState,
)
from pytio.tdisp import InterfaceReport, TdiEvent, TdiState
from tests.mock.psp.bench import ASID, DEVICE, FUNCTION, MMIO, ROOT_PORT, SECOND_FUNCTION, Bench
from tests.mock.psp.lives import Interface

REVISIONS = pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N])
INFO_CLASSES = {Revision.R1: TdiInfoR1, Revision.R2: TdiInfoR2}


def info_of(one: Interface) -> Any:
    one.bench.ok(one.bench.issue(SevCommand.TIO_TDI_INFO, status_length=192, **one.common))
    return one.bench.status_of(INFO_CLASSES.get(one.bench.revision, TdiInfo))


def fence_of(one: Interface, asid: int = ASID) -> AsidFence | AsidFenceR1:
    bench = one.bench
    is_older = bench.revision in (Revision.R1, Revision.R2)
    device_id = ROOT_PORT.requester_id
    bench.ok(bench.issue(SevCommand.TIO_ASID_FENCE_STATUS, asid=asid, device_id=device_id, **one.common))
    found: AsidFence | AsidFenceR1 = bench.status_of(AsidFenceR1 if is_older else AsidFence)
    return found


def fence(dma: DmaFenceState, mmio: MmioFenceState) -> AsidFence:
    return AsidFence(dma=dma, mmio=mmio)


OPEN = fence(DmaFenceState.NOT_FENCED, MmioFenceState.NOT_FENCED)
BY_DEFAULT = fence(DmaFenceState.FENCED_BY_DEFAULT, MmioFenceState.FENCED)
BY_ERROR = fence(DmaFenceState.FENCED_BY_ERROR, MmioFenceState.FENCED)


@REVISIONS
def test_bind_leaves_the_report_and_its_digest(revision: Revision) -> None:
    one = Interface(TdiContextState.UNBOUND, revision)
    assert not any(info_of(one).interface_report_digest)
    one.lock()
    result: ResultObject = one.bench.result(one.control)
    assert (result.object_id, result.device_id) == (DataObjectId.INTERFACE_REPORT, FUNCTION.requester_id)
    report = InterfaceReport.parse(result.data)
    assert [each.address for each in report.mmio_ranges] == [MMIO, MMIO + (1 << 20)]
    info = info_of(one)
    assert info.interface_id == InterfaceId.of(FUNCTION)
    assert info.interface_report_digest == hashlib.sha384(result.data).digest()
    assert info.certs_digest == one.bench.psp.devices[one.context].certs_digest
    if revision is not Revision.R1:
        assert (info.tdi_status, info.intf_report_counter, info.asid) == (TdiBindState.BIND_LOCKED, 1, ASID)
        one.bench.ok(one.bind(run=True))
        assert (info_of(one).tdi_status, info_of(one).intf_report_counter) == (TdiBindState.BIND_RUN, 2)
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_REPORT, **one.common))
    assert one.bench.result(one.control).data == result.data
    if revision is Revision.N:
        assert info_of(one).reserved_end == 1


@pytest.mark.parametrize("revision", [Revision.R2, Revision.P2])
def test_measurements_are_fresh_until_the_next_bind(revision: Revision) -> None:
    one = Interface(TdiContextState.BIND_LOCKED, revision)
    for asks, fresh in ((False, False), (True, True)):
        if asks:
            one.bench.ok(one.bench.run(SevCommand.TIO_DEV_MEASUREMENTS, meas_nonce=bytes(32), **one.common))
        assert (info_of(one).meas_digest_valid, info_of(one).meas_digest_fresh) == (fresh, fresh)
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    one.lock()
    assert (info_of(one).meas_digest_valid, info_of(one).meas_digest_fresh) == (True, False)


@REVISIONS
def test_status_is_what_the_device_says(revision: Revision) -> None:
    one = Interface(TdiContextState.UNBOUND, revision)
    cls = TdiStatusR1 if revision in (Revision.R1, Revision.R2) else TdiStatus
    for state in (TdiState.CONFIG_UNLOCKED, TdiState.RUN if revision is Revision.R1 else TdiState.CONFIG_LOCKED):
        one.bench.ok(one.bench.run(SevCommand.TIO_TDI_STATUS, **one.common))
        assert one.bench.status_of(cls) == cls(tdisp_state=state)
        if state is TdiState.CONFIG_UNLOCKED:
            one.lock()


def test_what_an_interface_is_locked_with() -> None:
    one = Interface(TdiContextState.UNBOUND)
    for wrong in (LockFlags(cache_line_size=True), LockFlags(bind_p2p=True), LockFlags(reserved=1)):
        one.bench.refuses(SevStatus.INVALID_PARAM, SevCommand.TIO_TDI_BIND, tdisp_lock_if_flags=wrong, **one.common)
    flags = LockFlags(no_fw_update=True, all_request_redirect=True)
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_BIND, tdisp_lock_if_flags=flags, **one.common))
    assert info_of(one).lock_flags == TdiLockState(no_fw_update=True, all_request_redirect=True)


def test_a_refusal_of_the_device_leaves_everything_as_it_was() -> None:
    one = Interface(TdiContextState.UNBOUND)
    one.bench.device.keys.happen(idekm.StreamEvent.STREAM_INSECURE, stream_id=0)
    assert one.bind() is SevStatus.SPDM_ERROR
    assert one.state() is TdiContextState.UNBOUND
    assert one.bench.psp.devices[one.context].state is DeviceState.CONNECTED


def test_whose_interface_it_is() -> None:
    one = Interface(TdiContextState.BIND_LOCKED)
    bench = one.bench
    other = bench.guest(ASID + 1)
    common = one.common | {"gctx_paddr": other}
    for command in (SevCommand.TIO_TDI_UNBIND, SevCommand.TIO_TDI_REPORT):
        bench.refuses(SevStatus.INVALID_GUEST, command, **common)
    bench.refuses(SevStatus.INVALID_GUEST, SevCommand.TIO_TDI_BIND, run=True, **common)
    bench.refuses(SevStatus.INVALID_GUEST, SevCommand.TIO_TDI_REPORT, **(one.common | {"gctx_paddr": 0x10_0000}))
    bench.refuses(SevStatus.IN_USE, SevCommand.SNP_DECOMMISSION, gctx_paddr=one.guest)
    second = bench.create_tdi(one.context, SECOND_FUNCTION)
    bench.refuses(SevStatus.IN_USE, SevCommand.TIO_TDI_BIND, **(one.common | {"tdi_ctx_sla": second}))
    bench.ok(bench.run(SevCommand.TIO_TDI_BIND, **(one.common | {"tdi_ctx_sla": second, "guest_device_id": 2})))


def test_a_guest_without_an_asid_gets_no_interface() -> None:
    one = Interface(TdiContextState.UNBOUND)
    gctx = one.bench.page(firmware=True)
    one.bench.ok(one.bench.issue(SevCommand.SNP_GCTX_CREATE, gctx_paddr=gctx))
    one.bench.refuses(SevStatus.INACTIVE, SevCommand.TIO_TDI_BIND, **(one.common | {"gctx_paddr": gctx}))


def test_contexts_are_named_by_their_slas() -> None:
    one = Interface(TdiContextState.UNBOUND)
    bench = one.bench
    stranger = bench.buffer()
    bench.refuses(SevStatus.INVALID_DEV_CTX, SevCommand.TIO_TDI_INFO, **(one.common | {"dev_ctx_sla": stranger}))
    bench.refuses(SevStatus.INVALID_TDI_CTX, SevCommand.TIO_TDI_INFO, **(one.common | {"tdi_ctx_sla": stranger}))
    other = bench.buffer()
    bench.ok(bench.issue(SevCommand.TIO_DEV_CREATE, dev_ctx_sla=other, device_id=0xE200, root_port_id=2))
    bench.refuses(SevStatus.INVALID_TDI, SevCommand.TIO_TDI_INFO, **(one.common | {"dev_ctx_sla": other}))
    elsewhere = InterfaceId(function_id=FunctionId(requester_id=1, segment=1, is_segment_valid=True))
    fields = {"dev_ctx_sla": one.context, "tdi_ctx_sla": stranger}
    bench.refuses(SevStatus.INVALID_PARAM, SevCommand.TIO_TDI_CREATE, interface_id=elsewhere, **fields)
    bench.write_capacity(stranger, 64)
    bench.refuses(
        SevStatus.INCORRECT_BUFFER_LENGTH, SevCommand.TIO_TDI_CREATE, interface_id=InterfaceId.of(DEVICE), **fields
    )


def test_the_room_for_information_in_r1() -> None:
    one = Interface(TdiContextState.UNBOUND, Revision.R1)
    one.bench.refuses(SevStatus.INCORRECT_BUFFER_LENGTH, SevCommand.TIO_TDI_INFO, status_length=191, **one.common)
    misaligned = one.common | {"status_paddr": one.bench.status_page + 4}
    one.bench.refuses(SevStatus.INVALID_ADDRESS, SevCommand.TIO_TDI_INFO, status_length=192, **misaligned)
    crossing = one.common | {"status_paddr": one.bench.status_page + 4096 - 64}
    one.bench.refuses(SevStatus.INVALID_ADDRESS, SevCommand.TIO_TDI_INFO, status_length=192, **crossing)


# fences


def test_fences_open_with_run_and_close_with_unbind() -> None:
    one = Interface(TdiContextState.UNBOUND)
    assert fence_of(one) == BY_DEFAULT
    one.lock()
    assert fence_of(one) == BY_DEFAULT
    one.bench.ok(one.bind(run=True))
    assert fence_of(one) == OPEN
    one.bench.refuses(SevStatus.IN_USE, SevCommand.TIO_ASID_FENCE_CLEAR, **one.common)
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    assert fence_of(one) == BY_ERROR
    one.bench.ok(one.bench.issue(SevCommand.TIO_ASID_FENCE_CLEAR, **one.common))
    assert fence_of(one) == OPEN
    assert fence_of(one, ASID + 1) == BY_DEFAULT
    one.bench.refuses(SevStatus.INVALID_PARAM, SevCommand.TIO_ASID_FENCE_STATUS, asid=0, **one.common)


def test_an_interface_that_was_only_locked_leaves_the_fence_alone() -> None:
    one = Interface(TdiContextState.BIND_LOCKED)
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    assert fence_of(one) == BY_DEFAULT


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2])
def test_older_revisions_name_the_root_port(revision: Revision) -> None:
    one = Interface(TdiContextState.UNBOUND, revision)
    assert fence_of(one) == AsidFenceR1(state=AsidFenceState.FENCED)
    one.lock()
    if revision is Revision.R2:
        one.bench.ok(one.bind(run=True))
    assert fence_of(one) == AsidFenceR1(state=AsidFenceState.NOT_FENCED)
    fields: dict[str, Any] = {"gctx_paddr": one.guest, "device_id": ROOT_PORT.requester_id}
    one.bench.refuses(SevStatus.IN_USE, SevCommand.TIO_ASID_FENCE_CLEAR, **fields)
    one.bench.refuses(SevStatus.INVALID_PARAM, SevCommand.TIO_ASID_FENCE_CLEAR, **(fields | {"device_id": 1}))
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    assert fence_of(one) == AsidFenceR1(state=AsidFenceState.FENCED)
    one.bench.ok(one.bench.issue(SevCommand.TIO_ASID_FENCE_CLEAR, **fields))
    assert fence_of(one) == AsidFenceR1(state=AsidFenceState.NOT_FENCED)


def test_a_fence_stays_open_for_what_still_runs() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    second = one.common | {"tdi_ctx_sla": one.bench.create_tdi(one.context, SECOND_FUNCTION), "guest_device_id": 2}
    for run in (False, True):
        one.bench.ok(one.bench.run(SevCommand.TIO_TDI_BIND, run=run, **second))
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    assert fence_of(one) == OPEN
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **second))
    assert fence_of(one) == BY_ERROR


def test_the_next_guest_with_an_asid_finds_its_fences_closed() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    one.bench.ok(one.bench.issue(SevCommand.TIO_ASID_FENCE_CLEAR, **one.common))
    assert fence_of(one) == OPEN
    one.bench.ok(one.bench.issue(SevCommand.SNP_DECOMMISSION, gctx_paddr=one.guest))
    one.bench.ok(one.bench.psp.execute(SevCommand.SNP_DF_FLUSH))
    one.bench.guest(ASID)
    assert fence_of(one) == BY_DEFAULT


# what goes wrong


def test_an_interface_that_failed_is_fenced_off_until_it_is_unbound() -> None:
    one = Interface(TdiContextState.ERROR)
    assert fence_of(one) == BY_ERROR
    assert info_of(one).tdi_status is TdiBindState.UNBOUND
    one.bench.ok(one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    one.lock()


def test_a_device_that_locked_by_itself_is_not_bound() -> None:
    one = Interface(TdiContextState.UNBOUND)
    one.start()
    one.bench.device.tdisp.happen(TdiEvent.BASE_ADDRESS_WRITTEN, functions=[FUNCTION])
    one.bench.ok(one.bench.issue(SevCommand.TIO_TDI_UNBIND, force=True, **one.common))
    assert one.state() is TdiContextState.UNBOUND
    assert fence_of(one) == BY_ERROR
    assert one.bind() is SevStatus.INVALID_TDI_STATE
    assert one.bench.psp.last is not None
    assert "ERROR" in one.bench.psp.last.why


@pytest.mark.parametrize("revision", [Revision.R2, Revision.P2])
def test_forced_disconnect_fails_interfaces_and_leaves_them_to_be_unbound(revision: Revision) -> None:
    one = Interface(TdiContextState.BIND_LOCKED, revision)
    one.bench.ok(one.bind(run=True))
    one.bench.refuses(SevStatus.IN_USE, SevCommand.TIO_DEV_DISCONNECT, **one.common)
    one.bench.ok(one.bench.issue(SevCommand.TIO_DEV_DISCONNECT, force=True, **one.common))
    assert one.state() is TdiContextState.ERROR
    assert one.bench.psp.devices[one.context].state is DeviceState.DISCONNECTED
    if revision is Revision.P2:
        assert fence_of(one) == BY_ERROR
        one.bench.refuses(SevStatus.INVALID_DEV_STATE, SevCommand.TIO_TDI_UNBIND, **one.common)
    one.bench.refuses(SevStatus.INVALID_TDI_STATE, SevCommand.TIO_TDI_RECLAIM, **one.common)
    one.bench.refuses(SevStatus.RECLAIM_REQUIRED, SevCommand.TIO_DEV_RECLAIM, **one.common)
    one.bench.ok(one.bench.issue(SevCommand.TIO_TDI_UNBIND, force=True, **one.common))
    one.bench.ok(one.bench.issue(SevCommand.TIO_TDI_RECLAIM, **one.common))
    one.bench.ok(one.bench.issue(SevCommand.TIO_DEV_RECLAIM, **one.common))


def test_force_cuts_into_an_exchange_and_takes_the_session_with_it() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    one.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_TDI_STATUS, **one.common)
    one.bench.refuses(SevStatus.IN_USE, SevCommand.TIO_TDI_UNBIND, **one.common)
    one.bench.ok(one.bench.issue(SevCommand.TIO_TDI_UNBIND, force=True, **one.common))
    assert one.state() is TdiContextState.UNBOUND
    assert one.bench.psp.devices[one.context].state is DeviceState.ERROR


def test_an_interface_is_not_reclaimed_while_a_command_about_it_waits() -> None:
    one = Interface(TdiContextState.UNBOUND)
    one.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_TDI_STATUS, **one.common)
    one.bench.refuses(SevStatus.IN_USE, SevCommand.TIO_TDI_RECLAIM, **one.common)


def test_a_session_that_ends_fails_its_interfaces() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    one.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_TDI_STATUS, **one.common)
    one.bench.answer(one.control, is_secured=True, answer=bytes(48))
    one.bench.refuses(SevStatus.SPDM_ERROR, SevCommand.TIO_TDI_STATUS, **one.common)
    assert one.state() is TdiContextState.ERROR
    assert one.bench.psp.devices[one.context].state is DeviceState.ERROR
    assert fence_of(one) == BY_ERROR


def test_two_devices_interleave() -> None:
    bench = Bench()
    bench.init()
    first = bench.create()
    second = bench.buffer()
    bench.ok(bench.issue(SevCommand.TIO_DEV_CREATE, dev_ctx_sla=second, device_id=0xE200, root_port_id=2))
    one, other = bench.control(), bench.control()
    bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=first, spdm_ctrl=one)
    bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=second, spdm_ctrl=other)
    bench.carry(one)
    bench.ok(bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=first, spdm_ctrl=one))
    assert bench.psp.devices[second].state is DeviceState.CONNECTING
