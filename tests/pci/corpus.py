"""Configuration spaces made for tests: capabilities laid out in lists, and every bit of them toggled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import attrs

from pytio.pci.capabilities.base import Capability, ExtendedCapability
from pytio.pci.codes import HeaderLayout
from pytio.pci.header import Type0Header, Type1Header

Link: TypeAlias = Callable[[bytearray, int, int], None]
FIRST = 0x40
FIRST_EXTENDED = 0x100
ENDPOINT = Type0Header(vendor_id=0x1022, device_id=0x14A0, class_code=0x120000)
BRIDGE = Type1Header(vendor_id=0x1022, device_id=0x14AB, class_code=0x060400, header_layout=HeaderLayout.TYPE_1)


@attrs.frozen
class Placed:
    """A capability's bytes, with the header's id and version, wherever it will be."""

    raw: bytes
    is_extended: bool


def placed(structure: Capability | ExtendedCapability) -> Placed:
    """Take a structure for a list."""
    return Placed(structure.build(), isinstance(structure, ExtendedCapability))


def space(header: Type0Header | Type1Header, capabilities: Sequence[Placed], size: int = 4096) -> bytes:
    """Lay out a header and the capabilities, each list in the order given."""
    conventional = [each.raw for each in capabilities if not each.is_extended]
    data = bytearray(4096)
    data[:64] = header.replace(
        capabilities_pointer=FIRST if conventional else 0,
        status=header.status.replace(capabilities_list=bool(conventional)),
    ).build()
    _lay_out(data, conventional, FIRST, _link)
    _lay_out(data, [each.raw for each in capabilities if each.is_extended], FIRST_EXTENDED, _link_extended)
    return bytes(data[:size])


def _lay_out(
    data: bytearray, structures: Sequence[bytes], at: int, link: Callable[[bytearray, int, int], None]
) -> None:
    for index, raw in enumerate(structures):
        data[at : at + len(raw)] = raw
        following = -(-(at + len(raw)) // 4) * 4
        link(data, at, following if index < len(structures) - 1 else 0)
        at = following


def _link(data: bytearray, at: int, following: int) -> None:
    data[at + 1] = following


def _link_extended(data: bytearray, at: int, following: int) -> None:
    header = int.from_bytes(data[at : at + 4], "little") & 0xF_FFFF | following << 20
    data[at : at + 4] = header.to_bytes(4, "little")


def toggled(data: bytes, start: int, size: int) -> Iterator[bytes]:
    """Yield ``data`` with each bit of some bytes changed, one at a time."""
    for bit in range(8 * size):
        changed = bytearray(data)
        changed[start + bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
