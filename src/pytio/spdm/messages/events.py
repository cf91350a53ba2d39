"""Events: what the other side can tell, asking to be told, and telling (DSP0274, event messages, from 1.3).

This file knows layouts only, among them the details of the events that DMTF defines. `GET_SUPPORTED_EVENT_TYPES` and
`SUBSCRIBE_EVENT_TYPES` keep their lists of event groups as bytes, for `EventGroups` to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from pytio.spdm.codes import DmtfEventType, EventGroupAttributes, RegistryId, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct, Svh
from pytio.wire import AUTO, U16, U32, Array, Byte, Bytes, Flags, Nested, fixed, given, message, this, wire

__all__ = (
    "DMTF_EVENT_DETAILS",
    "CertificateChanged",
    "DmtfEventDetail",
    "Event",
    "EventAck",
    "EventGroup",
    "EventGroups",
    "EventLost",
    "EventType",
    "GetSupportedEventTypes",
    "MeasurementChanged",
    "MeasurementPreUpdate",
    "SendEvent",
    "SubscribeEventTypes",
    "SubscribeEventTypesAck",
    "SupportedEventTypes",
)

_MEASUREMENT_MAP_BYTES: Final = 32


@message
class EventType(SpdmStruct):
    """One type of event in a group (DSP0274, event group format)."""

    event_type_id: int = wire(U16)
    """In the DMTF group, a `DmtfEventType`."""
    reserved: int = wire(U16, default=0)


@message
class EventGroup(SpdmStruct):
    """A group of event types that one body defines (DSP0274, event group format)."""

    event_group_id: Svh = wire(Nested(Svh))
    event_type_count: int = wire(U16, default=AUTO)
    event_group_version: int = wire(U16, default=1)
    attributes: EventGroupAttributes = wire(Flags(U32, EventGroupAttributes), default=EventGroupAttributes(0))
    """Where all event types of the group are meant, none are listed."""
    event_types: tuple[EventType, ...] = wire(Array(this.event_type_count, Nested(EventType)), default=())


@message
class EventGroups(SpdmStruct):
    """The list of event groups of SUPPORTED_EVENT_TYPES and SUBSCRIBE_EVENT_TYPES; ``count`` is the message's.

    SPDM_U11: this layout comes from the reference implementation's tests, and its sample device sends bytes that lack
    it. So the messages keep the list as bytes: they decode whatever it holds, and who needs the groups parses it.
    """

    groups: tuple[EventGroup, ...] = wire(Array(given.count, Nested(EventGroup)))


@message
class GetSupportedEventTypes(SpdmMessage):
    """GET_SUPPORTED_EVENT_TYPES: ask which events the other side can tell (DSP0274, GET_SUPPORTED_EVENT_TYPES)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_SUPPORTED_EVENT_TYPES)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class SupportedEventTypes(SpdmMessage):
    """SUPPORTED_EVENT_TYPES: the events that this side can tell (DSP0274, SUPPORTED_EVENT_TYPES)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SUPPORTED_EVENT_TYPES)
    event_group_count: int = wire(Byte)
    reserved_param2: int = wire(Byte, default=0)
    supported_event_groups_list_len: int = wire(U32, default=AUTO)
    supported_event_groups_list: bytes = wire(Bytes(this.supported_event_groups_list_len))

    def event_groups(self) -> tuple[EventGroup, ...]:
        """Return the groups. Raises SpdmDecodeError, its offset counted in the list, where they are malformed."""
        return EventGroups.parse(self.supported_event_groups_list, count=self.event_group_count).groups


@message
class SubscribeEventTypes(SpdmMessage):
    """SUBSCRIBE_EVENT_TYPES: ask to be told (DSP0274, SUBSCRIBE_EVENT_TYPES).

    Without groups the message is a bare header and ends the subscription.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SUBSCRIBE_EVENT_TYPES)
    subscribe_event_group_count: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    subscribe_list_len: int | None = wire(U32, when=this.subscribe_event_group_count, default=AUTO)
    subscribe_list: bytes | None = wire(
        Bytes(this.subscribe_list_len), when=this.subscribe_event_group_count, default=b""
    )

    def event_groups(self) -> tuple[EventGroup, ...]:
        """Return the groups. Raises SpdmDecodeError, its offset counted in the list, where they are malformed."""
        return EventGroups.parse(self.subscribe_list or b"", count=self.subscribe_event_group_count).groups


