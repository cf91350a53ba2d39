"""What is lost where an exchange ends before its time: sessions, and whatever came over them (`SEV_A43`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.mock.psp.connecting import stop_streams
from pytio.mock.psp.contexts import DeviceContext, TdiContext
from pytio.mock.psp.device_states import DeviceState
from pytio.mock.psp.tdi_states import FenceMoment, TdiContextState

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("cancel", "fail_tdi", "hang_up", "settle")


def cancel(psp: Psp, device: DeviceContext) -> None:
    """End the exchange that a device waits in; a session that this leaves out of step is lost."""
    waiting, device.pending = device.pending, None
    if waiting is not None:
        waiting.conversation.close()
    if device.line is not None:
        device.line.abandon()
    settle(psp, device)


def settle(psp: Psp, device: DeviceContext) -> None:
    """Bring a device's state in line with its session, after something failed."""
    if device.state is DeviceState.CONNECTING:
        hang_up(psp, device)
        device.state = DeviceState.CREATED
    elif device.state is DeviceState.CONNECTED and (device.line is None or not device.line.is_alive):
        hang_up(psp, device)
        device.state = DeviceState.ERROR
        for tdi in device.bound_tdis:
            fail_tdi(psp, tdi)


def hang_up(psp: Psp, device: DeviceContext) -> None:
    """Forget the session, and destroy the root port's keys that came with it."""
    device.line = None
    stop_streams(psp, device)


def fail_tdi(psp: Psp, tdi: TdiContext) -> None:
    """Fence an interface off: the device is not where it was bound."""
    tdi.state = TdiContextState.ERROR
    psp.fence(tdi, FenceMoment.ERROR)
