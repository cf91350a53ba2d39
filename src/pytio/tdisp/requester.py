"""The requester's half of TDISP: it locks interfaces, reads their reports, starts and stops them.

Document: PCIe Base 6.x chapter 11, "TEE Device Interface Security Protocol (TDISP)". The engine takes and gives the
messages behind the protocol id; who puts them into vendor-defined SPDM messages of which session, and whether a report
is good enough to start, is decided above.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final, Self, TypeAlias

import attrs

from pytio.crypto import Secret
from pytio.errors import LocalProtocolError, RemoteProtocolError, TdispPeerError
from pytio.ids import FunctionId, InterfaceId
from pytio.tdisp.codes import WHOLE_REPORT, MessageType, ProtocolVersion, TdispErrorCode, TdiState
from pytio.tdisp.events import Event, InterfaceReported, ResponseReceived, StateChanged
from pytio.tdisp.header import TdispMessage
from pytio.tdisp.messages import (
    REQUESTS,
    RESPONSES,
    DeviceInterfaceReport,
    DeviceInterfaceState,
    GetDeviceInterfaceReport,
    GetTdispVersion,
    LockInterfaceResponse,
    StartInterfaceRequest,
    TdispCapabilities,
    TdispError,
    TdispVersion,
    parse,
)
from pytio.tdisp.state import next_tdi_state

__all__ = ("Requester",)

_RESPONSE_MASK: Final = 0x7F
_VERSIONS: Final = (ProtocolVersion.V1_0,)
"""What this engine speaks, best first."""

_FunctionName: TypeAlias = tuple[int, int, bool]


@attrs.define
class _Interface:
    """What the requester knows of one interface."""

    interface_id: InterfaceId
    state: TdiState | None = None
    nonce: Secret | None = None
    outstanding: TdispMessage | None = None
    report: bytearray = attrs.field(factory=bytearray, repr=False)


class Requester:
    """The TSM's half of TDISP with one device over one session. Performs no I/O and draws no entropy.

    Requests to one interface follow one another, each after the answer to the one before it; how many may be under way
    for all interfaces is what the device says. A report is fetched portion by portion until it is whole.

    Attributes:
        version: the version that both speak; None before GET_TDISP_VERSION was answered, and nothing else goes before.
        capabilities: what the device can; None before it was asked.
        is_failed: whether the peer broke a rule; nothing but `reset` is possible then.
    """

    def __init__(self) -> None:
        """Start without any knowledge of the device."""
        self.version: ProtocolVersion | None = None
        self.capabilities: TdispCapabilities | None = None
        self.is_failed = False
        self._interfaces: dict[_FunctionName, _Interface] = {}
        self._waiting: deque[TdispMessage] = deque()

    def __repr__(self) -> str:
        """Say the version and the states that are known; no nonce shows."""
        known = [f"{one.interface_id} {one.state.name}" for one in self._interfaces.values() if one.state is not None]
        return f"<{type(self).__qualname__} version {self.version} {' '.join(known)}>"

    def tdi_state(self, interface_id: InterfaceId) -> TdiState | None:
        """Return the state an interface is in as far as its answers tell; None where they do not."""
        return self._of(interface_id).state

    def start_request(self, interface_id: InterfaceId) -> StartInterfaceRequest:
        """Return the request that starts an interface, with the nonce of its lock.

        Raises:
            LocalProtocolError: the interface was not locked by this engine, or was started already.
        """
        known = self._of(interface_id)
        if known.nonce is None:
            raise LocalProtocolError(known.state, StartInterfaceRequest.NAME, "there is no nonce of a lock")
        return StartInterfaceRequest(interface_id=interface_id, nonce=known.nonce.reveal())

    def send(self, request: TdispMessage, *, now: float = 0.0) -> None:
        """Queue a request.

        Raises:
            LocalProtocolError: it is no request, comes before the version is known, is illegal in the state that the
                interface is in once everything queued has succeeded, or the device does not support it.
        """
        if self.is_failed:
            raise LocalProtocolError("ERROR", request.NAME, "only a reset is possible")
        if request.message_type not in REQUESTS:
            raise LocalProtocolError(self.version, request.NAME, "it is no request")
        if self.version is None and not isinstance(request, GetTdispVersion):
            raise LocalProtocolError("no version yet", request.NAME, "GET_TDISP_VERSION comes first")
        self._check_support(request)
        self._check_state(request)
        self._waiting.append(request)

    def receive(self, payload: bytes, *, now: float = 0.0) -> list[Event]:
        """Take an answer.

        Raises:
            TdispPeerError: the device refused; the state of the interface is as before, or not known any more.
            RemoteProtocolError: nothing was asked, or the answer is not for what was asked.
            TdispDecodeError: the answer is malformed.
        """
        try:
            response = parse(payload)
            known, request = self._match(response)
            events = [] if isinstance(response, TdispError) else self._accept(known, request, response)
        except Exception:
            self.is_failed = True
            raise
        known.outstanding = None
        if isinstance(response, TdispError):
            raise self._refusal(known, request, response)
        return [*events, *self._move(known, request, response)]

    def bytes_to_send(self) -> bytes | None:
        """Return the next message for the peer, or None while there is nothing to send, or nothing may be sent."""
        if self.is_failed or self._under_way() >= self._most_under_way():
            return None
        for request in self._waiting:
            known = self._of(request.interface_id)
            if known.outstanding is None:
                self._waiting.remove(request)
                known.outstanding = request
                return request.build()
        return None

    def wake_at(self) -> float | None:
        """Return None: TDISP has no deadline of its own, SPDM's hold."""
        return None

    def wake(self, now: float) -> list[Event]:
        """Do nothing: there is no deadline."""
        return []

    def reset(self) -> None:
        """Forget everything, as after the end of the session."""
        self.version = None
        self.capabilities = None
        self.is_failed = False
        self._interfaces.clear()
        self._waiting.clear()

    def save(self, *, with_secrets: bool = False) -> bytes:
        """Return the state, for `load` in another process; nonces are in it only ``with_secrets``."""
        state = {
            "version": self.version,
            "capabilities": self.capabilities.build().hex() if self.capabilities else None,
            "failed": self.is_failed,
            "waiting": [request.build().hex() for request in self._waiting if with_secrets or not _has_nonce(request)],
            "interfaces": [_saved(known, with_secrets) for known in self._interfaces.values()],
        }
        return json.dumps(state).encode()

    @classmethod
    def load(cls, saved: bytes) -> Self:
        """Return the requester that was saved; raises ValueError if ``saved`` is no such thing."""
        state = json.loads(saved)
        engine = cls()
        engine.version = None if state["version"] is None else ProtocolVersion(state["version"])
        if state["capabilities"]:
            engine.capabilities = TdispCapabilities.parse(bytes.fromhex(state["capabilities"]))
        engine.is_failed = state["failed"]
        engine._waiting.extend(parse(bytes.fromhex(text)) for text in state["waiting"])
        for fields in state["interfaces"]:
            known = _loaded(fields)
            engine._interfaces[_name(known.interface_id)] = known
        return engine

    # what may be sent

    def _check_support(self, request: TdispMessage) -> None:
        if self.capabilities is None:
            return
        bit = 1 << (request.message_type & _RESPONSE_MASK)
        if not self.capabilities.supported_requests & bit:
            raise LocalProtocolError(self.version, request.NAME, "the device does not support it")

    def _check_state(self, request: TdispMessage) -> None:
        """Judge a request by the state that the interface is in once everything before it has succeeded."""
        known = self._of(request.interface_id)
        state = known.state
        earlier = [known.outstanding, *self._waiting]
        for before in (one for one in earlier if one is not None and _same(one.interface_id, request.interface_id)):
            state = state if state is None else next_tdi_state(state, MessageType(before.message_type))
        if state is not None and next_tdi_state(state, MessageType(request.message_type)) is None:
            raise LocalProtocolError(state, request.NAME)
        if isinstance(request, GetDeviceInterfaceReport) and not request.length:
            raise LocalProtocolError(state, request.NAME, "it asks for no byte")

    def _under_way(self) -> int:
        return sum(known.outstanding is not None for known in self._interfaces.values())

    def _most_under_way(self) -> int:
        """Return how many requests the device takes at once; some say 0 and mean 1."""
        return max(self.capabilities.num_req_all, 1) if self.capabilities else 1

    # what is answered

    def _match(self, response: TdispMessage) -> tuple[_Interface, TdispMessage]:
        known = self._of(response.interface_id)
        request = known.outstanding
        if request is None:
            raise RemoteProtocolError("nothing outstanding", response.NAME, f"for {response.interface_id}")
        if isinstance(response, TdispError):
            return known, request
        if response.message_type != request.message_type & _RESPONSE_MASK:
            expected = RESPONSES[request.message_type & _RESPONSE_MASK].NAME
            raise RemoteProtocolError(f"waiting for {expected}", response.NAME)
        if self.version is not None and response.version != self.version:
            raise RemoteProtocolError(self.version, response.NAME, f"in version {response.version:#x}")
        return known, request

    def _accept(self, known: _Interface, request: TdispMessage, response: TdispMessage) -> list[Event]:
        """Take what an answer says about the device; what it does to the interface's state comes after."""
        events: list[Event] = [ResponseReceived(request, response)]
        if isinstance(response, TdispVersion):
            self.version = _common_version(response)
        elif isinstance(response, TdispCapabilities):
            self.capabilities = response
        elif isinstance(response, DeviceInterfaceReport) and isinstance(request, GetDeviceInterfaceReport):
            events += self._collect(known, request, response)
        return events

    def _collect(
        self, known: _Interface, request: GetDeviceInterfaceReport, response: DeviceInterfaceReport
    ) -> list[Event]:
        """Put a portion where it belongs, and ask for the next one until there is none."""
        portion = response.report_bytes
        if len(portion) > request.length:
            raise RemoteProtocolError(request.NAME, response.NAME, f"{len(portion)} bytes, asked {request.length}")
        if not portion and response.remainder_length:
            raise RemoteProtocolError(request.NAME, response.NAME, "no byte, but a remainder")
        if request.offset == 0:
            known.report.clear()
        elif request.offset != len(known.report):
            return []  # somebody reads parts of their own choice
        known.report += portion
        if response.remainder_length:
            if len(known.report) > WHOLE_REPORT:
                raise RemoteProtocolError(request.NAME, response.NAME, "more bytes than an offset can name")
            self._waiting.appendleft(
                GetDeviceInterfaceReport(
                    interface_id=request.interface_id,
                    offset=len(known.report),
                    length=min(request.length, response.remainder_length),
                )
            )
            return []
        report = bytes(known.report)
        known.report.clear()
        return [InterfaceReported(known.interface_id, report)]

    def _move(self, known: _Interface, request: TdispMessage, response: TdispMessage) -> list[Event]:
        before, cause = known.state, MessageType(request.message_type)
        if isinstance(response, DeviceInterfaceState):
            known.state = response.tdi_state
        elif cause in _STATE_AFTER:
            known.state = _STATE_AFTER[cause]
        if isinstance(response, LockInterfaceResponse):
            known.nonce = Secret(response.nonce)
        elif known.state is not TdiState.CONFIG_LOCKED:
            known.nonce = None
        if known.state is None or known.state is before:
            return []
        return [StateChanged(known.interface_id, before, known.state, cause)]

    def _refusal(self, known: _Interface, request: TdispMessage, response: TdispError) -> TdispPeerError:
        known.report.clear()
        if response.error_code == TdispErrorCode.INVALID_INTERFACE_STATE:
            known.state = None  # the device knows better
        return TdispPeerError(response.error_code, f"to {request.NAME} for {known.interface_id}")

    def _of(self, interface_id: InterfaceId) -> _Interface:
        return self._interfaces.setdefault(_name(interface_id), _Interface(interface_id))