@message
class SubscribeEventTypesAck(SpdmMessage):
    """SUBSCRIBE_EVENT_TYPES_ACK (DSP0274, SUBSCRIBE_EVENT_TYPES_ACK)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SUBSCRIBE_EVENT_TYPES_ACK)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class EventLost(SpdmStruct):
    """Detail of the DMTF event EventLost: some events were not told (DSP0274, DMTF event types)."""

    last_acked_event_inst_id: int = wire(U32)
    last_lost_event_inst_id: int = wire(U32)


@message
class MeasurementChanged(SpdmStruct):
    """Detail of the DMTF event MeasurementChanged (DSP0274, DMTF event types)."""

    changed_measurements: bytes = wire(Bytes(_MEASUREMENT_MAP_BYTES))
    """Bit n of byte m: the measurement with index 8 m + n."""


@message
class MeasurementPreUpdate(SpdmStruct):
    """Detail of the DMTF event MeasurementPreUpdate: they are about to change (DSP0274, DMTF event types)."""

    pre_update_measurement_changes: bytes = wire(Bytes(_MEASUREMENT_MAP_BYTES))
    """Bit n of byte m: the measurement with index 8 m + n."""


@message
class CertificateChanged(SpdmStruct):
    """Detail of the DMTF event CertificateChanged (DSP0274, DMTF event types)."""

    certificate_changed: int = wire(Byte)
    """The slots, bit by slot."""


DmtfEventDetail: TypeAlias = EventLost | MeasurementChanged | MeasurementPreUpdate | CertificateChanged
"""The detail of an event that DMTF defines."""

DMTF_EVENT_DETAILS: Final[Mapping[int, type[DmtfEventDetail]]] = {
    DmtfEventType.EVENT_LOST: EventLost,
    DmtfEventType.MEASUREMENT_CHANGED: MeasurementChanged,
    DmtfEventType.MEASUREMENT_PRE_UPDATE: MeasurementPreUpdate,
    DmtfEventType.CERTIFICATE_CHANGED: CertificateChanged,
}
"""The layout of an event's detail, by event type of the DMTF group."""


@message
class Event(SpdmStruct):
    """One event that happened (DSP0274, event format)."""

    event_instance_id: int = wire(U32)
    """Counts the events; they are to be taken in this order."""
    reserved: int = wire(U32, default=0)
    event_group_id: Svh = wire(Nested(Svh))
    event_type_id: int = wire(U16)
    """In the DMTF group, a `DmtfEventType`."""
    event_detail_length: int = wire(U16, default=AUTO)
    event_detail: bytes = wire(Bytes(this.event_detail_length), default=b"")

    @property
    def has_dmtf_detail(self) -> bool:
        """Whether the event is one whose detail DMTF defines."""
        return self.event_group_id.registry_id == RegistryId.DMTF and self.event_type_id in DMTF_EVENT_DETAILS

    def dmtf_detail(self) -> DmtfEventDetail:
        """Return the detail of an event that DMTF defines.

        Raises SpdmDecodeError, its offset counted in the detail, where it is malformed; ValueError without
        ``has_dmtf_detail``.
        """
        if not self.has_dmtf_detail:
            raise ValueError(f"event type {self.event_type_id} of {self.event_group_id.registry_id.name} is not DMTF's")
        return DMTF_EVENT_DETAILS[self.event_type_id].parse(self.event_detail)


@message
class SendEvent(SpdmMessage):
    """SEND_EVENT: tell what happened (DSP0274, SEND_EVENT)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SEND_EVENT)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    event_count: int = wire(U32, default=AUTO)
    events: tuple[Event, ...] = wire(Array(this.event_count, Nested(Event)))


@message
class EventAck(SpdmMessage):
    """EVENT_ACK (DSP0274, EVENT_ACK)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.EVENT_ACK)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
