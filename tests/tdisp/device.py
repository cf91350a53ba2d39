"""An interface that notes what it is told, and two engines that talk to one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytio import tdisp
from pytio.errors import TdispPeerError
from pytio.ids import Bdf, InterfaceId
from pytio.tdisp.device import DsmCapabilities
from pytio.tdisp.state import Cause

FUNCTION = Bdf.parse("0000:01:00.0")
INTERFACE = InterfaceId.of(FUNCTION)
SESSION = 0xFFFFFFFF
REPORT = tdisp.InterfaceReport(
    interface_info=tdisp.InterfaceInfo.DMA_WITHOUT_PASID,
    mmio_ranges=(
        tdisp.MmioRange.of(0x2001_4000_0000, 0x4000),
        tdisp.MmioRange.of(0x2001_8000_0000, 0x1000, range_id=2),
    ),
    device_specific_info=b"what else there is",
)
EVERYTHING = DsmCapabilities(
    requests=tdisp.MANDATORY_REQUESTS
    | tdisp.RequestMessages.BIND_P2P_STREAM_REQUEST
    | tdisp.RequestMessages.UNBIND_P2P_STREAM_REQUEST
    | tdisp.RequestMessages.SET_MMIO_ATTRIBUTE_REQUEST
    | tdisp.RequestMessages.VDM_REQUEST,
    lock_flags=tdisp.LockFlags.LOCK_MSIX | tdisp.LockFlags.BIND_P2P,
)


class NotedTdi:
    """Takes everything but what ``refusal`` says, and notes it."""

    def __init__(self, report: tdisp.InterfaceReport = REPORT) -> None:
        self.report = report
        self.refusal: tdisp.TdispErrorCode | None = None
        self.noted: list[object] = []

    def _note(self, what: object) -> None:
        if self.refusal is not None:
            raise TdispPeerError(self.refusal)
        self.noted.append(what)

    def lock(self, request: tdisp.LockInterfaceRequest, session: int) -> tdisp.InterfaceReport:
        self._note(("lock", request.flags, session))
        return self.report

    def start(self) -> None:
        self._note("start")

    def fail(self, cause: Cause) -> None:
        self.noted.append(("fail", cause))

    def stop(self) -> None:
        self.noted.append("stop")

    def bind_p2p_stream(self, stream_id: int, session: int) -> None:
        self._note(("bind", stream_id, session))

    def unbind_p2p_stream(self, stream_id: int) -> None:
        self._note(("unbind", stream_id))

    def set_mmio_attribute(self, mmio_range: tdisp.MmioRange) -> None:
        self._note(mmio_range)

    def vdm(self, request: tdisp.VdmRequest) -> tdisp.VdmResponse:
        return tdisp.VdmResponse(interface_id=request.interface_id, vendor_data=request.vendor_data[::-1])


def plain(cls: type[tdisp.TdispMessage], **fields: Any) -> tdisp.TdispMessage:
    """Return a request about the one interface; a type checker knows no field of their common base."""
    make: Any = cls
    request: tdisp.TdispMessage = make(interface_id=INTERFACE, **fields)
    return request


class Pair:
    """A requester and a responder, wired to one another."""

    def __init__(
        self, interfaces: Mapping[Bdf, tdisp.Tdi] | None = None, capabilities: DsmCapabilities = EVERYTHING
    ) -> None:
        self.tdi = NotedTdi()
        self.requester = tdisp.Requester()
        self.responder = tdisp.Responder(interfaces or {FUNCTION: self.tdi}, capabilities=capabilities)

    def ask(self, request: tdisp.TdispMessage) -> list[tdisp.Event]:
        """Send a request and everything that follows from it; return what the requester says."""
        self.requester.send(request)
        events: list[tdisp.Event] = []
        while (payload := self.requester.bytes_to_send()) is not None:
            answer = self.responder.handle(payload, SESSION)
            assert answer is not None
            events += self.requester.receive(answer)
        return events

    def ask_in_turn(self, *requests: type[tdisp.TdispMessage]) -> None:
        """Ask several things about the one interface; a start takes the nonce of its lock."""
        for request in requests:
            is_start = request is tdisp.StartInterfaceRequest
            made = self.requester.start_request(INTERFACE) if is_start else plain(request)
            self.ask(made)

    @property
    def states(self) -> tuple[tdisp.TdiState | None, tdisp.TdiState]:
        """What each half believes."""
        return self.requester.tdi_state(INTERFACE), self.responder.tdi_state(FUNCTION)
