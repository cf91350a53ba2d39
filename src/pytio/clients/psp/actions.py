"""What plans of the host client ask for: one command, one access to memory, one page, one exchange with a device.

This file knows no order and no revision. Who performs the actions raises what failed into the plan.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

import attrs

from pytio.clients.ide_streams import ReadConfig, WriteConfig
from pytio.ids import Bdf
from pytio.sev.rmp import RmpEntry
from pytio.sev.tio_codes import SevCommand

__all__ = (
    "Action",
    "Allocate",
    "DoeExchange",
    "Free",
    "Issue",
    "Plan",
    "Read",
    "RmpUpdate",
    "TrustDma",
    "Write",
)

T = TypeVar("T")


def _size(data: bytes) -> str:
    return f"<{len(data)} bytes>"


@attrs.frozen
class Issue:
    """Place a command buffer in memory and run the command; the outcome is its `pytio.sev.SevStatus`."""

    command: SevCommand
    buffer: bytes


@attrs.frozen
class Read:
    """Read system memory; the outcome is ``size`` bytes."""

    paddr: int
    size: int


@attrs.frozen
class Write:
    """Write system memory, which has to be the hypervisor's; no outcome."""

    paddr: int
    data: bytes = attrs.field(repr=_size)


@attrs.frozen
class Allocate:
    """Take zeroed pages of 4 KiB, in one piece; the outcome is their physical address."""

    pages: int = 1


@attrs.frozen
class Free:
    """Give pages back, which have to be the hypervisor's; no outcome."""

    paddr: int
    pages: int = 1


@attrs.frozen
class RmpUpdate:
    """Execute RMPUPDATE for one page; no outcome."""

    paddr: int
    entry: RmpEntry


@attrs.frozen
class DoeExchange:
    """Carry an SPDM message through the device's DOE mailbox; the outcome is the response's payload.

    Both payloads are without the header of the data object; the mailbox pads to double words.
    """

    device: Bdf
    is_secured: bool
    payload: bytes = attrs.field(repr=_size)


@attrs.frozen
class TrustDma:
    """Attach a function to the trusted domain of a guest, or to the host's again; no outcome.

    The device table entry keeps its fields but the domain's id, and has its bit 96 set (SEV-TIO, "Host answer path").
    """

    function: Bdf
    asid: int
    is_trusted: bool


Action: TypeAlias = (
    Issue | Read | Write | Allocate | Free | RmpUpdate | DoeExchange | TrustDma | ReadConfig | WriteConfig
)
"""What a plan asks for."""
Plan: TypeAlias = Generator[Action, Any, T]
"""Actions out, outcomes in, a result at the end."""
