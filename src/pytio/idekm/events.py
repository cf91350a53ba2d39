"""What the IDE_KM engines report.

This file knows no rule: an event is made where something happened. No event carries a key.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from pytio.idekm.messages import QueryResp
from pytio.idekm.state import KeyCause, KeyState
from pytio.ids import KeySlot, StreamId

__all__ = ("Event", "KeyStateChanged", "PortDescribed", "RequestIgnored")


@attrs.frozen
class PortDescribed:
    """A port said where it is and which IDE registers it has."""

    response: QueryResp
    """The whole answer."""


@attrs.frozen
class KeyStateChanged:
    """A key moved: the responder acknowledged a request, or an event reached the key."""

    port_index: int
    """The port."""
    stream_id: StreamId
    """The stream at that port."""
    slot: KeySlot
    """Key set, direction and sub-stream."""
    before: KeyState
    """The state it was in."""
    after: KeyState
    """The state it is in now, possibly the same."""
    cause: KeyCause
    """The request or event."""


@attrs.frozen
class RequestIgnored:
    """A responder did not act on a request; IDE_KM has no code to say so, or forbids an answer."""

    reason: str
    """Why."""


Event: TypeAlias = PortDescribed | KeyStateChanged | RequestIgnored
"""Everything that an IDE_KM engine reports."""
