"""Event messages, as the responder answers them: what it can tell, whom it tells, and what the requester tells it.

Document: DSP0274, event messages, from 1.3. What the responder tells goes through the encapsulated flow:
``Responder.ask(TellEvents(...), session=...)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.spdm.codes import SpdmErrorCode
from pytio.spdm.event_messages import accept_events, accept_subscription, supported_event_types
from pytio.spdm.events import EventsReceived, Subscribed
from pytio.spdm.messages.events import EventAck, SubscribeEventTypesAck, SupportedEventTypes
from pytio.spdm.refusal import Refusal
from pytio.spdm.responder.calls import Call
from pytio.spdm.session import Session

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_get_supported_event_types", "answer_send_event", "answer_subscribe_event_types")


def _session_of(call: Call) -> Session:
    if call.session is None:
        raise Refusal(SpdmErrorCode.SESSION_REQUIRED, "outside a session")
    return call.session


def answer_get_supported_event_types(responder: Responder, call: Call) -> SupportedEventTypes:
    """Say which events the responder can tell."""
    return supported_event_types(responder.version, responder.config.event_groups)


def answer_subscribe_event_types(responder: Responder, call: Call) -> SubscribeEventTypesAck:
    """Take note of what the requester wants to be told."""
    session = _session_of(call)
    session.subscription = accept_subscription(call.request, responder.config.event_groups)
    call.events.append(Subscribed(session.subscription, session.session_id))
    return SubscribeEventTypesAck(version=responder.version)


def answer_send_event(responder: Responder, call: Call) -> EventAck:
    """Take what the requester tells."""
    call.events.append(EventsReceived(accept_events(call.request), _session_of(call).session_id))
    return EventAck(version=responder.version)
