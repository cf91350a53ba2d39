"""RMP: whose a page is, as far as the host sees it.

Document: AMD 24594 ("RMPUPDATE") and AMD 56860, "Page states". Four facts of an entry tell the states apart that matter
here; context and metadata pages look like those of the firmware.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from pytio.errors import SevDecodeError
from pytio.wire import U32, U64, Byte, WireStruct, message, wire

__all__ = ("PageState", "RmpEntry", "page_state")


class PageState(Enum):
    """Whose a page is."""

    HYPERVISOR = "Hypervisor"
    RECLAIM = "Reclaim"
    """The host has it back from the firmware, and does not own it yet."""
    FIRMWARE = "Firmware"
    CONTEXT = "Context"
    """Of the firmware, which keeps a guest's context there; to the host it looks like Firmware."""
    METADATA = "Metadata"
    """Of the firmware, too, and looks like Firmware to the host."""
    HV_FIXED = "HV-Fixed"
    """The hypervisor's, and nobody may change that before the machine is reset."""
    PRE_GUEST = "Pre-Guest"
    GUEST_INVALID = "Guest-Invalid"
    GUEST_VALID = "Guest-Valid"
    PRE_SWAP = "Pre-Swap"


@message
class RmpEntry(WireStruct, errors=SevDecodeError):
    """The operand of RMPUPDATE, 16 bytes."""

    gpa: int = wire(U64, default=0)
    assigned: int = wire(Byte, default=0)
    pagesize: int = wire(Byte, default=0)
    """0 for 4 KiB, 1 for 2 MiB."""
    immutable: int = wire(Byte, default=0)
    reserved: int = wire(Byte, default=0)
    asid: int = wire(U32, default=0)


_STATES: Final = {
    # assigned, immutable, has an ASID, validated
    (False, False, False, False): PageState.HYPERVISOR,
    (True, False, False, False): PageState.RECLAIM,
    (True, True, False, False): PageState.FIRMWARE,
    (False, True, False, False): PageState.HV_FIXED,
    (True, True, True, False): PageState.PRE_GUEST,
    (True, False, True, False): PageState.GUEST_INVALID,
    (True, False, True, True): PageState.GUEST_VALID,
    (True, True, True, True): PageState.PRE_SWAP,
}


def page_state(entry: RmpEntry, *, is_validated: bool = False) -> PageState:
    """Return the state of a page, as the host can tell it: a page of the firmware is FIRMWARE.

    Raises:
        ValueError: no state looks like this.
    """
    facts = bool(entry.assigned), bool(entry.immutable), bool(entry.asid), is_validated
    if facts not in _STATES:
        raise ValueError(f"no page state looks like {entry}, {'' if is_validated else 'not '}validated")
    return _STATES[facts]
