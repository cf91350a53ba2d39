"""The far end of the bench's link: an IDE port that answers every request, and tells IDE_KM which keys are in use."""

from __future__ import annotations

from typing import Any

from pytio import ide, idekm, tdisp
from pytio.errors import TdispPeerError
from pytio.ide.events import KeySetChanged
from pytio.ide_registers import IdeCapability
from pytio.ids import Bdf, SubStream
from pytio.mock import Endpoint, IdePort, InterfaceMemory, MockFunction, MockTdi, Transactions
from pytio.mock.endpoint import is_stream_keyed
from pytio.mock.example import example_config
from pytio.mock.platform import RootPort
from pytio.mock.transactions import span_of
from pytio.sev.tio_codes import PAGE_BYTES
from pytio.tdisp import LockFlags, MmioRange, TdispErrorCode, VdmRequest, VdmResponse
from pytio.tdisp.codes import MmioAttributes, RequestMessages

MIB = 1 << 20
_CAPABILITIES = tdisp.DsmCapabilities(
    requests=tdisp.DsmCapabilities().requests | RequestMessages.SET_MMIO_ATTRIBUTE_REQUEST,
    lock_flags=LockFlags.NO_FW_UPDATE | LockFlags.LOCK_MSIX | LockFlags.ALL_REQUEST_REDIRECT,
)


class OpenableTdi(MockTdi):
    """An interface whose memory can be opened to all, but for what it refuses."""

    def __init__(self, memory: tuple[InterfaceMemory, ...], *, is_stream_keyed: Any) -> None:
        super().__init__(memory, is_stream_keyed=is_stream_keyed)
        self.changed: list[MmioRange] = []
        self.is_stubborn = False

    def bind_p2p_stream(self, stream_id: int, session: int) -> None:
        raise TdispPeerError(TdispErrorCode.UNSUPPORTED_REQUEST)

    def unbind_p2p_stream(self, stream_id: int) -> None:
        raise TdispPeerError(TdispErrorCode.UNSUPPORTED_REQUEST)

    def vdm(self, request: VdmRequest) -> VdmResponse:
        raise TdispPeerError(TdispErrorCode.UNSUPPORTED_REQUEST)

    def set_mmio_attribute(self, mmio_range: MmioRange) -> None:
        if self.is_stubborn:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, "no")
        self.changed.append(mmio_range)


class FarEnd:
    """A device with two interfaces, whose second range of memory can be opened to all."""

    def __init__(
        self,
        root_port: RootPort,
        device: Bdf,
        functions: tuple[Bdf, Bdf],
        mmio: int,
        capability: IdeCapability | None = None,
        **changes: Any,
    ) -> None:
        self.bdf = device
        self.ide = IdePort(MockFunction(0x1022, 0x14A6, tee_io=True), device, capability=capability)
        self.dma = Transactions(self.ide)
        self.ide.transmit, self.ide.deliver = root_port.link.up, self._take
        self.ide.subscribe(self._tell)
        root_port.link.attach(downstream=self.ide)
        self.keys = keys = idekm.Responder({0: self.ide})

        def is_keyed(stream_id: int, session: int) -> bool:
            return is_stream_keyed(keys, stream_id, session)

        self.tdis = {
            function: OpenableTdi(_memory(mmio + number * 16 * MIB), is_stream_keyed=is_keyed)
            for number, function in enumerate(functions)
        }
        self.tdisp = tdisp.Responder(self.tdis, capabilities=_CAPABILITIES)
        self.endpoint = Endpoint(example_config(**changes), ide=keys, interfaces=self.tdisp)

    def _take(self, event: ide.TlpReceived) -> None:
        tlp = event.tlp
        if tlp.header.sub_stream is SubStream.CPL:
            self.dma.take(tlp)
        elif tlp.header.sub_stream is SubStream.NPR:
            _, size = span_of(tlp)
            self.dma.complete(tlp, self.bdf.requester_id, b"" if tlp.payload else bytes(size))

    def _tell(self, event: ide.Event) -> None:
        if isinstance(event, KeySetChanged):
            gone = event.slot.replace(key_set=1 - event.slot.key_set)
            self.keys.happen(idekm.StreamEvent.KEY_SET_SUPERSEDED, stream_id=event.stream_id, slot=gone)


def _memory(at: int) -> tuple[InterfaceMemory, ...]:
    return (
        InterfaceMemory(at, 4 * PAGE_BYTES, bar=0),
        InterfaceMemory(at + MIB, 2 * PAGE_BYTES, bar=2, attributes=MmioAttributes.IS_MEM_ATTR_UPDATABLE),
    )
