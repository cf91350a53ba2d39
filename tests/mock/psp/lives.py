"""A device, and an interface of it, in any state: what brings them there, as commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytio.mock.psp import DeviceState, TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.sla import Sla
from pytio.sev.structures import TdiStatus
from pytio.sev.tio_codes import Revision, SevCommand
from pytio.tdisp import TdiEvent, TdiState
from tests.mock.psp.bench import FUNCTION, Bench


class Device:
    """A device in a state."""

    def __init__(self, state: DeviceState) -> None:
        self.bench = bench = Bench()
        bench.init()
        self.control = bench.control()
        self.context: Sla = bench.buffer()
        if state is not DeviceState.NONE:
            self.context = bench.create()
        WAYS[state](self)

    @property
    def common(self) -> dict[str, Any]:
        return {"dev_ctx_sla": self.context, "spdm_ctrl": self.control}

    def connect(self) -> None:
        self.bench.ok(self.bench.run(SevCommand.TIO_DEV_CONNECT, **self.common))

    def begin(self) -> None:
        self.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_DEV_CONNECT, **self.common)

    def disconnect(self) -> None:
        self.connect()
        self.bench.ok(self.bench.run(SevCommand.TIO_DEV_DISCONNECT, **self.common))

    def fail(self) -> None:
        self.connect()
        self.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_DEV_CERTIFICATES, **self.common)
        self.bench.answer(self.control, is_secured=True, answer=bytes(32))
        self.bench.refuses(SevStatus.SPDM_ERROR, SevCommand.TIO_DEV_CERTIFICATES, **self.common)

    def stay(self) -> None:
        """Already there."""

    def state(self) -> DeviceState:
        device = self.bench.psp.devices.get(self.context)
        return DeviceState.NONE if device is None else device.state


WAYS: Mapping[DeviceState, Callable[[Device], None]] = {
    DeviceState.NONE: Device.stay,
    DeviceState.CREATED: Device.stay,
    DeviceState.CONNECTING: Device.begin,
    DeviceState.CONNECTED: Device.connect,
    DeviceState.DISCONNECTED: Device.disconnect,
    DeviceState.ERROR: Device.fail,
}


class Interface:
    """An interface in a state, of a guest that runs."""

    def __init__(self, state: TdiContextState, revision: Revision = Revision.P2) -> None:
        self.bench = bench = Bench(revision)
        self.context, self.control = bench.connected()
        self.guest = bench.guest()
        self.tdi: Sla = bench.buffer()
        if state is not TdiContextState.NONE:
            self.tdi = bench.create_tdi(self.context)
        TDI_WAYS[state](self)

    @property
    def common(self) -> dict[str, Any]:
        return {
            "dev_ctx_sla": self.context,
            "tdi_ctx_sla": self.tdi,
            "spdm_ctrl": self.control,
            "gctx_paddr": self.guest,
            "guest_device_id": 0x0100,
            "status_paddr": self.bench.status_page,
        }

    def bind(self, *, run: bool = False) -> SevStatus:
        return self.bench.run(SevCommand.TIO_TDI_BIND, run=run, **self.common)

    def lock(self) -> None:
        self.bench.ok(self.bind())

    def start(self) -> None:
        self.lock()
        self.bench.ok(self.bind(run=True))

    def fail(self) -> None:
        self.start()
        self.bench.device.tdisp.happen(TdiEvent.BASE_ADDRESS_WRITTEN, functions=[FUNCTION])
        self.bench.ok(self.bench.run(SevCommand.TIO_TDI_STATUS, **self.common))
        assert self.bench.status_of(TdiStatus).tdisp_state == TdiState.ERROR

    def stay(self) -> None:
        """Already there."""

    def state(self) -> TdiContextState:
        found = [tdi for tdi in self.bench.psp.tdis if tdi.handle == self.tdi]
        return found[0].state if found else TdiContextState.NONE


TDI_WAYS: Mapping[TdiContextState, Callable[[Interface], None]] = {
    TdiContextState.NONE: Interface.stay,
    TdiContextState.UNBOUND: Interface.stay,
    TdiContextState.BIND_LOCKED: Interface.lock,
    TdiContextState.BIND_RUN: Interface.start,
    TdiContextState.ERROR: Interface.fail,
}
