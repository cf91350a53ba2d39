"""What an interface's context allows, state by state, and what becomes of fences: two tables (`SEV_A40`).

Document: AMD 58271, "TIO_TDI_…". A command leads to the next state, or is refused with a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from pytio.sev.codes import SevStatus
from pytio.sev.structures import AsidFence
from pytio.sev.tio_codes import DmaFenceState, MmioFenceState, TdiBindState
from pytio.tdisp import TdiState as DeviceTdiState

__all__ = ("BIND_STATES", "DEVICE_STATES", "FENCES", "TRANSITIONS", "FenceMoment", "TdiContextState", "TdiStep")


class TdiContextState(Enum):
    """How far an interface's life is."""

    NONE = "there is no context"
    UNBOUND = "it is nobody's"
    BIND_LOCKED = "it is a guest's, and locked"
    BIND_RUN = "it is a guest's, and runs"
    ERROR = "the device left the state it was bound in"


class TdiStep(Enum):
    """What a host asks of an interface."""

    CREATE = "TIO_TDI_CREATE"
    BIND_LOCK = "TIO_TDI_BIND with RUN = 0"
    BIND_RUN = "TIO_TDI_BIND with RUN = 1"
    BIND_AT_ONCE = "TIO_TDI_BIND of R1"
    UNBIND = "TIO_TDI_UNBIND"
    REPORT = "TIO_TDI_REPORT"
    STATUS = "TIO_TDI_STATUS"
    INFO = "TIO_TDI_INFO"
    GUEST_REQUEST = "TIO_GUEST_REQUEST"
    RECLAIM = "TIO_TDI_RECLAIM"


_State = TdiContextState
_THERE: Final = tuple(state for state in _State if state is not _State.NONE)
_BOUND: Final = (_State.BIND_LOCKED, _State.BIND_RUN)
_LOOSE: Final = (_State.UNBOUND, _State.ERROR)
_ANYWAY: Final = (TdiStep.STATUS, TdiStep.INFO, TdiStep.GUEST_REQUEST)
_BINDS: Final = (TdiStep.BIND_LOCK, TdiStep.BIND_RUN, TdiStep.BIND_AT_ONCE)

TRANSITIONS: Final[Mapping[tuple[TdiContextState, TdiStep], TdiContextState | SevStatus]] = MappingProxyType(
    {
        **{(_State.NONE, step): SevStatus.INVALID_TDI_CTX for step in TdiStep},
        (_State.NONE, TdiStep.CREATE): _State.UNBOUND,
        **{(state, TdiStep.CREATE): SevStatus.IN_USE for state in _THERE},
        **{(state, step): SevStatus.INVALID_TDI_STATE for state in _THERE for step in _BINDS},
        (_State.UNBOUND, TdiStep.BIND_LOCK): _State.BIND_LOCKED,
        (_State.UNBOUND, TdiStep.BIND_AT_ONCE): _State.BIND_RUN,
        (_State.BIND_LOCKED, TdiStep.BIND_RUN): _State.BIND_RUN,
        (_State.UNBOUND, TdiStep.UNBIND): SevStatus.INVALID_TDI_STATE,
        **{(state, TdiStep.UNBIND): _State.UNBOUND for state in (*_BOUND, _State.ERROR)},
        **{(state, TdiStep.REPORT): SevStatus.INVALID_TDI_STATE for state in _LOOSE},
        **{(state, TdiStep.REPORT): state for state in _BOUND},
        **{(state, step): state for state in _THERE for step in _ANYWAY},
        (_State.UNBOUND, TdiStep.RECLAIM): _State.NONE,
        **{(state, TdiStep.RECLAIM): SevStatus.INVALID_TDI_STATE for state in (*_BOUND, _State.ERROR)},
    }
)
"""From a state, by a command that succeeds, to the next one; or the status that it is refused with."""

BIND_STATES: Final[Mapping[TdiContextState, TdiBindState]] = MappingProxyType(
    {
        _State.UNBOUND: TdiBindState.UNBOUND,
        _State.BIND_LOCKED: TdiBindState.BIND_LOCKED,
        _State.BIND_RUN: TdiBindState.BIND_RUN,
        _State.ERROR: TdiBindState.UNBOUND,
    }
)
"""TDI_STATUS of TIO_TDI_INFO."""

DEVICE_STATES: Final[Mapping[TdiContextState, DeviceTdiState]] = MappingProxyType(
    {_State.BIND_LOCKED: DeviceTdiState.CONFIG_LOCKED, _State.BIND_RUN: DeviceTdiState.RUN}
)
"""The state that the device has to report of an interface that is bound."""


class FenceMoment(Enum):
    """What moves the fences of a guest at a root port."""

    NEVER_BOUND = "the device is connected, and no interface of the guest ran yet"
    RUN = "an interface of the guest runs"
    ERROR = "an interface of the guest failed, or its device was disconnected or it was unbound with FORCE"
    UNBIND = "the last interface of the guest that ran was unbound"
    CLEAR = "TIO_ASID_FENCE_CLEAR"


_OPEN: Final = AsidFence(dma=DmaFenceState.NOT_FENCED, mmio=MmioFenceState.NOT_FENCED)
_CLOSED: Final = AsidFence(dma=DmaFenceState.FENCED_BY_ERROR, mmio=MmioFenceState.FENCED)

FENCES: Final[Mapping[FenceMoment, AsidFence]] = MappingProxyType(
    {
        FenceMoment.NEVER_BOUND: AsidFence(dma=DmaFenceState.FENCED_BY_DEFAULT, mmio=MmioFenceState.FENCED),
        FenceMoment.RUN: _OPEN,
        FenceMoment.ERROR: _CLOSED,
        FenceMoment.UNBIND: _CLOSED,
        FenceMoment.CLEAR: _OPEN,
    }
)
"""What each moment makes of the fences of an ASID at a root port."""
