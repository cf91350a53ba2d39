"""One function's configuration space, decoded from its bytes: header, capabilities, and what is wrong with them.

Document: PCIe Base 6.x chapter 7. A `Function` and its plain data hold every byte: what no structure covers is kept in
`rest`, so that both convert back to the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import attrs

from pytio.errors import PciDecodeError
from pytio.pci.capabilities.base import OpaqueCapability, OpaqueExtendedCapability
from pytio.pci.codes import FIRST_EXTENDED_OFFSET, HEADER_BYTES, CapabilityId, ExtendedCapabilityId, HeaderLayout
from pytio.pci.header import Header, OtherHeader, Type0Header, Type1Header
from pytio.pci.layouts import AnyCapability
from pytio.pci.walk import Place, Problem, walk
from pytio.wire.derive.json_text import json_reader

__all__ = ("Function", "Gap", "Located", "decode", "function_json", "header_class")

_HEADERS: Final[Mapping[int, type[Header]]] = {HeaderLayout.TYPE_0: Type0Header, HeaderLayout.TYPE_1: Type1Header}
_NAMES: Final = {int(member): member.name for member in CapabilityId}
_EXTENDED_NAMES: Final = {int(member): member.name for member in ExtendedCapabilityId}
_HEADER_LAYOUT: Final = 0x0E
_LAYOUT_MASK: Final = 0x7F


@attrs.frozen
class Located:
    """A capability and where it is."""

    offset: int
    size: int
    structure: AnyCapability

    @property
    def name(self) -> str:
        """The capability's name."""
        return self.structure.capability_id.name


class Gap(NamedTuple):
    """Bytes that no structure covers."""

    offset: int
    data: bytes


