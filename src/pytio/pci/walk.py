"""Walking the capability lists: where each capability is, which class lays it out, and what is wrong with the chain.

Documents: PCIe Base 6.x sections 7.5.1.1.11 and 7.6.3. A list that loops, or leads out of the bytes, is walked as far
as it goes, and each fault is a `Problem`. Nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct, error
from typing import Final, NamedTuple

import attrs

from pytio.pci.capabilities.base import OpaqueCapability, OpaqueExtendedCapability
from pytio.pci.capabilities.flit import FlitLogging, FlitPerformanceMeasurement
from pytio.pci.codes import (
    CONVENTIONAL_BYTES,
    EXTENDED_BYTES,
    FIRST_EXTENDED_OFFSET,
    HEADER_BYTES,
    CapabilityId,
    HeaderLayout,
)
from pytio.pci.layouts import PLAIN_EXTENDED, AnyCapability, Facts, capability_layout, extended_layout, own_size

__all__ = ("Place", "Problem", "Walk", "walk")

_U16: Final = Struct("<H").unpack_from
_U32: Final = Struct("<I").unpack_from
_STATUS: Final = 0x06
_CAPABILITIES_LIST: Final = 1 << 4
_HEADER_LAYOUT: Final = 0x0E
_LAYOUT_MASK: Final = 0x7F
_POINTER: Final = 0x34
_CARD_BUS_POINTER: Final = 0x14
_DW_MASK: Final = 0xFC
_EXTENDED_ID_MASK: Final = 0xFFFF
_EXTENDED_NEXT_SHIFT: Final = 20
_EXTENDED_NEXT_MASK: Final = 0xFFC
_ALL_ONES: Final = 0xFFFF_FFFF
_NO_CAPABILITY: Final = 0xFF
_PORT_TYPE_SHIFT: Final = 4
_NIBBLE: Final = 0xF
_LINK_CAPABILITIES: Final = 0x0C
_LANES_SHIFT: Final = 4
_LANES_MASK: Final = 0x3F
_TO_THE_NEXT: Final = frozenset({FlitLogging, FlitPerformanceMeasurement})
"""Layouts that end where the next structure starts."""


@attrs.frozen
class Problem:
    """Something that is not as the specification has it."""

    offset: int
    """In configuration space."""
    reason: str

    def to_dict(self) -> dict[str, int | str]:
        """Return it as plain data."""
        return {"offset": self.offset, "reason": self.reason}


class Place(NamedTuple):
    """Where a capability is, and the bytes from which it is decoded."""

    offset: int
    capability_id: int
    layout: type[AnyCapability]
    stop: int
    """Where the bytes for it end at the latest; a layout that says its own size ends before."""


@attrs.frozen
class Walk:
    """What the lists led to, in their order."""

    facts: Facts
    places: tuple[Place, ...]
    problems: tuple[Problem, ...]


def walk(data: bytes) -> Walk:
    """Follow both capability lists of a dump of at least 64 bytes."""
    problems: list[Problem] = []
    vendor_id, device_id = _U16(data, 0)[0], _U16(data, 2)[0]
    layout = data[_HEADER_LAYOUT] & _LAYOUT_MASK
    end = min(len(data), CONVENTIONAL_BYTES)
    found = [*_conventional(data, end, layout, problems)]
    express = next((at for at, number in found if number == CapabilityId.PCI_EXPRESS), None)
    facts = Facts(vendor_id, device_id, layout)
    extended: list[tuple[int, int]] = []
    if express is not None:
        port_type = data[express + 2] >> _PORT_TYPE_SHIFT & _NIBBLE if express + 2 < end else -1
        lanes = _U16(data, express + _LINK_CAPABILITIES)[0] >> _LANES_SHIFT if express + 14 <= end else 0
        facts = Facts(vendor_id, device_id, layout, port_type, lanes & _LANES_MASK)
        extended = [*_extended(data, problems)]
    places = [_place(data, at, number, facts, found, end) for at, number in found]
    extended_end = min(len(data), EXTENDED_BYTES)
    for at, number in extended:
        plain = PLAIN_EXTENDED.get(number)
        if plain is None:
            places.append(_extended_place(data, at, number, facts, extended, extended_end))
        else:
            places.append(Place(at, number, plain, extended_end))
    return Walk(facts, tuple(places), tuple(problems))


def _conventional(data: bytes, end: int, layout: int, problems: list[Problem]) -> Iterator[tuple[int, int]]:
    """Yield offset and id of each capability below 100h."""
    if not _U16(data, _STATUS)[0] & _CAPABILITIES_LIST:
        return
    came_from = _CARD_BUS_POINTER if layout == HeaderLayout.CARD_BUS else _POINTER
    at = data[came_from] & _DW_MASK
    visited: set[int] = set()
    while at:
        if at < HEADER_BYTES:
            problems.append(Problem(came_from, f"the next capability is at {at:#x}, inside the header"))
            return
        if at in visited:
            problems.append(Problem(came_from, f"the list loops back to {at:#x}"))
            return
        if at + 4 > end:
            problems.append(Problem(came_from, f"the next capability is at {at:#x}, but {end} bytes were read"))
            return
        capability_id = data[at]
        if capability_id == _NO_CAPABILITY:
            problems.append(Problem(at, "no capability has the id 0xff: the list is broken"))
            return
        visited.add(at)
        yield at, capability_id
        came_from, at = at + 1, data[at + 1] & _DW_MASK


def _extended(data: bytes, problems: list[Problem]) -> Iterator[tuple[int, int]]:
    """Yield offset and id of each extended capability."""
    end = min(len(data), EXTENDED_BYTES)
    at, came_from = FIRST_EXTENDED_OFFSET, FIRST_EXTENDED_OFFSET
    if end < at + 4:
        problems.append(Problem(at, f"extended configuration space was not read: there are {end} bytes"))
        return
    visited: set[int] = set()
    while at:
        if at < FIRST_EXTENDED_OFFSET:
            reason = f"the next extended capability is at {at:#x}, outside extended space"
            problems.append(Problem(came_from, reason))
            return
        if at in visited:
            problems.append(Problem(came_from, f"the extended list loops back to {at:#x}"))
            return
        if at + 4 > end:
            problems.append(
                Problem(came_from, f"the next extended capability is at {at:#x}, but {end} bytes were read")
            )
            return
        (header,) = _U32(data, at)
        if header in {0, _ALL_ONES}:
            if at != FIRST_EXTENDED_OFFSET:
                problems.append(Problem(at, f"the extended list leads to a header of {header:#010x}"))
            return
        visited.add(at)
        yield at, header & _EXTENDED_ID_MASK
        came_from, at = at, header >> _EXTENDED_NEXT_SHIFT & _EXTENDED_NEXT_MASK


def _next_start(found: Sequence[tuple[int, int]], at: int, end: int) -> int:
    """Return where the structure after this one starts, or the end."""
    return min((start for start, _ in found if start > at), default=end)


def _place(data: bytes, at: int, capability_id: int, facts: Facts, found: Sequence[tuple[int, int]], end: int) -> Place:
    try:
        layout = capability_layout(capability_id, data, at, facts)
    except (error, IndexError):
        layout = OpaqueCapability
    stop = _without_zeros(data, at, _next_start(found, at, end)) if layout is OpaqueCapability else end
    return Place(at, capability_id, layout, stop)


def _extended_place(
    data: bytes, at: int, capability_id: int, facts: Facts, found: Sequence[tuple[int, int]], end: int
) -> Place:
    try:
        layout = extended_layout(capability_id, data, at, facts)
        size = own_size(layout, data, at, facts)
    except (error, IndexError):
        layout, size = OpaqueExtendedCapability, None
    if size is not None:
        return Place(at, capability_id, layout, min(at + size, end))
    takes_the_rest = layout is OpaqueExtendedCapability or layout in _TO_THE_NEXT
    stop = _without_zeros(data, at, _next_start(found, at, end)) if takes_the_rest else end
    return Place(at, capability_id, layout, stop)


def _without_zeros(data: bytes, at: int, stop: int) -> int:
    """Return where the last double word that is not zero ends, at least behind the header."""
    used = len(data[at:stop].rstrip(b"\0"))
    return min(at + max(-(-used // 4) * 4, 4), stop)
