"""The requester's half of IDE_KM: it asks for registers, gives keys, and switches them on and off.

Document: PCIe Base 6.x chapter 6, "IDE Key Management (IDE_KM)". The engine takes and gives the objects behind the
protocol id; who puts them into vendor-defined SPDM messages of a session, and where keys come from, is decided above.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Final, Self, TypeAlias

from pytio.crypto import HashAlgorithm, digest
from pytio.errors import IdeKmPeerError, LocalProtocolError, RemoteProtocolError
from pytio.idekm.codes import KpAckStatus, ObjectId
from pytio.idekm.events import Event, KeyStateChanged, PortDescribed
from pytio.idekm.messages import (
    RESPONSES,
    IdeKmMessage,
    KeyProg,
    KGostopAck,
    KpAck,
    KSetGo,
    KSetStop,
    Query,
    QueryResp,
    parse,
)
from pytio.idekm.state import KeyState, next_key_state, slot_number
from pytio.ids import Direction, KeySlot, StreamId, SubStream

__all__ = ("Request", "Requester")

_KeyRequest: TypeAlias = KeyProg | KSetGo | KSetStop
Request: TypeAlias = Query | _KeyRequest
"""What a requester sends."""

_ANSWERS: Final[dict[type[IdeKmMessage], type[IdeKmMessage]]] = {
    Query: QueryResp,
    KeyProg: KpAck,
    KSetGo: KGostopAck,
    KSetStop: KGostopAck,
}
_SUB_STREAMS: Final = (SubStream.PR, SubStream.NPR, SubStream.CPL)

_KeyName: TypeAlias = tuple[int, StreamId, int]  # port, stream, slot as its byte


class Requester:
    """The TSM's half of IDE_KM with one device over one session. Performs no I/O and draws no entropy.

    It keeps the duties of a requester: each request waits for the answer to the one before it, a key is given once and
    never again, and transmitting starts when everything received is understood. ``is_order_checked=False`` leaves out
    the last, for peers that are tested with other orders.

    Attributes:
        is_failed: whether the peer broke a rule; nothing but `reset` is possible then.
    """

    def __init__(self, *, is_order_checked: bool = True) -> None:
        """Start without any key."""
        self.is_failed = False
        self._is_order_checked = is_order_checked
        self._keys: dict[_KeyName, KeyState] = {}
        self._given: set[str] = set()
        self._waiting: deque[Request] = deque()
        self._outstanding: Request | None = None
        self._is_sent = False

    def __repr__(self) -> str:
        """Say what is under way; no key shows."""
        outstanding = self._outstanding.NAME if self._outstanding else None
        return f"<{type(self).__qualname__} {len(self._keys)} keys, outstanding {outstanding}>"

    def key_state(self, stream_id: StreamId, slot: KeySlot, *, port_index: int = 0) -> KeyState:
        """Return what the port holds for a key, as far as it acknowledged."""
        return self._keys.get((port_index, stream_id, slot_number(slot)), KeyState.EMPTY)

    def send(self, request: Request, *, now: float = 0.0) -> None:
        """Queue a request.

        Raises:
            LocalProtocolError: the request is illegal for its key, the key was given before, or the peer broke a rule.
        """
        if self.is_failed:
            raise LocalProtocolError("ERROR", request.NAME, "only a reset is possible")
        if not isinstance(request, Query):
            self._check_key_request(request)
        self._waiting.append(request)
        self._advance()

    def receive(self, payload: bytes, *, now: float = 0.0) -> list[Event]:
        """Take an answer.

        Raises:
            IdeKmPeerError: the responder refused a key.
            RemoteProtocolError: nothing was asked, or the answer is not for what was asked.
            IdeKmDecodeError: the answer is malformed.
        """
        request = self._outstanding
        if request is None or not self._is_sent:
            raise RemoteProtocolError("nothing outstanding", _name(payload))
        try:
            response = parse(payload)
            self._check_answer(request, response)
        except Exception:
            self.is_failed = True
            raise
        self._outstanding = None
        events = self._accept(request, response)
        self._advance()
        return events

    def bytes_to_send(self) -> bytes | None:
        """Return the next object for the peer, or None while there is nothing to send."""
        if self._outstanding is None or self._is_sent:
            return None
        self._is_sent = True
        return self._outstanding.build()

    def wake_at(self) -> float | None:
        """Return None: IDE_KM has no deadline of its own, SPDM's hold."""
        return None

    def wake(self, now: float) -> list[Event]:
        """Do nothing: there is no deadline."""
        return []

    def reset(self) -> None:
        """Forget what is under way and every key's state, as after the end of the session; given keys stay given."""
        self.is_failed = False
        self._keys.clear()
        self._waiting.clear()
        self._outstanding = None
        self._is_sent = False

    def save(self, *, with_secrets: bool = False) -> bytes:
        """Return the state, for `load` in another process.

        Raises:
            LocalProtocolError: requests wait to be sent or to be answered, and ``with_secrets`` is not set: some of
                them may carry keys.
        """
        pending = [] if self._outstanding is None else [self._outstanding]
        pending += self._waiting
        if any(isinstance(request, KeyProg) for request in pending) and not with_secrets:
            raise LocalProtocolError("a KEY_PROG is under way", "save", "it holds a key; say with_secrets=True")
        state = {
            "failed": self.is_failed,
            "order": self._is_order_checked,
            "keys": [[*name, state.value] for name, state in self._keys.items()],
            "given": sorted(self._given),
            "pending": [request.build().hex() for request in pending],
            "sent": self._is_sent,
        }
        return json.dumps(state).encode()

    @classmethod
    def load(cls, saved: bytes) -> Self:
        """Return the requester that was saved; raises ValueError if ``saved`` is no such thing."""
        state = json.loads(saved)
        engine = cls(is_order_checked=state["order"])
        engine.is_failed = state["failed"]
        engine._keys = {(port, stream, slot): KeyState(value) for port, stream, slot, value in state["keys"]}
        engine._given = set(state["given"])
        pending = [parse(bytes.fromhex(text)) for text in state["pending"]]
        engine._waiting.extend(request for request in pending if isinstance(request, Request))
        engine._advance()
        engine._is_sent = state["sent"]
        return engine

    # what may be sent

    def _check_key_request(self, request: _KeyRequest) -> None:
        state = self.key_state(request.stream_id, request.slot, port_index=request.port_index)
        state = self._state_after_waiting(request, state)
        if next_key_state(state, request.object_id) is None:
            raise LocalProtocolError(state, request.NAME, f"for {request.slot} of stream {request.stream_id}")
        if isinstance(request, KeyProg):
            self._check_fresh(request)
        elif isinstance(request, KSetGo) and self._is_order_checked and request.slot.direction is Direction.TX:
            self._check_order(request)

    def _state_after_waiting(self, request: _KeyRequest, state: KeyState) -> KeyState:
        """Return the state the key is in once everything queued before has been acknowledged."""
        name = _key_name(request)
        for earlier in (self._outstanding, *self._waiting):
            if earlier is not None and not isinstance(earlier, Query) and _key_name(earlier) == name:
                state = next_key_state(state, earlier.object_id) or state
        return state

    def _check_fresh(self, request: KeyProg) -> None:
        """Refuse a key that was given before: sub-streams, directions and key sets each need their own."""
        fingerprint = digest(HashAlgorithm.SHA_256, request.key).hex()
        if fingerprint in self._given:
            raise LocalProtocolError("key given before", request.NAME, "each slot needs a key of its own")
        self._given.add(fingerprint)

    def _check_order(self, request: KSetGo) -> None:
        """Refuse to let a port transmit before it receives, on all sub-streams of the key set."""
        for sub_stream in _SUB_STREAMS:
            slot = KeySlot(key_set=request.slot.key_set, direction=Direction.RX, sub_stream=sub_stream)
            wanted = KSetGo(stream_id=request.stream_id, slot=slot, port_index=request.port_index)
            state = self.key_state(request.stream_id, slot, port_index=request.port_index)
            if self._state_after_waiting(wanted, state) is not KeyState.ACTIVE:
                raise LocalProtocolError(state, request.NAME, f"{slot} comes first: receive before transmit")

    # what is answered

    def _check_answer(self, request: Request, response: IdeKmMessage) -> None:
        expected = _ANSWERS[type(request)]
        if type(response) is not expected:
            raise RemoteProtocolError(f"waiting for {_RESPONSE_NAMES[expected]}", response.NAME)
        if response.port_index != request.port_index:
            raise RemoteProtocolError(request.NAME, response.NAME, f"for port {response.port_index}")
        if isinstance(response, KpAck | KGostopAck) and not isinstance(request, Query):
            answered = (response.stream_id, response.slot)
            if answered != (request.stream_id, request.slot):
                raise RemoteProtocolError(request.NAME, response.NAME, f"for {response.slot} of {response.stream_id}")

    def _accept(self, request: Request, response: IdeKmMessage) -> list[Event]:
        if isinstance(response, QueryResp):
            return [PortDescribed(response)]
        if isinstance(response, KpAck) and response.status != KpAckStatus.SUCCESS:
            self._advance()
            raise IdeKmPeerError(response.status, f"{response.slot} of stream {response.stream_id}")
        if isinstance(request, Query):  # an answer of the right class was checked to be a QUERY_RESP
            return []
        name = _key_name(request)
        before = self._keys.get(name, KeyState.EMPTY)
        after = next_key_state(before, request.object_id) or before
        self._keys[name] = after
        changed = KeyStateChanged(
            request.port_index, request.stream_id, request.slot, before, after, ObjectId(request.object_id)
        )
        return [changed]

    def _advance(self) -> None:
        if self._outstanding is None and self._waiting:
            self._outstanding = self._waiting.popleft()
            self._is_sent = False


_RESPONSE_NAMES: Final = {cls: ObjectId(code).name for code, cls in RESPONSES.items()}


def _key_name(request: _KeyRequest) -> _KeyName:
    return request.port_index, request.stream_id, slot_number(request.slot)


def _name(payload: bytes) -> str:
    cls = RESPONSES.get(payload[0]) if payload else None
    return cls.NAME if cls is not None else "an unknown object"