@attrs.frozen
class Function:
    """A function's configuration space.

    Attributes:
        size: how many bytes there were.
        header: the first 64 bytes.
        capabilities: of both lists, in their order.
        rest: what no structure covers, where it is not zero.
        problems: what is not as the specification has it, in the order in which it was met.
    """

    size: int
    header: Header
    capabilities: tuple[Located, ...]
    rest: tuple[Gap, ...] = ()
    problems: tuple[Problem, ...] = ()

    def find(self, capability_id: CapabilityId | ExtendedCapabilityId) -> AnyCapability | None:
        """Return the first capability with this id, None where there is none."""
        return next((found.structure for found in self.capabilities if _has_id(found, capability_id)), None)

    def build(self) -> bytes:
        """Return the bytes."""
        places = [(0, self.header.build()), *((found.offset, found.structure.build()) for found in self.capabilities)]
        return _laid_out(self.size, [*places, *self.rest])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; `pytio.pci.plain.function_from_plain` takes it back."""
        return {
            "size": self.size,
            "header": {"structure": self.header.NAME, "fields": self.header.to_dict()},
            "capabilities": [
                {
                    "offset": found.offset,
                    "size": found.size,
                    "name": found.name,
                    "structure": found.structure.NAME,
                    "fields": found.structure.to_dict(),
                }
                for found in self.capabilities
            ],
            "rest": [{"offset": gap.offset, "data": gap.data.hex()} for gap in self.rest],
            "problems": [problem.to_dict() for problem in self.problems],
        }


def _has_id(found: Located, capability_id: CapabilityId | ExtendedCapabilityId) -> bool:
    is_extended = isinstance(capability_id, ExtendedCapabilityId)
    return is_extended is (found.offset >= FIRST_EXTENDED_OFFSET) and found.structure.capability_id == capability_id


def decode(data: bytes) -> Function:
    """Decode configuration space as far as it goes.

    Raises:
        PciDecodeError: there are less than the 64 bytes of the header.
    """
    header_layout = header_class(data)
    walked = walk(data)
    problems = list(walked.problems)
    capabilities: list[Located] = []
    for place in walked.places:
        structure, size = _parsed(data, place, problems)
        capabilities.append(Located(place.offset, size, structure))
    extents = sorted([(0, HEADER_BYTES), *((found.offset, found.size) for found in capabilities)])
    problems += _overlaps(extents)
    return Function(
        len(data),
        header_layout.parse(data[:HEADER_BYTES]),
        tuple(capabilities),
        tuple(_gaps(data, extents)),
        tuple(problems),
    )


def header_class(data: bytes) -> type[Header]:
    """Return the class of the header.

    Raises:
        PciDecodeError: there are less than 64 bytes.
    """
    if len(data) < HEADER_BYTES:
        raise PciDecodeError(f"the header needs {HEADER_BYTES} bytes, there are {len(data)}", data, len(data), "Header")
    return _HEADERS.get(data[_HEADER_LAYOUT] & _LAYOUT_MASK, OtherHeader)


def _parsed(data: bytes, place: Place, problems: list[Problem]) -> tuple[AnyCapability, int]:
    """Parse a capability; one that does not parse is kept by its bytes."""
    chunk = data[place.offset : place.stop]
    try:
        return place.layout.parse_prefix(chunk)
    except PciDecodeError as error:
        problems.append(Problem(place.offset + error.offset, f"{error.path}: {error.reason}"))
        return _opaque(place).parse_prefix(chunk[: _kept(chunk)])


def _opaque(place: Place) -> type[OpaqueCapability | OpaqueExtendedCapability]:
    return OpaqueExtendedCapability if place.offset >= FIRST_EXTENDED_OFFSET else OpaqueCapability


def _kept(chunk: bytes) -> int:
    """Return how much of a capability that does not parse is shown with it."""
    return max(len(chunk.rstrip(b"\0")), min(4, len(chunk)))


def _overlaps(extents: Sequence[tuple[int, int]]) -> Iterator[Problem]:
    """Yield a problem for each structure that starts inside one before it; they come in order."""
    reach, owner = 0, 0
    for at, size in extents:
        if at < reach:
            yield Problem(at, f"the structure at {owner:#x} reaches to {reach:#x}, over this one")
        if at + size > reach:
            reach, owner = at + size, at


def _gaps(data: bytes, extents: Sequence[tuple[int, int]]) -> Iterator[Gap]:
    """Yield what lies between structures, which come in order, from its first to its last byte that is not zero."""
    at = 0
    for start, size in [*extents, (len(data), 0)]:
        if start > at:
            between = data[at:start]
            used = between.strip(b"\0")
            if used:
                yield Gap(at + between.index(used), used)
        at = max(at, start + size)


def _laid_out(size: int, places: Iterable[tuple[int, bytes]]) -> bytes:
    laid = bytearray(size)
    for at, raw in places:
        laid[at : at + len(raw)] = raw
    return bytes(laid[:size])


def function_json(data: bytes) -> str:
    """Return ``json.dumps(decode(data).to_dict())`` without making the objects, for dumps of thousands of functions.

    Raises:
        PciDecodeError: there are less than the 64 bytes of the header.
    """
    header_layout = header_class(data)
    walked = walk(data)
    problems = list(walked.problems)
    capabilities: list[str] = []
    extents = [(0, HEADER_BYTES)]
    for place in walked.places:
        at, number, layout, stop = place
        try:
            fields, size = json_reader(layout)(data[at:stop])
        except PciDecodeError:
            structure, size = _parsed(data, place, problems)
            layout, fields = type(structure), json.dumps(structure.to_dict())
        extents.append((at, size))
        names = _EXTENDED_NAMES if at >= FIRST_EXTENDED_OFFSET else _NAMES
        name = names.get(number) or f"UNKNOWN_0x{number:02x}"
        capabilities.append(
            f'{{"offset": {at}, "size": {size}, "name": "{name}", "structure": "{layout.NAME}", "fields": {fields}}}'
        )
    extents.sort()
    problems += _overlaps(extents)
    rest = ", ".join(f'{{"offset": {gap.offset}, "data": "{gap.data.hex()}"}}' for gap in _gaps(data, extents))
    fields, _ = json_reader(header_layout)(data[:HEADER_BYTES])
    return (
        f'{{"size": {len(data)}, "header": {{"structure": "{header_layout.NAME}", "fields": {fields}}}, '
        f'"capabilities": [{", ".join(capabilities)}], "rest": [{rest}], '
        f'"problems": {json.dumps([problem.to_dict() for problem in problems]) if problems else "[]"}}}'
    )
