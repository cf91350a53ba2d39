"""What a stream, or a port, tells its owner about what came in."""

from __future__ import annotations

import attrs

from pytio.ide.codes import IdeError, StreamState
from pytio.ide.header import AnyHeader
from pytio.ide.state import EFFECTS, Effect, StreamCause
from pytio.ide.tlp import Tlp
from pytio.ids import KeySlot, StreamId

__all__ = ("ErrorDetected", "Event", "KeySetChanged", "StateChanged", "TlpReceived", "UnitVerified")


@attrs.frozen
class Event:
    """Base of all."""

    stream_id: StreamId | None
    """The stream; None for a TLP without IDE."""


@attrs.frozen
class TlpReceived(Event):
    """A TLP for the layers above."""

    tlp: Tlp
    """In clear, without what IDE added."""
    is_tee: bool
    """Its T bit."""
    is_verified: bool = True
    """False for a TLP that is released before the MAC of its unit came (early release)."""


@attrs.frozen
class UnitVerified(Event):
    """The MAC of a unit holds, of which TLPs were released early."""

    count: int
    """How many, the last one included."""


@attrs.frozen
class ErrorDetected(Event):
    """A TLP that failed a check."""

    error: IdeError
    header: AnyHeader | None = attrs.field(repr=lambda header: header and header.tlp_type.name)
    """The header of the TLP, as it came."""

    @property
    def effect(self) -> Effect:
        """What the error does: AER bit, severity, whether the TLP is dropped and the stream Insecure."""
        return EFFECTS[self.error]


@attrs.frozen
class StateChanged(Event):
    """The stream is in another state."""

    state: StreamState
    cause: StreamCause


@attrs.frozen
class KeySetChanged(Event):
    """The other key set is in use now; the key before it is gone."""

    slot: KeySlot
    """The key that is in use now."""
