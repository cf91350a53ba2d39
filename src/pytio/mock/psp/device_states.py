"""What a device's context allows, state by state: one table (`SEV_A40`).

Document: AMD 58271, "TIO_DEV_…". A command leads to the next state, or is refused with a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from pytio.sev.codes import SevStatus
from pytio.sev.tio_codes import DeviceContextState

__all__ = ("CTX_STATES", "TRANSITIONS", "DeviceState", "DeviceStep")


class DeviceState(Enum):
    """How far a device's life is."""

    NONE = "there is no context"
    CREATED = "there is a context, and no session"
    CONNECTING = "TIO_DEV_CONNECT waits for the device"
    CONNECTED = "there is a session, and IDE keys came over it"
    DISCONNECTED = "the session was ended"
    ERROR = "the session was lost"


class DeviceStep(Enum):
    """What a host asks of a device."""

    CREATE = "TIO_DEV_CREATE"
    CONNECT = "TIO_DEV_CONNECT"
    DISCONNECT = "TIO_DEV_DISCONNECT"
    FORCE_DISCONNECT = "TIO_DEV_DISCONNECT with FORCE"
    STATUS = "TIO_DEV_STATUS"
    ASK = "TIO_DEV_MEASUREMENTS, TIO_DEV_CERTIFICATES, TIO_ROLL_KEY"
    CREATE_TDI = "TIO_TDI_CREATE"
    TALK_TO_TDI = "TIO_TDI_BIND, …_UNBIND, …_REPORT, …_STATUS, TIO_GUEST_REQUEST"
    KEEP_TDI = "TIO_TDI_INFO, TIO_TDI_RECLAIM, TIO_TDI_UNBIND with FORCE"
    RECLAIM = "TIO_DEV_RECLAIM"


_THERE: Final = tuple(state for state in DeviceState if state is not DeviceState.NONE)
_IDLE: Final = (DeviceState.CREATED, DeviceState.DISCONNECTED, DeviceState.ERROR)

TRANSITIONS: Final[Mapping[tuple[DeviceState, DeviceStep], DeviceState | SevStatus]] = MappingProxyType(
    {
        **{(DeviceState.NONE, step): SevStatus.INVALID_DEV_CTX for step in DeviceStep},
        (DeviceState.NONE, DeviceStep.CREATE): DeviceState.CREATED,
        **{(state, DeviceStep.CREATE): SevStatus.IN_USE for state in _THERE},
        (DeviceState.CREATED, DeviceStep.CONNECT): DeviceState.CONNECTED,
        (DeviceState.CONNECTING, DeviceStep.CONNECT): DeviceState.CONNECTED,
        (DeviceState.CONNECTED, DeviceStep.CONNECT): SevStatus.INVALID_DEV_STATE,
        (DeviceState.DISCONNECTED, DeviceStep.CONNECT): DeviceState.CONNECTED,
        (DeviceState.ERROR, DeviceStep.CONNECT): SevStatus.INVALID_DEV_STATE,
        **{(state, DeviceStep.DISCONNECT): SevStatus.INVALID_DEV_STATE for state in _IDLE},
        (DeviceState.CONNECTING, DeviceStep.DISCONNECT): SevStatus.IN_USE,
        (DeviceState.CONNECTED, DeviceStep.DISCONNECT): DeviceState.DISCONNECTED,
        (DeviceState.CREATED, DeviceStep.FORCE_DISCONNECT): SevStatus.INVALID_DEV_STATE,
        (DeviceState.CONNECTING, DeviceStep.FORCE_DISCONNECT): DeviceState.DISCONNECTED,
        (DeviceState.CONNECTED, DeviceStep.FORCE_DISCONNECT): DeviceState.DISCONNECTED,
        (DeviceState.DISCONNECTED, DeviceStep.FORCE_DISCONNECT): SevStatus.INVALID_DEV_STATE,
        (DeviceState.ERROR, DeviceStep.FORCE_DISCONNECT): DeviceState.DISCONNECTED,
        **{(state, step): state for state in _THERE for step in (DeviceStep.STATUS, DeviceStep.KEEP_TDI)},
        **{
            (state, step): SevStatus.INVALID_DEV_STATE
            for state in _IDLE
            for step in (DeviceStep.ASK, DeviceStep.CREATE_TDI, DeviceStep.TALK_TO_TDI)
        },
        **{
            (DeviceState.CONNECTING, step): SevStatus.IN_USE
            for step in (DeviceStep.ASK, DeviceStep.CREATE_TDI, DeviceStep.TALK_TO_TDI, DeviceStep.RECLAIM)
        },
        **{
            (DeviceState.CONNECTED, step): DeviceState.CONNECTED
            for step in (DeviceStep.ASK, DeviceStep.CREATE_TDI, DeviceStep.TALK_TO_TDI)
        },
        (DeviceState.CREATED, DeviceStep.RECLAIM): DeviceState.NONE,
        (DeviceState.CONNECTED, DeviceStep.RECLAIM): SevStatus.INVALID_DEV_STATE,
        (DeviceState.DISCONNECTED, DeviceStep.RECLAIM): DeviceState.NONE,
        (DeviceState.ERROR, DeviceStep.RECLAIM): SevStatus.INVALID_DEV_STATE,
    }
)
"""From a state, by a command that succeeds, to the next one; or the status that it is refused with."""

CTX_STATES: Final[Mapping[DeviceState, DeviceContextState]] = MappingProxyType(
    {
        DeviceState.CREATED: DeviceContextState.CREATED,
        DeviceState.CONNECTING: DeviceContextState.CREATED,
        DeviceState.CONNECTED: DeviceContextState.CONNECTED,
        DeviceState.DISCONNECTED: DeviceContextState.DISCONNECTED,
        DeviceState.ERROR: DeviceContextState.ERROR,
    }
)
"""CTX_STATE of TIO_DEV_STATUS."""
