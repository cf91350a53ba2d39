"""Events, from either side: what can be told, what is asked to be told, and taking what is told (DSP0274, from 1.3).

Role-neutral: a responder tells through the encapsulated flow, a requester directly. This file knows lists of event
groups; it sends nothing.
"""

from __future__ import annotations

from pytio.errors import SpdmDecodeError
from pytio.spdm.codes import EventGroupAttributes, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.events import (
    Event,
    EventGroup,
    EventGroups,
    SendEvent,
    SubscribeEventTypes,
    SupportedEventTypes,
)
from pytio.spdm.refusal import Refusal, require

__all__ = ("accept_events", "accept_subscription", "subscribe_event_types", "supported_event_types")


def supported_event_types(version: SpdmVersion, groups: tuple[EventGroup, ...]) -> SupportedEventTypes:
    """Return SUPPORTED_EVENT_TYPES."""
    listed = EventGroups(groups=groups).build()
    return SupportedEventTypes(version=version, event_group_count=len(groups), supported_event_groups_list=listed)


def subscribe_event_types(version: SpdmVersion, groups: tuple[EventGroup, ...]) -> SubscribeEventTypes:
    """Return SUBSCRIBE_EVENT_TYPES; no groups end the subscription."""
    listed = EventGroups(groups=groups).build() if groups else None
    return SubscribeEventTypes(version=version, subscribe_event_group_count=len(groups), subscribe_list=listed)


def accept_subscription(request: SubscribeEventTypes, offered: tuple[EventGroup, ...]) -> tuple[EventGroup, ...]:
    """Return what a peer subscribes to. Raises Refusal for what is malformed or not offered."""
    if not request.subscribe_event_group_count:
        return ()
    try:
        groups = request.event_groups()
    except SpdmDecodeError as error:
        raise Refusal(SpdmErrorCode.INVALID_REQUEST, str(error)) from error
    for group in groups:
        known = next((other for other in offered if other.event_group_id == group.event_group_id), None)
        require(known is not None, "an event group that is not offered")
        assert known is not None
        wants_all = EventGroupAttributes.ALL_EVENT_TYPES in group.attributes
        require(wants_all != bool(group.event_types), "all event types of a group, or a list of them")
        types = {kind.event_type_id for kind in known.event_types}
        is_known = EventGroupAttributes.ALL_EVENT_TYPES in known.attributes
        wanted = {kind.event_type_id for kind in group.event_types}
        require(is_known or wanted <= types, f"event types {sorted(wanted - types)} are not offered")
    return groups


def accept_events(request: SendEvent) -> tuple[Event, ...]:
    """Return events in the order of their instance ids. Raises Refusal where two have the same."""
    ordered = tuple(sorted(request.events, key=lambda event: event.event_instance_id))
    require(ordered, "no event")
    ids = [event.event_instance_id for event in ordered]
    require(len(set(ids)) == len(ids), "an event instance id twice")
    return ordered
