"""When a TDISP request is legal, what happens to an interface beside requests, and where both lead: one table.

Document: PCIe Base 6.x chapter 11, "TDI State Machine" and "TDISP message" rules. Both roles use the table, and the
documentation draws its diagram from it. This file knows no message layout and holds no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from pytio.tdisp.codes import MessageType, TdiState

__all__ = ("TRANSITIONS", "Cause", "Reach", "TdiEvent", "next_tdi_state")


class Reach(Enum):
    """Which interfaces an event reaches."""

    FUNCTION = "function"  #: Those that one of the named functions hosts.
    STREAM = "stream"  #: Those that the named IDE stream is bound to, as default or for peers.
    SESSION = "session"  #: Those that were locked over the named session.
    DEVICE = "device"  #: All.


class TdiEvent(Enum):
    """What happens to an interface beside requests.

    Which register writes are such an event is for the model of configuration space to say. Bit-level rules (Command,
    Device Control) look at changes only, all others at any write (PCIE_A18).
    """

    MEMORY_OR_BUS_MASTER_DISABLED = "Command: Memory Space Enable or Bus Master Enable cleared"
    BASE_ADDRESS_WRITTEN = "a BAR, the expansion ROM BAR or BIST was written"
    POWER_STATE_LOST = "a power transition lost the function's state"
    DEVICE_CONTROL_CHANGED = "extended or larger tags, phantom functions or no-snoop changed in Device Control"
    FUNCTION_LEVEL_RESET = "function-level reset; of a PF also for all its VFs"
    MSI_X_CHANGED = "MSI-X control, table or PBA changed while the table was locked"
    TRACKED_CAPABILITY_WRITTEN = "EA, (VF) Resizable BAR, ARI, PASID, PRI, SR-IOV or Multicast was written"
    REQUESTER_ID_CHANGED = "bus or segment number changed"
    DATA_POISONED = "a poisoned TLP, or an uncorrectable error of the device's own"
    COMPLETION_FAILED = "UR, CA or no completion for a request of the interface, beyond recovery"
    TRANSLATION_VIOLATED = "translation completion or PRG response without T, or on another stream"
    VENDOR_REGISTER_WRITTEN = "a register that the vendor judges relevant to security was written"
    STREAM_REGISTERS_WRITTEN = "control, RID or address association of a bound stream was written"
    STREAM_INSECURE = "a bound stream became insecure"
    SESSION_ENDED = "the session that locked the interface ended"
    TRUST_LOST = "firmware update against the rules, debug authorised, or the DSM lost its state"
    CONVENTIONAL_RESET = "conventional reset"
    SECRETS_SCRUBBED = "the device scrubbed all secrets of the TVM by itself"

    @property
    def reach(self) -> Reach:
        """Which interfaces it reaches."""
        return _REACH.get(self, Reach.FUNCTION)


_REACH: Final = {
    TdiEvent.STREAM_REGISTERS_WRITTEN: Reach.STREAM,
    TdiEvent.STREAM_INSECURE: Reach.STREAM,
    TdiEvent.SESSION_ENDED: Reach.SESSION,
    TdiEvent.TRUST_LOST: Reach.DEVICE,
    TdiEvent.CONVENTIONAL_RESET: Reach.DEVICE,
}

_HARMLESS: Final = (TdiEvent.CONVENTIONAL_RESET, TdiEvent.SECRETS_SCRUBBED)
"""Events that do not lead to ERROR."""

Cause: TypeAlias = MessageType | TdiEvent
"""What moves an interface from one state to another: a request that succeeds, or an event."""

_IN_ANY_STATE: Final = (
    MessageType.GET_TDISP_VERSION,
    MessageType.GET_TDISP_CAPABILITIES,
    MessageType.GET_DEVICE_INTERFACE_STATE,
    MessageType.VDM_REQUEST,
)
_IN_RUN: Final = (
    MessageType.BIND_P2P_STREAM_REQUEST,
    MessageType.UNBIND_P2P_STREAM_REQUEST,
    MessageType.SET_MMIO_ATTRIBUTE_REQUEST,
)
_LOCKED: Final = (TdiState.CONFIG_LOCKED, TdiState.RUN)

TRANSITIONS: Final[Mapping[tuple[TdiState, Cause], TdiState]] = MappingProxyType(
    {
        **{(state, request): state for state in TdiState for request in _IN_ANY_STATE},
        (TdiState.CONFIG_UNLOCKED, MessageType.LOCK_INTERFACE_REQUEST): TdiState.CONFIG_LOCKED,
        **{(state, MessageType.GET_DEVICE_INTERFACE_REPORT): state for state in _LOCKED},
        (TdiState.CONFIG_LOCKED, MessageType.START_INTERFACE_REQUEST): TdiState.RUN,
        **{(TdiState.RUN, request): TdiState.RUN for request in _IN_RUN},
        **{(state, MessageType.STOP_INTERFACE_REQUEST): TdiState.CONFIG_UNLOCKED for state in TdiState},
        **{(state, event): TdiState.ERROR for state in _LOCKED for event in TdiEvent if event not in _HARMLESS},
        **{(state, TdiEvent.CONVENTIONAL_RESET): TdiState.CONFIG_UNLOCKED for state in TdiState},
        (TdiState.ERROR, TdiEvent.SECRETS_SCRUBBED): TdiState.CONFIG_UNLOCKED,
    }
)
"""From a state, by a request that succeeds or an event, to the next state.

A request that is missing is illegal in that state; an event that is missing changes nothing. A request that fails never
moves the interface.
"""


def next_tdi_state(state: TdiState, cause: Cause) -> TdiState | None:
    """Return the state after a request or an event, or None where a request is illegal or an event changes nothing."""
    return TRANSITIONS.get((state, cause))
