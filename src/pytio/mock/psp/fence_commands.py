"""Commands of fences: whether a guest's traffic through a root port is fenced off, and opening it.

Document: AMD 58271, "TIO_ASID_FENCE_…". R1 and R2 name the root port, later revisions a device below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytio.ids import Bdf
from pytio.mock.psp.call import Call
from pytio.mock.psp.contexts import GuestContext
from pytio.mock.psp.refusal import Refused
from pytio.mock.psp.tdi_states import FENCES, FenceMoment
from pytio.sev.codes import SevStatus
from pytio.sev.structures import AsidFence, AsidFenceR1
from pytio.sev.tio_codes import AsidFenceState, Revision

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("clear", "status", "status_bytes")

_OLDER: Final = (Revision.R1, Revision.R2)
_OPEN: Final = FENCES[FenceMoment.CLEAR]


def _root_port(psp: Psp, call: Call) -> Bdf:
    """Return the address of the root port that is meant."""
    if psp.revision in _OLDER:
        return psp.root_port_at(Bdf.from_requester_id(call.message.device_id, call.message.segment_id)).bdf
    return psp.root_port_of(call.device).bdf


def _is_bound_at(psp: Psp, guest: GuestContext, root_port: Bdf) -> bool:
    return any(
        tdi.is_bound and tdi.guest is guest and psp.root_port_of(tdi.device).bdf == root_port for tdi in psp.tdis
    )


def clear(psp: Psp, call: Call) -> None:
    """TIO_ASID_FENCE_CLEAR: refused with IN_USE while an interface at the root port is the guest's."""
    root_port = _root_port(psp, call)
    if _is_bound_at(psp, call.guest, root_port):
        raise Refused(SevStatus.IN_USE, "an interface is bound to the guest")
    psp.platform.iommu.fences.set(root_port, call.guest.asid, _OPEN)


def status_bytes(psp: Psp) -> int:
    """Return how much TIO_ASID_FENCE_STATUS writes."""
    size = AsidFence.fixed_size()
    assert size is not None
    return size


def status(psp: Psp, call: Call) -> None:
    """TIO_ASID_FENCE_STATUS: R1 and R2 say no more than whether there is a fence."""
    asked = call.message
    if not 1 <= asked.asid <= psp.config.max_asid:
        raise Refused(SevStatus.INVALID_PARAM, f"ASID {asked.asid}")
    fence = psp.fence_state(_root_port(psp, call), asked.asid)
    raw = fence.build()
    if psp.revision in _OLDER:
        state = AsidFenceState.NOT_FENCED if fence == _OPEN else AsidFenceState.FENCED
        raw = AsidFenceR1(state=state).build()
    psp.pages.write(asked.status_paddr, raw)
