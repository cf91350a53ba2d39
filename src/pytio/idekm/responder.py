"""The responder's half of IDE_KM: it describes a device's IDE ports and hands them their keys.

Document: PCIe Base 6.x chapter 6, "IDE Key Management (IDE_KM)". The engine takes and gives the objects behind the
protocol id. What a port does with a key is the port's business (`IdePort`), and that requests arrive in a secured
session, and in which one, is said by whoever calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final, TypeAlias

import attrs

from pytio.crypto import Secret
from pytio.errors import IdeKmDecodeError, IdeKmPeerError, RemoteProtocolError
from pytio.idekm.codes import INITIAL_INVOCATION_FIELD, KpAckStatus, ObjectId
from pytio.idekm.device import IdePort
from pytio.idekm.events import Event, KeyStateChanged, RequestIgnored
from pytio.idekm.messages import (
    REQUESTS,
    IdeKmMessage,
    KeyProg,
    KGostopAck,
    KpAck,
    KSetGo,
    KSetStop,
    Query,
    QueryResp,
)
from pytio.idekm.state import KeyCause, KeyState, Reach, StreamEvent, next_key_state, slot_number
from pytio.ids import KeySlot, StreamId, SubStream

__all__ = ("Responder",)

_ACK_BYTES: Final = 7
_KNOWN_SUB_STREAMS: Final = frozenset({SubStream.PR, SubStream.NPR, SubStream.CPL})

_StreamName: TypeAlias = tuple[int, StreamId]  # port, stream


@attrs.define
class _Stream:
    """The keys of one stream of one port, and the session that programmed it first."""

    session: int | None = None
    keys: dict[int, KeyState] = attrs.field(factory=dict)


class Responder:
    """The device's half of IDE_KM, for all its ports and all sessions. Performs no I/O, draws no entropy.

    Attributes:
        ports: the ports by port index.
        is_ifv_checked: whether an invocation field other than 1 draws UNSUPPORTED_VALUE, as one open device has it.
    """

    def __init__(self, ports: Mapping[int, IdePort], *, is_ifv_checked: bool = True) -> None:
        """Answer for ``ports``, none of which has a key yet; raises ValueError if there is none."""
        if not ports:
            raise ValueError("a device that speaks IDE_KM has a port")
        self.ports = dict(ports)
        self.is_ifv_checked = is_ifv_checked
        self._streams: dict[_StreamName, _Stream] = {}
        self._answer: bytes | None = None

    def handle(self, payload: bytes, session: int | None) -> bytes | None:
        """Answer one object that came in ``session``; None is silence, which the protocol asks for here and there.

        Raises:
            RemoteProtocolError: the port is unknown and the object has no error of its own (PCIE_A10): SPDM's ERROR
                with InvalidRequest is the answer.
            IdeKmDecodeError: nobody knows this object; the same answer.
        """
        self.receive(payload, session=session)
        return self.bytes_to_send()

    def receive(self, payload: bytes, *, session: int | None, now: float = 0.0) -> list[Event]:
        """Take one object; raises as `handle`."""
        self._answer = None
        if session is None:
            return [RequestIgnored("it came outside a session")]
        cls = REQUESTS.get(payload[0]) if payload else None
        if cls is None:
            shown = payload[:1].ljust(len(payload), b"\0")  # what is not known may carry a key
            raise IdeKmDecodeError("not a request", shown, 0, "IdeKmMessage.object_id")
        try:
            request = cls.parse(payload)
        except IdeKmDecodeError:
            return self._refuse_length(cls, payload)
        return self._HANDLERS[cls](self, request, session)

    def bytes_to_send(self) -> bytes | None:
        """Return the answer to what was received last, once; None where there is none."""
        answer, self._answer = self._answer, None
        return answer

    def wake_at(self) -> float | None:
        """Return None: IDE_KM has no deadline."""
        return None

    def wake(self, now: float) -> list[Event]:
        """Do nothing: there is no deadline."""
        return []

    def key_state(self, stream_id: StreamId, slot: KeySlot, *, port_index: int = 0) -> KeyState:
        """Return the state of a key."""
        stream = self._streams.get((port_index, stream_id), _Stream())
        return stream.keys.get(slot_number(slot), KeyState.EMPTY)

    def session_of(self, stream_id: StreamId, *, port_index: int = 0) -> int | None:
        """Return the session that programmed a stream, None while it has no key."""
        return self._streams.get((port_index, stream_id), _Stream()).session

    def happen(
        self,
        event: StreamEvent,
        *,
        port_index: int = 0,
        stream_id: StreamId | None = None,
        slot: KeySlot | None = None,
        session: int | None = None,
    ) -> list[Event]:
        """Let an event reach its keys: name the stream, the slot or the session as far as the event's reach asks.

        Raises:
            ValueError: what the event's reach asks for is missing.
        """
        missing = [
            name
            for name, value in (("stream_id", stream_id), ("slot", slot), ("session", session))
            if name in _NEEDED[event.reach] and value is None
        ]
        if missing:
            raise ValueError(f"{event.name} needs {' and '.join(missing)}")
        events: list[Event] = []
        for name in list(self._reached(event.reach, port_index, stream_id, session)):
            stream = self._streams[name]
            keys = [slot_number(slot)] if slot is not None and event.reach is Reach.KEY else list(stream.keys)
            events += [change for key in keys for change in self._move(name, key, event)]
        return events

    def session_ended(self, session: int) -> list[Event]:
        """Destroy what was programmed over a session."""
        return self.happen(StreamEvent.SESSION_ENDED, session=session)

    def save(self) -> bytes:
        """Return the states of keys and who programmed them, for `load`; the keys themselves are the ports'."""
        streams = [
            [*name, stream.session, [[key, state.value] for key, state in stream.keys.items()]]
            for name, stream in self._streams.items()
        ]
        return json.dumps({"streams": streams, "ifv": self.is_ifv_checked}).encode()

    @classmethod
    def load(cls, saved: bytes, ports: Mapping[int, IdePort]) -> Responder:
        """Return the responder that was saved, over the same ports; raises ValueError if ``saved`` is no such thing."""
        state = json.loads(saved)
        engine = cls(ports, is_ifv_checked=state["ifv"])
        for port, stream, session, keys in state["streams"]:
            engine._streams[port, stream] = _Stream(session, {key: KeyState(value) for key, value in keys})
        return engine

    # requests

    def _query(self, request: IdeKmMessage, session: int) -> list[Event]:
        port = self._port_of(request)
        self._answer = QueryResp(
            port_index=request.port_index,
            device_function=port.bdf.devfn,
            bus=port.bdf.bus,
            segment=port.bdf.segment,
            max_port_index=max(self.ports),
            ide=port.registers(),
        ).build()
        return []

    def _key_prog(self, request: IdeKmMessage, session: int) -> list[Event]:
        assert isinstance(request, KeyProg)
        if request.port_index not in self.ports:
            return self._acknowledge(request, KpAckStatus.UNSUPPORTED_PORT_INDEX)
        name = (request.port_index, request.stream_id)
        if self._is_foreign(name, session):
            return [RequestIgnored("another session programmed the stream")]
        if self._has_unsupported_value(request):
            return self._acknowledge(request, KpAckStatus.UNSUPPORTED_VALUE)
        key = slot_number(request.slot)
        state = self._streams.get(name, _Stream()).keys.get(key, KeyState.EMPTY)
        if next_key_state(state, ObjectId.KEY_PROG) is None:  # PCIE_A11
            return self._acknowledge(request, KpAckStatus.UNSPECIFIED_FAILURE)
        try:
            self.ports[request.port_index].program(
                request.stream_id, request.slot, Secret(request.aes_key), request.ifv.value
            )
        except IdeKmPeerError as refusal:
            return self._acknowledge(request, KpAckStatus(refusal.code))
        self._streams.setdefault(name, _Stream()).session = session
        return [*self._move(name, key, ObjectId.KEY_PROG), *self._acknowledge(request, KpAckStatus.SUCCESS)]

    def _k_set(self, request: IdeKmMessage, session: int) -> list[Event]:
        assert isinstance(request, KSetGo | KSetStop)
        port = self._port_of(request)
        name = (request.port_index, request.stream_id)
        if self._is_foreign(name, session):
            return [RequestIgnored("another session programmed the stream")]
        self._answer = KGostopAck(stream_id=request.stream_id, slot=request.slot, port_index=request.port_index).build()
        key = slot_number(request.slot)
        events = self._move(name, key, request.object_id)
        if not events:  # PCIE_A12: the acknowledgement cannot say so, and the stream stays insecure
            return [RequestIgnored(f"no key in {request.slot} of stream {request.stream_id}")]
        if isinstance(request, KSetGo):
            port.go(request.stream_id, request.slot)
        return events

    _HANDLERS: ClassVar[Mapping[type[IdeKmMessage], Callable[[Responder, IdeKmMessage, int], list[Event]]]] = {
        Query: _query,
        KeyProg: _key_prog,
        KSetGo: _k_set,
        KSetStop: _k_set,
    }

    def _refuse_length(self, cls: type[IdeKmMessage], payload: bytes) -> list[Event]:
        """Answer a KEY_PROG of the wrong size as far as its fields are there; drop everything else."""
        if cls is KeyProg:
            echo = KGostopAck.parse(bytes([ObjectId.K_GOSTOP_ACK, *payload[1:_ACK_BYTES].ljust(_ACK_BYTES - 1, b"\0")]))
            ack = KpAck(
                stream_id=echo.stream_id,
                status=KpAckStatus.INCORRECT_LENGTH,
                slot=echo.slot,
                port_index=echo.port_index,
            )
            self._answer = ack.build()
        return [RequestIgnored(f"{cls.NAME} of {len(payload)} bytes")]

    def _acknowledge(self, request: KeyProg, status: KpAckStatus) -> list[Event]:
        self._answer = KpAck(
            stream_id=request.stream_id, status=status, slot=request.slot, port_index=request.port_index
        ).build()
        return [] if status == KpAckStatus.SUCCESS else [RequestIgnored(f"KEY_PROG answered {status.name}")]

    # what they rest on

    def _port_of(self, request: IdeKmMessage) -> IdePort:
        port = self.ports.get(request.port_index)
        if port is None:  # PCIE_A10
            raise RemoteProtocolError("no such port", request.NAME, f"port {request.port_index}")
        return port

    def _is_foreign(self, name: _StreamName, session: int) -> bool:
        owner = self._streams.get(name, _Stream()).session
        return owner is not None and owner != session

    def _has_unsupported_value(self, request: KeyProg) -> bool:
        is_ifv_wrong = self.is_ifv_checked and request.ifv.value != INITIAL_INVOCATION_FIELD
        return is_ifv_wrong or request.slot.sub_stream not in _KNOWN_SUB_STREAMS

    def _reached(
        self, reach: Reach, port_index: int, stream_id: StreamId | None, session: int | None
    ) -> Iterable[_StreamName]:
        if reach is Reach.DEVICE:
            return self._streams
        if reach is Reach.SESSION:
            return (name for name, stream in self._streams.items() if stream.session == session)
        return (name for name in self._streams if name == (port_index, stream_id))

    def _move(self, name: _StreamName, key: int, cause: KeyCause) -> list[Event]:
        """Move one key by the table; a key that is destroyed leaves its port, and the last one frees the stream."""
        stream = self._streams.setdefault(name, _Stream())
        before = stream.keys.get(key, KeyState.EMPTY)
        after = next_key_state(before, cause)
        port_index, stream_id = name
        slot = KeySlot.parse(bytes([key]))
        if after is KeyState.EMPTY:
            stream.keys.pop(key, None)
            self.ports[port_index].stop(stream_id, slot)
        elif after is not None:
            stream.keys[key] = after
        if not stream.keys:
            del self._streams[name]
        return [] if after is None else [KeyStateChanged(port_index, stream_id, slot, before, after, cause)]


_NEEDED: Final = {
    Reach.KEY: {"stream_id", "slot"},
    Reach.STREAM: {"stream_id"},
    Reach.SESSION: {"session"},
    Reach.DEVICE: set[str](),
}
