"""A device's endpoint: an SPDM responder with IDE_KM and TDISP on top, behind one transport.

Units go in and come out: data objects, MCTP messages, frames of the TCP binding, or bare messages. The responders know
nothing of one another; what one of them does to the others is decided here: a session that ends takes with it the keys
and the locks that came over it, and a stream that loses its keys takes with it the interfaces on it. CXL's protocols
stay opaque: nobody registers for them, so SPDM answers UnsupportedRequest. Performs no I/O and reads no clock.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

from pytio import idekm, spdm, tdisp
from pytio.backends.bindings import PCI_DOE, Binding
from pytio.crypto import Provider
from pytio.doe import DataObject, DataObjectType, DiscoveryRequest, DiscoveryResponse, VendorId
from pytio.errors import DecodeError, LocalProtocolError
from pytio.idekm import KeyState, KeyStateChanged, StreamEvent
from pytio.ids import Direction, KeySlot, StreamId, SubStream
from pytio.spdm.codes import KeyUpdateOperation, RegistryId
from pytio.spdm.events import Dropped
from pytio.spdm.events import Event as SpdmEvent
from pytio.spdm.requests import Intent, ReadCertificate, ReadEndpointInfo, UpdateKeys

__all__ = ("PCI_SIG_VENDOR_ID", "Endpoint", "Event", "is_stream_keyed")

PCI_SIG_VENDOR_ID: Final = bytes.fromhex("0100")
"""PCI-SIG's vendor id, as it stands in vendor-defined messages."""

Event: TypeAlias = SpdmEvent | idekm.Event | tdisp.Event
"""Anything that one of the responders reports."""

_DISCOVERED: Final = (DataObjectType.DISCOVERY, DataObjectType.CMA_SPDM, DataObjectType.SECURED_CMA_SPDM)
_SUB_STREAMS: Final = (SubStream.PR, SubStream.NPR, SubStream.CPL)


class Endpoint:
    """SPDM, IDE_KM and TDISP of one device behind one transport.

    Attributes:
        spdm: the SPDM responder.
        idekm: the IDE_KM responder; None for a device without.
        tdisp: the TDISP responder; None for a device without.
        binding: what a unit is.
    """

    def __init__(
        self,
        config: spdm.ResponderConfig,
        *,
        binding: Binding = PCI_DOE,
        ide: idekm.Responder | None = None,
        interfaces: tdisp.Responder | None = None,
        provider: Provider | None = None,
    ) -> None:
        """Compose the responders; nobody is connected."""
        record_format = binding.record_format or PCI_DOE.record_format
        assert record_format is not None
        self.spdm = spdm.Responder(config, provider=provider, record_format=record_format)
        self.idekm = ide
        self.tdisp = interfaces
        self.binding = binding
        self._units: deque[bytes] = deque()
        self._vendor_events: list[Event] = []
        if ide is not None:
            self._register(idekm.PROTOCOL_ID, ide)
        if interfaces is not None:
            self._register(tdisp.PROTOCOL_ID, interfaces)

    def receive(self, unit: bytes, *, now: float) -> list[Event]:
        """Take a unit; raises nothing for what a peer may send. What stays without an answer is a `Dropped` event."""
        if self.binding is PCI_DOE and (answer := _discover(unit)) is not None:
            self._units.append(answer)
            return []
        try:
            carried = self.binding.unwrap(unit)
        except DecodeError as error:
            return [Dropped(str(error))]
        before = set(self.spdm.sessions)
        events: list[Event] = []
        events += self.spdm.receive(carried.message, now=now, is_secured=carried.is_secured)
        return self._after(before, events)

    def bytes_to_send(self) -> bytes | None:
        """Return the next unit for the peer, or None."""
        return self._units.popleft() if self._units else None

    def wake_at(self) -> float | None:
        """Return when to call `wake`, None if nothing is due."""
        return self.spdm.wake_at()

    def wake(self, now: float) -> list[Event]:
        """Do what is due: sessions die of silence."""
        before = set(self.spdm.sessions)
        events: list[Event] = []
        events += self.spdm.wake(now)
        return self._after(before, events)

    def ask_for_key_update(self, session: int) -> None:
        """Ask for a key update when the requester lets the responder ask; nothing happens without such a session."""
        self._ask(session, UpdateKeys(KeyUpdateOperation.UPDATE_KEY))

    def ask_for_endpoint_info(self) -> None:
        """Ask for the requester's chain, and for endpoint info signed with its key, when it lets the responder ask.

        The question waits in the newest session, or outside of any where there is none.
        """
        self._ask(next(reversed(self.spdm.sessions), None), ReadCertificate(slot=0), ReadEndpointInfo(slot=0))

    def _ask(self, session: int | None, *questions: Intent) -> None:
        with contextlib.suppress(LocalProtocolError, KeyError):  # whoever asks for it has no other way to learn
            self.spdm.ask(*questions, session=session)

    def _register(self, protocol_id: int, engine: _VendorResponder) -> None:
        handler = _ProtocolHandler(protocol_id, engine, self._vendor_events)
        self.spdm.register(handler, RegistryId.PCI_SIG, PCI_SIG_VENDOR_ID, protocol_id)

    def _after(self, before: set[int], events: list[Event]) -> list[Event]:
        """Carry messages out, and what happened over to the other responders."""
        while (message := self.spdm.bytes_to_send()) is not None:
            self._units.append(self.binding.wrap(bytes(message), message.is_secured))
        events += self._vendor_events
        self._vendor_events.clear()
        for session in before - set(self.spdm.sessions):
            events += self.idekm.session_ended(session) if self.idekm is not None else []
            events += self.tdisp.session_ended(session) if self.tdisp is not None else []
        if self.tdisp is not None:
            for stream_id in _insecure_streams(events):
                events += self.tdisp.happen(tdisp.TdiEvent.STREAM_INSECURE, stream_id=stream_id)
        return events


