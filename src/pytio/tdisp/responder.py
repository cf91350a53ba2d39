"""The responder's half of TDISP: it answers for a device's interfaces, and keeps the state of each.

Document: PCIe Base 6.x chapter 11, "TEE Device Interface Security Protocol (TDISP)". The engine takes and gives the
messages behind the protocol id. What a lock or a start does to the hardware is the interface's business (`Tdi`), and
that requests arrive in a secured session, and in which one, is said by whoever calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, Final, Self, TypeAlias

import attrs

from pytio.crypto import LibraryProvider, Provider, Secret
from pytio.errors import TdispDecodeError, TdispPeerError
from pytio.ids import Bdf, InterfaceId, StreamId
from pytio.tdisp.codes import (
    NONCE_BYTES,
    LockFlags,
    MessageType,
    ProtocolVersion,
    TdispErrorCode,
    TdiState,
)
from pytio.tdisp.device import DsmCapabilities, Tdi, optional_of
from pytio.tdisp.events import Event, RequestRefused, StateChanged
from pytio.tdisp.header import TdispHeader, TdispMessage
from pytio.tdisp.messages import (
    REQUESTS,
    DeviceInterfaceReport,
    DeviceInterfaceState,
    GetDeviceInterfaceReport,
    GetDeviceInterfaceState,
    GetTdispCapabilities,
    GetTdispVersion,
    LockInterfaceRequest,
    LockInterfaceResponse,
    StartInterfaceRequest,
    StartInterfaceResponse,
    StopInterfaceRequest,
    StopInterfaceResponse,
    TdispCapabilities,
    TdispError,
    TdispVersion,
)
from pytio.tdisp.optional import (
    BindP2pStreamRequest,
    BindP2pStreamResponse,
    SetMmioAttributeRequest,
    SetMmioAttributeResponse,
    UnbindP2pStreamRequest,
    UnbindP2pStreamResponse,
    VdmRequest,
)
from pytio.tdisp.state import Cause, Reach, TdiEvent, next_tdi_state

__all__ = ("Responder",)

_REQUEST_MASK: Final = 0x7F
_KNOWN_LOCK_FLAGS: Final = (
    LockFlags.NO_FW_UPDATE
    | LockFlags.SYSTEM_CACHE_LINE_SIZE
    | LockFlags.LOCK_MSIX
    | LockFlags.BIND_P2P
    | LockFlags.ALL_REQUEST_REDIRECT
)


@attrs.define
class _Interface:
    """One interface, and what its lock was given and gave."""

    tdi: Tdi
    state: TdiState = TdiState.CONFIG_UNLOCKED
    lock: LockInterfaceRequest | None = None
    session: int | None = None
    nonce: Secret | None = None
    report: bytes = b""
    p2p_streams: set[StreamId] = attrs.field(factory=set)

    @property
    def streams(self) -> set[StreamId]:
        """The streams that are bound to it."""
        return self.p2p_streams if self.lock is None else self.p2p_streams | {self.lock.default_stream_id}

    @property
    def is_msi_x_locked(self) -> bool:
        return self.lock is not None and LockFlags.LOCK_MSIX in self.lock.flags


class Responder:
    """The device's half of TDISP, for all its interfaces. Performs no I/O; its nonces come from the provider.

    Requests are checked in this order (PCIE_A17): session, header, version, code, interface, length, state, fields.

    Attributes:
        capabilities: what the device says that it can.
    """

    def __init__(
        self,
        interfaces: Mapping[Bdf, Tdi],
        *,
        capabilities: DsmCapabilities | None = None,
        provider: Provider | None = None,
    ) -> None:
        """Answer for ``interfaces``, by the function that hosts each; all are in CONFIG_UNLOCKED."""
        self.capabilities = capabilities or DsmCapabilities()
        self._provider = provider or LibraryProvider()
        self._interfaces = {bdf: _Interface(tdi) for bdf, tdi in interfaces.items()}
        self._answer: bytes | None = None

    def handle(self, payload: bytes, session: int | None) -> bytes | None:
        """Answer one message that came in ``session``; None is silence, which is for what came outside a session.

        Raises:
            TdispDecodeError: there is not even a header; SPDM's ERROR with InvalidRequest is the answer.
        """
        self.receive(payload, session=session)
        return self.bytes_to_send()

    def receive(self, payload: bytes, *, session: int | None, now: float = 0.0) -> list[Event]:
        """Take one message; raises as `handle`."""
        self._answer = None
        if session is None:
            return [RequestRefused(None, None, "it came outside a session")]
        header, _ = TdispHeader.parse_prefix(payload)
        try:
            request = self._parse(header, payload)
            response, events = self._HANDLERS[type(request)](self, request, session)
        except TdispPeerError as refusal:
            code = TdispErrorCode(refusal.code)
            data = header.message_type if code == TdispErrorCode.UNSUPPORTED_REQUEST else 0
            error = TdispError(interface_id=header.interface_id, error_code=code, error_data=data)
            self._answer = error.build()
            return [RequestRefused(header.interface_id, code, refusal.detail)]
        self._answer = response.build()
        return events

    def bytes_to_send(self) -> bytes | None:
        """Return the answer to what was received last, once; None where there is none."""
        answer, self._answer = self._answer, None
        return answer

    def wake_at(self) -> float | None:
        """Return None: TDISP has no deadline."""
        return None

    def wake(self, now: float) -> list[Event]:
        """Do nothing: there is no deadline."""
        return []

    def tdi_state(self, bdf: Bdf) -> TdiState:
        """Return the state of an interface; raises KeyError if the device does not host it."""
        return self._interfaces[bdf].state

    def happen(
        self,
        event: TdiEvent,
        *,
        functions: Collection[Bdf] = (),
        stream_id: StreamId | None = None,
        session: int | None = None,
    ) -> list[Event]:
        """Let an event reach its interfaces; name functions, the stream or the session, as the event's reach asks."""
        is_reached: Mapping[Reach, Callable[[Bdf, _Interface], bool]] = {
            Reach.FUNCTION: lambda bdf, _: bdf in functions,
            Reach.STREAM: lambda _, known: stream_id in known.streams,
            Reach.SESSION: lambda _, known: known.session == session,
            Reach.DEVICE: lambda _, __: True,
        }
        changes: list[Event] = []
        for bdf, known in self._interfaces.items():
            if event is TdiEvent.MSI_X_CHANGED and not known.is_msi_x_locked:
                continue  # only a locked and reported table matters
            if is_reached[event.reach](bdf, known):
                changes += self._move(InterfaceId.of(bdf), known, event)
        return changes

    def session_ended(self, session: int) -> list[Event]:
        """Send to ERROR what was locked over a session."""
        return self.happen(TdiEvent.SESSION_ENDED, session=session)

    def save(self, *, with_secrets: bool = False) -> bytes:
        """Return the states, for `load`; nonces only ``with_secrets``, and without its nonce nothing starts."""
        state = [
            {
                "function": str(bdf),
                "state": known.state,
                "lock": known.lock.build().hex() if known.lock else None,
                "session": known.session,
                "nonce": known.nonce.reveal().hex() if known.nonce is not None and with_secrets else None,
                "report": known.report.hex(),
                "p2p_streams": sorted(known.p2p_streams),
            }
            for bdf, known in self._interfaces.items()
        ]
        return json.dumps(state).encode()

    @classmethod
    def load(
        cls,
        saved: bytes,
        interfaces: Mapping[Bdf, Tdi],
        *,
        capabilities: DsmCapabilities | None = None,
        provider: Provider | None = None,
    ) -> Self:
        """Return the responder that was saved, over the same interfaces; raises ValueError if ``saved`` is none."""
        engine = cls(interfaces, capabilities=capabilities, provider=provider)
        for fields in json.loads(saved):
            known = engine._interfaces[Bdf.parse(fields["function"])]
            known.state = TdiState(fields["state"])
            known.lock = LockInterfaceRequest.parse(bytes.fromhex(fields["lock"])) if fields["lock"] else None
            known.session = fields["session"]
            known.nonce = Secret(bytes.fromhex(fields["nonce"])) if fields["nonce"] else None
            known.report = bytes.fromhex(fields["report"])
            known.p2p_streams = set(fields["p2p_streams"])
        return engine

    # what every request goes through

    def _parse(self, header: TdispHeader, payload: bytes) -> TdispMessage:
        is_version_asked = header.message_type == MessageType.GET_TDISP_VERSION
        if int(header.version) != ProtocolVersion.V1_0 and not (is_version_asked and _has_major_1(header)):
            raise TdispPeerError(TdispErrorCode.VERSION_MISMATCH, f"version {header.version:#x}")
        cls = REQUESTS.get(header.message_type)
        bit = 1 << (header.message_type & _REQUEST_MASK)
        if cls is None or cls not in self._HANDLERS or not self.capabilities.requests & bit:
            raise TdispPeerError(TdispErrorCode.UNSUPPORTED_REQUEST, f"code {header.message_type:#x}")
        if header.message_type in _ABOUT_AN_INTERFACE:
            self._interface(header.interface_id)
        try:
            return cls.parse(payload)
        except TdispDecodeError as error:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, error.reason) from error

    def _interface(self, interface_id: InterfaceId) -> _Interface:
        """Find the interface; a segment counts only where it is said to be valid."""
        function = interface_id.function_id
        for bdf, known in self._interfaces.items():
            if bdf.requester_id == function.requester_id and (
                not function.is_segment_valid or bdf.segment == function.segment
            ):
                return known
        raise TdispPeerError(TdispErrorCode.INVALID_INTERFACE, f"no interface {interface_id}")

    def _legal(self, request: TdispMessage) -> _Interface:
        """Return the interface of a request that is legal in its state."""
        known = self._interface(request.interface_id)
        if next_tdi_state(known.state, MessageType(request.message_type)) is None:
            raise TdispPeerError(TdispErrorCode.INVALID_INTERFACE_STATE, f"in {known.state.name}")
        return known

    def _move(self, interface_id: InterfaceId, known: _Interface, cause: Cause) -> list[Event]:
        """Move an interface by the table, and let its hardware follow; say nothing where it stays where it is."""
        before = known.state
        after = next_tdi_state(before, cause)
        if after is None:
            return []
        if after is not TdiState.CONFIG_LOCKED:
            known.nonce = None  # single use, and for this lock alone
        known.state = after
        if after is TdiState.CONFIG_UNLOCKED:
            known.lock = known.session = None
            known.report = b""
            known.p2p_streams.clear()
            known.tdi.stop()
        elif after is TdiState.ERROR:
            known.tdi.fail(cause)
        return [] if after is before else [StateChanged(interface_id, before, after, cause)]

    # the requests

    def _get_version(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        return TdispVersion(interface_id=request.interface_id, versions=(ProtocolVersion.V1_0,)), []

    def _get_capabilities(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        can = self.capabilities
        return (
            TdispCapabilities(
                interface_id=request.interface_id,
                dsm_caps=can.dsm_caps,
                req_msgs_supported=can.requests,
                lock_interface_flags_supported=can.lock_flags,
                dev_addr_width=can.dev_addr_width,
                num_req_this=can.num_req_this,
                num_req_all=can.num_req_all,
            ),
            [],
        )

    def _lock(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, LockInterfaceRequest)
        known = self._legal(request)
        if request.flags & ~(_KNOWN_LOCK_FLAGS & self.capabilities.lock_flags):  # PCIE_A15
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, f"flags {request.flags:#x}")
        report = known.tdi.lock(request, session)
        known.lock, known.session, known.report = request, session, report.build()
        known.nonce = Secret(self._provider.nonce(NONCE_BYTES))
        response = LockInterfaceResponse(interface_id=request.interface_id, nonce=known.nonce.reveal())
        return response, self._move(request.interface_id, known, MessageType.LOCK_INTERFACE_REQUEST)

    def _get_report(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, GetDeviceInterfaceReport)
        report = self._legal(request).report
        if request.offset >= len(report) or not request.length:  # PCIE_A16
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, f"{request.length} bytes at {request.offset}")
        size = min(request.length, self.capabilities.report_portion_bytes)
        portion = report[request.offset : request.offset + size]
        remainder = len(report) - request.offset - len(portion)
        response = DeviceInterfaceReport(
            interface_id=request.interface_id, remainder_length=remainder, report_bytes=portion
        )
        return response, []

    def _get_state(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        return DeviceInterfaceState(interface_id=request.interface_id, tdi_state=self._legal(request).state), []

    def _start(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, StartInterfaceRequest)
        known = self._legal(request)
        if known.nonce is None or known.nonce != Secret(request.nonce):  # compared in constant time
            raise TdispPeerError(TdispErrorCode.INVALID_NONCE, "not the nonce of the lock")
        events = self._move(request.interface_id, known, MessageType.START_INTERFACE_REQUEST)
        known.tdi.start()
        return StartInterfaceResponse(interface_id=request.interface_id), events

    def _stop(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        known = self._legal(request)
        events = self._move(request.interface_id, known, MessageType.STOP_INTERFACE_REQUEST)
        return StopInterfaceResponse(interface_id=request.interface_id), events

    def _bind(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, BindP2pStreamRequest)
        known = self._legal(request)
        if known.lock is None or LockFlags.BIND_P2P not in known.lock.flags:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, "not locked with BIND_P2P")
        if session != known.session:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, "locked over another session")
        if request.p2p_stream_id in known.streams:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, f"stream {request.p2p_stream_id} is bound")
        optional_of(known.tdi).bind_p2p_stream(request.p2p_stream_id, session)
        known.p2p_streams.add(request.p2p_stream_id)
        return BindP2pStreamResponse(interface_id=request.interface_id), []

    def _unbind(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, UnbindP2pStreamRequest)
        known = self._legal(request)
        if request.p2p_stream_id not in known.p2p_streams:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, f"stream {request.p2p_stream_id} is not bound")
        optional_of(known.tdi).unbind_p2p_stream(request.p2p_stream_id)
        known.p2p_streams.remove(request.p2p_stream_id)
        return UnbindP2pStreamResponse(interface_id=request.interface_id), []

    def _set_mmio_attribute(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, SetMmioAttributeRequest)
        optional_of(self._legal(request).tdi).set_mmio_attribute(request.mmio_range)
        return SetMmioAttributeResponse(interface_id=request.interface_id), []

    def _vdm(self, request: TdispMessage, session: int) -> tuple[TdispMessage, list[Event]]:
        assert isinstance(request, VdmRequest)
        return optional_of(self._legal(request).tdi).vdm(request), []

    _HANDLERS: ClassVar[Mapping[type[TdispMessage], _Handler]] = {
        GetTdispVersion: _get_version,
        GetTdispCapabilities: _get_capabilities,
        LockInterfaceRequest: _lock,
        GetDeviceInterfaceReport: _get_report,
        GetDeviceInterfaceState: _get_state,
        StartInterfaceRequest: _start,
        StopInterfaceRequest: _stop,
        BindP2pStreamRequest: _bind,
        UnbindP2pStreamRequest: _unbind,
        SetMmioAttributeRequest: _set_mmio_attribute,
        VdmRequest: _vdm,
    }


_Handler: TypeAlias = Callable[[Responder, TdispMessage, int], tuple[TdispMessage, list[Event]]]
_ABOUT_AN_INTERFACE: Final = range(MessageType.LOCK_INTERFACE_REQUEST, MessageType.SET_MMIO_ATTRIBUTE_REQUEST + 1)


def _has_major_1(header: TdispHeader) -> bool:
    return header.version >> 4 == ProtocolVersion.V1_0 >> 4
