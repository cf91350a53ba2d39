"""A device interface with memory behind its BARs, as `pytio.tdisp.Responder` locks and starts it.

It refuses a lock on a stream whose keys are not there, or came over another session, and reports its memory shifted as
the lock says. An interface of a larger model grows from this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from pytio.errors import TdispPeerError
from pytio.ids import StreamId
from pytio.tdisp import InterfaceInfo, InterfaceReport, LockFlags, LockInterfaceRequest, MmioRange, TdispErrorCode
from pytio.tdisp.codes import PAGE_BYTES, MmioAttributes
from pytio.tdisp.state import Cause

__all__ = ("InterfaceMemory", "MockTdi", "StreamCheck")

StreamCheck: TypeAlias = Callable[[StreamId, int], bool]
"""Says whether all keys of a stream came over a session, and are in use."""


@attrs.frozen
class InterfaceMemory:
    """Memory of an interface."""

    address: int
    """Physical, the start of a page."""
    size_bytes: int
    """Whole pages."""
    bar: int = 0
    """The number of its base address register."""
    attributes: MmioAttributes = MmioAttributes(0)
    """As reported."""


class MockTdi:
    """An interface that notes in which state its hardware is.

    Attributes:
        memory: what it reports.
        device_specific_info: what else it reports.
        serves_tee_memory: whether it runs: DMA and TEE memory are open.
        has_secrets: whether something of a TVM may be in it still.
    """

    def __init__(
        self,
        memory: Sequence[InterfaceMemory] = (InterfaceMemory(0x2001_4000_0000, 4 * PAGE_BYTES),),
        *,
        is_stream_keyed: StreamCheck | None = None,
        device_specific_info: bytes = b"",
    ) -> None:
        """Start unlocked; without ``is_stream_keyed`` any stream will do, as for a device without IDE."""
        self.memory = tuple(memory)
        self.device_specific_info = device_specific_info
        self.serves_tee_memory = False
        self.has_secrets = False
        self._is_stream_keyed = is_stream_keyed

    def lock(self, request: LockInterfaceRequest, session: int) -> InterfaceReport:
        """Report the memory as this lock shifts it. Raises TdispPeerError where keys are missing."""
        if self._is_stream_keyed is not None and not self._is_stream_keyed(request.default_stream_id, session):
            detail = f"the keys of stream {request.default_stream_id} are not there"
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, detail)
        try:
            ranges = tuple(self._range(memory, request.mmio_reporting_offset) for memory in self.memory)
        except ValueError as error:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, str(error)) from error
        info = InterfaceInfo.DMA_WITHOUT_PASID
        if LockFlags.NO_FW_UPDATE in request.flags:
            info |= InterfaceInfo.NO_FW_UPDATE
        self.has_secrets = True
        return InterfaceReport(interface_info=info, mmio_ranges=ranges, device_specific_info=self.device_specific_info)

    def start(self) -> None:
        """Open DMA and TEE memory."""
        self.serves_tee_memory = True

    def fail(self, cause: Cause) -> None:
        """Close both, and destroy secrets."""
        self.stop()

    def stop(self) -> None:
        """Close both, and destroy secrets."""
        self.serves_tee_memory = self.has_secrets = False

    @staticmethod
    def _range(memory: InterfaceMemory, mmio_reporting_offset: int) -> MmioRange:
        return MmioRange.of(
            memory.address,
            memory.size_bytes,
            mmio_reporting_offset=mmio_reporting_offset,
            attributes=memory.attributes,
            range_id=memory.bar,
        )
