"""Every state of a device and of an interface against every command: what the tables say is what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from pytio.mock.psp import DeviceState, DeviceStep, TdiContextState, TdiStep
from pytio.mock.psp.device_states import TRANSITIONS as DEVICE_TRANSITIONS
from pytio.mock.psp.tdi_states import TRANSITIONS as TDI_TRANSITIONS
from pytio.sev.codes import SevStatus
from pytio.sev.tio_codes import Revision, SevCommand
from tests.mock.psp.bench import DEVICE
from tests.mock.psp.lives import Device, Interface

SUCCESS = SevStatus.SUCCESS


DEVICE_COMMANDS: Mapping[DeviceStep, Callable[[Device], SevStatus]] = {
    DeviceStep.CREATE: lambda device: device.bench.issue(
        SevCommand.TIO_DEV_CREATE,
        dev_ctx_sla=device.context if device.state() is DeviceState.NONE else device.bench.buffer(),
        device_id=DEVICE.requester_id,
        root_port_id=2,
    ),
    DeviceStep.CONNECT: lambda device: device.bench.run(SevCommand.TIO_DEV_CONNECT, **device.common),
    DeviceStep.DISCONNECT: lambda device: device.bench.run(SevCommand.TIO_DEV_DISCONNECT, **device.common),
    DeviceStep.FORCE_DISCONNECT: lambda device: device.bench.issue(
        SevCommand.TIO_DEV_DISCONNECT, force=True, **device.common
    ),
    DeviceStep.STATUS: lambda device: device.bench.issue(
        SevCommand.TIO_DEV_STATUS, status_paddr=device.bench.status_page, **device.common
    ),
    DeviceStep.ASK: lambda device: device.bench.run(
        SevCommand.TIO_DEV_MEASUREMENTS, meas_nonce=bytes(32), **device.common
    ),
    DeviceStep.RECLAIM: lambda device: device.bench.issue(SevCommand.TIO_DEV_RECLAIM, **device.common),
}


@pytest.mark.parametrize("step", list(DEVICE_COMMANDS), ids=lambda step: step.name)
@pytest.mark.parametrize("state", list(DeviceState), ids=lambda state: state.name)
def test_device(state: DeviceState, step: DeviceStep) -> None:
    device = Device(state)
    assert device.state() is state
    expected = DEVICE_TRANSITIONS[state, step]
    if (state, step) == (DeviceState.CONNECTING, DeviceStep.CONNECT):
        device.bench.carry(device.control)
    status = DEVICE_COMMANDS[step](device)
    if isinstance(expected, SevStatus):
        assert status is expected, device.bench.psp.last
        assert device.state() is state
    else:
        assert status is SUCCESS, device.bench.psp.last
        assert device.state() is expected


def test_the_tables_are_whole() -> None:
    assert set(DEVICE_TRANSITIONS) == {(state, step) for state in DeviceState for step in DeviceStep}
    assert set(TDI_TRANSITIONS) == {(state, step) for state in TdiContextState for step in TdiStep}
    assert set(DEVICE_COMMANDS) == set(DeviceStep) - {
        DeviceStep.CREATE_TDI,
        DeviceStep.TALK_TO_TDI,
        DeviceStep.KEEP_TDI,
    }


TDI_COMMANDS: Mapping[TdiStep, Callable[[Interface], SevStatus]] = {
    TdiStep.BIND_LOCK: lambda one: one.bind(),
    TdiStep.BIND_RUN: lambda one: one.bind(run=True),
    TdiStep.UNBIND: lambda one: one.bench.run(SevCommand.TIO_TDI_UNBIND, **one.common),
    TdiStep.REPORT: lambda one: one.bench.run(SevCommand.TIO_TDI_REPORT, **one.common),
    TdiStep.STATUS: lambda one: one.bench.run(SevCommand.TIO_TDI_STATUS, **one.common),
    TdiStep.INFO: lambda one: one.bench.issue(SevCommand.TIO_TDI_INFO, **one.common),
    TdiStep.RECLAIM: lambda one: one.bench.issue(SevCommand.TIO_TDI_RECLAIM, **one.common),
}


@pytest.mark.parametrize("step", list(TDI_COMMANDS), ids=lambda step: step.name)
@pytest.mark.parametrize("state", list(TdiContextState), ids=lambda state: state.name)
def test_interface(state: TdiContextState, step: TdiStep) -> None:
    interface = Interface(state)
    assert interface.state() is state
    expected = TDI_TRANSITIONS[state, step]
    status = TDI_COMMANDS[step](interface)
    if isinstance(expected, SevStatus):
        assert status is expected, interface.bench.psp.last
        assert interface.state() is state
    else:
        assert status is SUCCESS, interface.bench.psp.last
        assert interface.state() is expected


def test_the_bind_of_r1_locks_and_starts() -> None:
    interface = Interface(TdiContextState.UNBOUND, Revision.R1)
    interface.lock()
    assert interface.state() is TdiContextState.BIND_RUN
    assert interface.bind() is TDI_TRANSITIONS[TdiContextState.BIND_RUN, TdiStep.BIND_AT_ONCE]


def test_an_interface_has_one_context() -> None:
    interface = Interface(TdiContextState.UNBOUND)
    with pytest.raises(AssertionError, match="IN_USE"):
        interface.bench.create_tdi(interface.context)
    assert TDI_TRANSITIONS[TdiContextState.UNBOUND, TdiStep.CREATE] is SevStatus.IN_USE


@pytest.mark.parametrize("state", [state for state in DeviceState if state is not DeviceState.NONE])
def test_interfaces_are_made_of_devices_that_are_connected(state: DeviceState) -> None:
    device = Device(state)
    expected = DEVICE_TRANSITIONS[state, DeviceStep.CREATE_TDI]
    if isinstance(expected, SevStatus):
        with pytest.raises(AssertionError, match=expected.name):
            device.bench.create_tdi(device.context)
    else:
        device.bench.create_tdi(device.context)
        device.bench.refuses(
            SevStatus.RECLAIM_REQUIRED,
            SevCommand.TIO_DEV_DISCONNECT,
            dev_ctx_sla=device.context,
            spdm_ctrl=device.control,
        )
