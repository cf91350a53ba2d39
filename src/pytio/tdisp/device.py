"""What a device brings for TDISP: its interfaces, and what it says that it can.

Document: PCIe Base 6.x chapter 11, "TEE Device Interface Security Protocol (TDISP)". These are promises that the
responder calls on; what hardware, or a model of it, does about them is not known here.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import attrs

from pytio.errors import TdispPeerError
from pytio.ids import StreamId
from pytio.tdisp.codes import MANDATORY_REQUESTS, WHOLE_REPORT, LockFlags, RequestMessages, TdispErrorCode
from pytio.tdisp.messages import LockInterfaceRequest
from pytio.tdisp.optional import VdmRequest, VdmResponse
from pytio.tdisp.report import InterfaceReport, MmioRange
from pytio.tdisp.state import Cause

__all__ = ("DsmCapabilities", "OptionalTdi", "Tdi", "optional_of")


@attrs.frozen(kw_only=True)
class DsmCapabilities:
    """What TDISP_CAPABILITIES says, and how much of a report one answer holds."""

    dsm_caps: int = 0
    """DSM_CAPS; TDISP 1.0 defines none."""
    requests: RequestMessages = MANDATORY_REQUESTS
    """The requests that are answered; those beyond the mandatory ones need an `OptionalTdi`."""
    lock_flags: LockFlags = LockFlags.NO_FW_UPDATE | LockFlags.SYSTEM_CACHE_LINE_SIZE | LockFlags.LOCK_MSIX
    """The flags that a lock may have."""
    dev_addr_width: int = 52
    """Address bits that the device uses."""
    num_req_this: int = 1
    """Requests that may be outstanding for one interface."""
    num_req_all: int = 1
    """Requests that may be outstanding for all."""
    report_portion_bytes: int = WHOLE_REPORT
    """The most bytes of a report in one answer."""


class Tdi(Protocol):
    """An interface as TDISP sees it: what the hardware does when its state changes. Nothing here blocks."""

    def lock(self, request: LockInterfaceRequest, session: int) -> InterfaceReport:
        """Abort what is under way, lock the configuration and return the report of it, fixed from now on.

        Raises:
            TdispPeerError: it cannot be locked as it is, with the code to answer: INVALID_REQUEST where the keys of the
                stream are missing or came over another session, or the stream is not the default one (PCIE_A14);
                INVALID_DEVICE_CONFIGURATION; INSUFFICIENT_ENTROPY.
        """

    def start(self) -> None:
        """Let the interface do DMA and answer for its TEE memory from now on."""

    def fail(self, cause: Cause) -> None:
        """Stop serving TEE memory and doing DMA, and destroy all secrets of the TVM: the interface is in ERROR."""

    def stop(self) -> None:
        """Abort and drain everything, scrub secrets and private resources, unlock: back to CONFIG_UNLOCKED."""


@runtime_checkable
class OptionalTdi(Tdi, Protocol):
    """An interface that also takes the optional requests; each refuses with TdispPeerError, as `Tdi.lock` does."""

    def bind_p2p_stream(self, stream_id: StreamId, session: int) -> None:
        """Allow direct traffic to peers on a stream that was keyed over the same session, and lock its registers."""

    def unbind_p2p_stream(self, stream_id: StreamId) -> None:
        """End direct traffic on a stream, and unlock its registers."""

    def set_mmio_attribute(self, mmio_range: MmioRange) -> None:
        """Open a range to everybody (IS_NON_TEE_MEM), or restrict it to the TVM."""

    def vdm(self, request: VdmRequest) -> VdmResponse:
        """Answer what a vendor defines."""


def optional_of(tdi: Tdi) -> OptionalTdi:
    """Return an interface that takes optional requests; what does not is refused as the specification has it."""
    if not isinstance(tdi, OptionalTdi):
        raise TdispPeerError(TdispErrorCode.UNSUPPORTED_REQUEST, "the interface does not support it")
    return tdi
