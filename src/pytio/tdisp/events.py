"""What the TDISP engines report.

This file knows no rule: an event is made where something happened. No event shows a nonce.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from pytio.ids import InterfaceId
from pytio.tdisp.codes import TdispErrorCode, TdiState
from pytio.tdisp.header import TdispMessage
from pytio.tdisp.state import Cause

__all__ = ("Event", "InterfaceReported", "RequestRefused", "ResponseReceived", "StateChanged")


@attrs.frozen
class StateChanged:
    """An interface went from one state to another."""

    interface_id: InterfaceId
    """The interface."""
    before: TdiState | None
    """The state it was in; None where the requester did not know."""
    after: TdiState
    """The state it is in now."""
    cause: Cause
    """The request that succeeded, or the event."""


@attrs.frozen
class ResponseReceived:
    """The device did what was asked."""

    request: TdispMessage
    """What was asked."""
    response: TdispMessage
    """The whole answer."""


@attrs.frozen
class InterfaceReported:
    """The last portion of an interface report came."""

    interface_id: InterfaceId
    """The interface."""
    report: bytes
    """The report put together: an `InterfaceReport`."""


@attrs.frozen
class RequestRefused:
    """A responder answered TDISP_ERROR, or nothing at all."""

    interface_id: InterfaceId | None
    """The interface, where the request named one."""
    code: TdispErrorCode | None
    """The error; None for silence."""
    reason: str
    """Why, in words; the message itself does not carry them."""


Event: TypeAlias = StateChanged | ResponseReceived | InterfaceReported | RequestRefused
"""Everything that a TDISP engine reports."""
