"""What the firmware keeps of guests, devices and interfaces: its truth, which is never in the host's memory.

The pages that a host gives away for a context hold what he left there (`SEV_A19`): whoever writes into them changes
nothing, and whoever reads them learns nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from pytio.crypto import HashAlgorithm, Secret, digest
from pytio.ids import Bdf, InterfaceId, StreamId
from pytio.mock.psp.device_states import DeviceState
from pytio.mock.psp.tdi_states import TdiContextState
from pytio.sev.commands import TRAFFIC_CLASSES
from pytio.sev.sla import Sla
from pytio.sev.structures import SpdmAlgos, TdiLockState
from pytio.sev.tio_codes import GuestState
from pytio.tdisp import InterfaceReport

if TYPE_CHECKING:
    from pytio.mock.psp.call import Pending
    from pytio.mock.psp.line import Line

__all__ = (
    "VMPCK_COUNT",
    "Carry",
    "Conversation",
    "DeviceContext",
    "Grow",
    "GuestContext",
    "TdiContext",
    "blob_digest",
)

T = TypeVar("T")

VMPCK_COUNT: Final = 4
"""Keys for messages of a guest."""
_DIGEST_BYTES: Final = 48


def blob_digest(blob: bytes) -> bytes:
    """Return the digest of certificates, measurements or an interface report, 48 bytes (`SEV_A29`)."""
    return digest(HashAlgorithm.SHA_384, blob)


# what a command does that has to wait for the host


@attrs.frozen
class Carry:
    """Have the host carry a message to the device; the outcome is the response, with what the host padded it by."""

    message: bytes = attrs.field(repr=lambda message: f"<{len(message)} bytes>")
    """The SPDM message or the record."""
    is_secured: bool
    """Which it is."""


@attrs.frozen
class Grow:
    """Have the host replace buffers by larger ones; the outcome is nothing."""

    output_bytes: int
    """What the output buffer has to hold, header included."""
    scratch_bytes: int = 0
    """The same of the scratch buffer."""


Conversation: TypeAlias = Generator[Carry | Grow, bytes, T]
"""What a command does, interrupted wherever the host has to act."""


# contexts


@attrs.define(eq=False)
class GuestContext:
    """A guest."""

    gctx_paddr: int
    """Its context page, which names it."""
    state: GuestState = GuestState.INIT
    policy: int = 0
    asid: int = 0
    """0 while it is not active."""
    vmpcks: tuple[Secret, ...] = attrs.field(default=(), repr=False)
    sequence: list[int] = attrs.field(factory=lambda: [0] * VMPCK_COUNT)
    """The last number under each key."""
    launch_digest: bytes = bytes(_DIGEST_BYTES)
    gosvw: bytes = bytes(16)
    host_data: bytes = bytes(32)
    """What the host said at the end of the launch."""
    report_id: bytes = bytes(32)
    imi_en: bool = False


@attrs.define(eq=False)
class DeviceContext:
    """A device, from TIO_DEV_CREATE to TIO_DEV_RECLAIM."""

    handle: Sla
    """What names it: the very SLA of its creation (`SEV_A18`)."""
    pages: tuple[int, ...]
    """Physical addresses of its context."""
    bdf: Bdf
    root_port_id: int
    state: DeviceState = DeviceState.CREATED
    line: Line | None = attrs.field(default=None, repr=False)
    """The conversation with the device."""
    pending: Pending | None = attrs.field(default=None, repr=False)
    """The command that waits for the host."""
    tc_mask: int = 0
    cert_slot: int = 0
    ide_stream_id: tuple[StreamId, ...] = (0,) * TRAFFIC_CLASSES
    key_set: int = 0
    certs_digest: bytes = bytes(_DIGEST_BYTES)
    """Zero until it is known, as are the other two (`SEV_A30`)."""
    meas_digest: bytes = bytes(_DIGEST_BYTES)
    has_measurements: bool = False
    algos: SpdmAlgos = SpdmAlgos()
    tdis: list[TdiContext] = attrs.field(factory=list)

    @property
    def bound_tdis(self) -> list[TdiContext]:
        """The interfaces that are a guest's."""
        return [tdi for tdi in self.tdis if tdi.is_bound]

    @property
    def streams(self) -> dict[int, StreamId]:
        """The stream of each traffic class that has one."""
        return {tc: self.ide_stream_id[tc] for tc in range(TRAFFIC_CLASSES) if self.tc_mask >> tc & 1}


@attrs.define(eq=False)
class TdiContext:
    """An interface, from TIO_TDI_CREATE to TIO_TDI_RECLAIM."""

    handle: Sla
    pages: tuple[int, ...]
    device: DeviceContext
    interface_id: InterfaceId
    state: TdiContextState = TdiContextState.UNBOUND
    guest: GuestContext | None = None
    """Whose it is, or was last."""
    guest_device_id: int = 0
    tdi_id: int = 0
    """Of the last bind (`SEV_A27`)."""
    lock: TdiLockState = TdiLockState()
    report: InterfaceReport | None = None
    report_digest: bytes = bytes(_DIGEST_BYTES)
    report_count: int = 0
    is_measured_since_bind: bool = False
    validated: set[int] = attrs.field(factory=set)
    """Physical addresses of its MMIO pages that firmware validated."""

    @property
    def is_bound(self) -> bool:
        """Whether it is a guest's."""
        return self.state in (TdiContextState.BIND_LOCKED, TdiContextState.BIND_RUN)

    @property
    def bdf(self) -> Bdf:
        """The function that hosts it, in the segment of its device."""
        function = self.interface_id.function_id
        return Bdf.from_requester_id(function.requester_id, self.device.bdf.segment)
