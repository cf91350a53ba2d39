"""When an IDE_KM object is legal, and what becomes of a key: one table for both roles.

Document: PCIe Base 6.x chapter 6, "IDE Key Management (IDE_KM)", and the rules of IDE key refresh and stream states.
A key is named by port, stream and `KeySlot`. It is judged alone: that all keys of a stream have to be there before the
stream is secure is the port's business, and in which order to switch them on is the requester's. This file knows no
message layout and holds no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from pytio.idekm.codes import ObjectId
from pytio.ids import KeySlot

__all__ = ("TRANSITIONS", "KeyCause", "KeyState", "Reach", "StreamEvent", "next_key_state", "slot_number")


class KeyState(Enum):
    """What a port holds for one key."""

    EMPTY = "empty"  #: No key, or one that was destroyed.
    PROGRAMMED = "programmed"  #: A key that is not used yet.
    ACTIVE = "active"  #: The port uses the key, or accepts what was protected with it.


class Reach(Enum):
    """Which keys an event reaches."""

    KEY = "key"  #: One key.
    STREAM = "stream"  #: Every key of one stream of one port.
    SESSION = "session"  #: Every key of every stream that was programmed over one session.
    DEVICE = "device"  #: Every key of every port.


class StreamEvent(Enum):
    """What happens to keys beside requests. Whatever makes a stream insecure destroys its keys (PCIE_A31)."""

    KEY_SET_SUPERSEDED = "a TLP came with the other key set"
    STREAM_INSECURE = "the stream became insecure: a failed check, its enable bit cleared, its link down"
    SESSION_ENDED = "the session that programmed the keys ended"
    FUNCTION_LEVEL_RESET = "function-level reset of the function with the IDE capability"
    CONVENTIONAL_RESET = "conventional reset"

    @property
    def reach(self) -> Reach:
        """Which keys it reaches."""
        return _REACH[self]


_REACH: Final = {
    StreamEvent.KEY_SET_SUPERSEDED: Reach.KEY,
    StreamEvent.STREAM_INSECURE: Reach.STREAM,
    StreamEvent.SESSION_ENDED: Reach.SESSION,
    StreamEvent.FUNCTION_LEVEL_RESET: Reach.DEVICE,
    StreamEvent.CONVENTIONAL_RESET: Reach.DEVICE,
}

KeyCause: TypeAlias = ObjectId | StreamEvent
"""What moves a key from one state to another: a request, or an event."""

TRANSITIONS: Final[Mapping[tuple[KeyState, KeyCause], KeyState]] = MappingProxyType(
    {
        (KeyState.EMPTY, ObjectId.KEY_PROG): KeyState.PROGRAMMED,
        (KeyState.PROGRAMMED, ObjectId.KEY_PROG): KeyState.PROGRAMMED,
        # PCIE_A11: no KEY_PROG for a key in use, so (ACTIVE, KEY_PROG) is not here.
        # PCIE_A12: no K_SET_GO for a key that is not there, so (EMPTY, K_SET_GO) is not here.
        (KeyState.PROGRAMMED, ObjectId.K_SET_GO): KeyState.ACTIVE,
        (KeyState.ACTIVE, ObjectId.K_SET_GO): KeyState.ACTIVE,
        **{(state, ObjectId.K_SET_STOP): KeyState.EMPTY for state in KeyState},
        (KeyState.ACTIVE, StreamEvent.KEY_SET_SUPERSEDED): KeyState.EMPTY,
        **{
            (state, event): KeyState.EMPTY
            for state in KeyState
            for event in StreamEvent
            if event is not StreamEvent.KEY_SET_SUPERSEDED
        },
    }
)
"""From a key's state, by a request or an event, to its next state; what is missing is illegal. QUERY moves no key."""


def next_key_state(state: KeyState, cause: KeyCause) -> KeyState | None:
    """Return the state after a request or an event, or None where it is illegal, or reaches nothing."""
    return TRANSITIONS.get((state, cause))


def slot_number(slot: KeySlot) -> int:
    """Return the slot as its byte on the wire, without its reserved bits: what tells the keys of a stream apart."""
    named = KeySlot(key_set=slot.key_set, direction=slot.direction, sub_stream=slot.sub_stream)
    return named.build()[0]
