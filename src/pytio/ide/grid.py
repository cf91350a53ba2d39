"""TLPs as the specification draws them: a row for each dword, a column for each bit, byte 0 at the left.

The grid is made from the field lists of prefixes, header and OHC; what each field means is told below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from pytio.ide.codes import BYTES_PER_DW
from pytio.ide.ohc import OHC_OFFSET
from pytio.wire import WireStruct
from pytio.wire.show import layout

if TYPE_CHECKING:
    from pytio.ide.tlp import Tlp

__all__ = ("grid", "tlp_text")

_BITS: Final = 32
_BYTE_BITS: Final = 8
_WIDTH: Final = 2  # characters of a bit, its separator included
_MARGIN: Final = "      "
_ROW_BYTES: Final = 16


class _Cell(NamedTuple):
    """What one dword holds of a field: its highest bit, how many bits, and the text in them."""

    high: int
    width: int
    name: str
    value: int


def grid(parts: list[tuple[list[int], WireStruct]]) -> str:
    """Return the grid of structures of whole dwords, each with the offset of every dword that it has."""
    ruler = "".join(f"|{'+' + str(byte):^{_BYTE_BITS * _WIDTH - 1}}" for byte in range(BYTES_PER_DW)) + "|"
    digits = ("|" + " ".join(str(bit) for bit in reversed(range(_BYTE_BITS)))) * BYTES_PER_DW + "|"
    lines = [_MARGIN + ruler, _MARGIN + digits]
    edge = "+" + "-" * (_BITS * _WIDTH - 1) + "+"
    for offset, dword in sorted(_dwords(parts).items()):
        lines += [_MARGIN + edge, f"{offset:>4}  " + _row(dword)]
    return "\n".join([*lines, _MARGIN + edge])


def _dwords(parts: list[tuple[list[int], WireStruct]]) -> dict[int, list[_Cell]]:
    found: dict[int, list[_Cell]] = {}
    for offsets, message in parts:
        raw = message.build()
        for span in layout(message):
            if span.field is None or span.start == span.end:
                continue
            size = 8 * (span.end - span.start)
            high, low = span.bits or (size - 1, 0)
            start = 8 * span.start + size - 1 - high  # counted from the first bit of the structure
            for dword, first, width in _pieces(start, high - low + 1):
                value = int.from_bytes(raw[dword : dword + BYTES_PER_DW], "big") >> (_BITS - first - width)
                cell = _Cell(_BITS - 1 - first, width, span.name, value & ((1 << width) - 1))
                found.setdefault(offsets[dword // BYTES_PER_DW], []).append(cell)
    return found


def _pieces(start: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Yield, for each dword that a run of bits touches, its byte offset, the first bit and how many bits."""
    while width > 0:
        first = start % _BITS
        here = min(width, _BITS - first)
        yield start // _BITS * BYTES_PER_DW, first, here
        start += here
        width -= here


def _row(cells: list[_Cell]) -> str:
    return "".join("|" + _text(cell).center(cell.width * _WIDTH - 1) for cell in sorted(cells, reverse=True)) + "|"


def _text(cell: _Cell) -> str:
    room = cell.width * _WIDTH - 1
    value = f"{cell.value:x}"
    named = f"{cell.name} {value}"
    return named if len(named) <= room else value


def tlp_text(tlp: Tlp) -> str:
    """Return name, grid, the meaning of each field, and payload and trailers in hex."""
    placed = _placed(tlp)
    size = len(tlp.build())
    lines = [f"{tlp.header.tlp_type.name} ({size} bytes)", grid(placed)]
    lines += [part.show() for _, part in placed]
    for name in ("payload", "pcrc", "mac", "ecrc"):
        data: bytes = getattr(tlp, name)
        rows = [data[at : at + _ROW_BYTES].hex(" ") for at in range(0, len(data), _ROW_BYTES)]
        lines += [f"{name if not at else '':<8}{row}" for at, row in enumerate(rows)]
    return "\n".join(lines)


def _placed(tlp: Tlp) -> list[tuple[list[int], WireStruct]]:
    """Return the parts before the payload, each with the offsets of its dwords: OHC stands inside a header."""
    inside = len(tlp.ohc)
    header = tlp.header.minimum_size() // BYTES_PER_DW
    dwords = [BYTES_PER_DW * number for number in range(len(tlp.prefixes) + header + inside)]
    start = len(tlp.prefixes)
    split = start + min(OHC_OFFSET // BYTES_PER_DW, header)
    return [
        *(([at], prefix) for at, prefix in zip(dwords, tlp.prefixes, strict=False)),
        (dwords[start:split] + dwords[split + inside :], tlp.header),
        *(([at], part) for at, part in zip(dwords[split:], tlp.ohc, strict=False)),
    ]