def is_stream_keyed(ide: idekm.Responder, stream_id: StreamId, session: int) -> bool:
    """Say whether a port has a whole set of keys for a stream, from ``session``: what LOCK_INTERFACE asks for."""
    return any(
        ide.session_of(stream_id, port_index=port) == session
        and any(_has_key_set(ide, stream_id, port, key_set) for key_set in (0, 1))
        for port in ide.ports
    )


def _has_key_set(ide: idekm.Responder, stream_id: StreamId, port: int, key_set: int) -> bool:
    slots = [
        KeySlot(key_set=key_set, direction=direction, sub_stream=sub_stream)
        for direction in Direction
        for sub_stream in _SUB_STREAMS
    ]
    return all(ide.key_state(stream_id, slot, port_index=port) is not KeyState.EMPTY for slot in slots)


def _insecure_streams(events: list[Event]) -> set[StreamId]:
    """Return the streams that lost a key which was in use, other than to the next key set."""
    return {
        event.stream_id
        for event in events
        if isinstance(event, KeyStateChanged)
        and (event.before, event.after) == (KeyState.ACTIVE, KeyState.EMPTY)
        and event.cause is not StreamEvent.KEY_SET_SUPERSEDED
    }


def _discover(unit: bytes) -> bytes | None:
    """Answer DOE discovery; None for everything else. Both versions of the request are answered alike."""
    try:
        asked = DataObject.parse(unit)
        if (asked.vendor_id, asked.data_object_type) != (VendorId.PCI_SIG, DataObjectType.DISCOVERY):
            return None
        index = DiscoveryRequest.parse(asked.payload).index
    except DecodeError:
        return None
    found = DiscoveryResponse(vendor_id=VendorId.NONE, data_object_type=0, next_index=0)
    if index < len(_DISCOVERED):
        following = (index + 1) % len(_DISCOVERED)
        found = DiscoveryResponse(vendor_id=VendorId.PCI_SIG, data_object_type=_DISCOVERED[index], next_index=following)
    return DataObject.wrap(DataObjectType.DISCOVERY, found.build()).build()


class _VendorResponder(Protocol):
    """IDE_KM's or TDISP's responder."""

    def receive(self, payload: bytes, *, session: int | None, now: float = 0.0) -> Sequence[Event]:
        """Take a message behind its protocol id."""

    def bytes_to_send(self) -> bytes | None:
        """Return the answer, or None for silence."""


class _ProtocolHandler:
    """Puts a protocol's responder behind its protocol id, as SPDM's responder hands payloads over."""

    def __init__(self, protocol_id: int, engine: _VendorResponder, events: list[Event]) -> None:
        self._prefix = bytes([protocol_id])
        self._engine = engine
        self._events = events

    def handle(self, payload: bytes, session: int | None) -> bytes | None:
        """Answer a payload with its protocol id; raises as the engine does."""
        self._events += self._engine.receive(payload[len(self._prefix) :], session=session)
        answer = self._engine.bytes_to_send()
        return None if answer is None else self._prefix + answer