_STATE_AFTER: Final = {
    MessageType.LOCK_INTERFACE_REQUEST: TdiState.CONFIG_LOCKED,
    MessageType.START_INTERFACE_REQUEST: TdiState.RUN,
    MessageType.STOP_INTERFACE_REQUEST: TdiState.CONFIG_UNLOCKED,
}
"""Where a request leads that succeeds, also from a state that was not known."""


def _name(interface_id: InterfaceId) -> _FunctionName:
    """Return what tells interfaces apart; reserved bytes do not, since devices echo zeros."""
    function: FunctionId = interface_id.function_id
    return function.requester_id, function.segment, function.is_segment_valid


def _same(one: InterfaceId, other: InterfaceId) -> bool:
    return _name(one) == _name(other)


def _common_version(response: TdispVersion) -> ProtocolVersion:
    for version in _VERSIONS:
        if version in response.versions:
            return version
    raise RemoteProtocolError("no common version", response.NAME, f"it offers {response.versions}")


def _has_nonce(request: TdispMessage | None) -> bool:
    return isinstance(request, StartInterfaceRequest)


def _saved(known: _Interface, with_secrets: bool) -> dict[str, Any]:
    outstanding = known.outstanding
    return {
        "interface": known.interface_id.build().hex(),
        "state": known.state,
        "nonce": known.nonce.reveal().hex() if with_secrets and known.nonce is not None else None,
        "outstanding": outstanding.build().hex()
        if outstanding and (with_secrets or not _has_nonce(outstanding))
        else None,
        "report": known.report.hex(),
    }


def _loaded(fields: dict[str, Any]) -> _Interface:
    return _Interface(
        InterfaceId.parse(bytes.fromhex(fields["interface"])),
        None if fields["state"] is None else TdiState(fields["state"]),
        Secret(bytes.fromhex(fields["nonce"])) if fields["nonce"] else None,
        parse(bytes.fromhex(fields["outstanding"])) if fields["outstanding"] else None,
        bytearray.fromhex(fields["report"]),
    )
