"""Configuration space as text: what ``lspci -x``, ``-xxx`` and ``-xxxx`` print, with or without ``-v``, and back.

A function starts with its address at the start of a line; lines of hex follow, perhaps after indented text. Dumps of
thousands of functions are read in one pass, the usual shapes by slices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytio.errors import PciDecodeError
from pytio.ids import Bdf
from pytio.pci.codes import CONVENTIONAL_BYTES, EXTENDED_BYTES, HEADER_BYTES

__all__ = ("DumpedFunction", "format_dump", "is_dump", "parse_dump")

_ROW_BYTES: Final = 16
_IDENTITY: Final = (slice(0, 2), slice(2, 4), slice(10, 12))
"""Vendor id, device id, and the upper two bytes of the class code."""
_START: Final = re.compile(r"^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?=[ \r\n]|\Z)", re.MULTILINE)
_ROW: Final = re.compile(r"^([0-9a-f]{2,4}):((?: [0-9a-f]{2}){1,16}) *\r?$", re.MULTILINE)


class DumpedFunction(NamedTuple):
    """One function of a dump."""

    bdf: Bdf
    data: bytes


class _Block(NamedTuple):
    """Lines of one length in a hex dump: where their text is, and what their labels are, column by column."""

    columns: list[slice]
    labels: list[str]


class _Shape(NamedTuple):
    """A hex dump of a usual size without anything between its lines: where in the text everything is."""

    length: int
    blocks: list[_Block]
    rows: list[slice]


def _shape(size: int) -> _Shape:
    blocks, rows, at = [], [], 0
    for digits, offsets in ((2, range(0, min(size, 0x100), _ROW_BYTES)), (3, range(0x100, size, _ROW_BYTES))):
        if not offsets:
            continue
        labels = [f"{offset:02x}: " for offset in offsets]
        line = digits + 2 + 3 * _ROW_BYTES
        stop = at + line * len(labels)
        columns = [slice(at + column, stop, line) for column in range(digits + 2)]
        blocks.append(_Block(columns, ["".join(column) for column in zip(*labels, strict=True)]))
        rows += [slice(start + digits + 2, start + line) for start in range(at, stop, line)]
        at = stop
    return _Shape(at, blocks, rows)


_SHAPES: Final = tuple(map(_shape, (EXTENDED_BYTES, CONVENTIONAL_BYTES, HEADER_BYTES)))


def is_dump(text: str) -> bool:
    """Return whether text starts like a dump: with the address of a function."""
    return _START.match(text.lstrip("\n")) is not None


def parse_dump(text: str) -> Iterator[DumpedFunction]:
    """Yield the functions of a dump, in its order; those without hex, where reading was denied, are left out.

    Raises:
        PciDecodeError: no function has hex, or lines of hex are missing.
    """
    count = at = 0
    text = text.lstrip("\n")
    while (start := _START.match(text, at)) is not None:
        body = text.find("\n", start.end()) + 1
        found = _shaped(text, body)
        if found is None:
            break
        data, at = found
        count += 1
        yield DumpedFunction(Bdf.parse(start[1]), data)
    for function in _others(text, at):
        count += 1
        yield function
    if not count:
        raise PciDecodeError("no hex dump of any function: lspci needs -x, -xxx or -xxxx")


def _shaped(text: str, body: int) -> tuple[bytes, int] | None:
    """Return what a dump of a usual shape holds, and where the next function starts; None where it is another."""
    for shape in _SHAPES:
        stop = body + shape.length
        if text[stop - 1 : stop + 1] not in {"\n\n", "\n"} or (stop < len(text) and text[stop] != "\n"):
            continue
        lines = text[body:stop]
        for block in shape.blocks:
            if [lines[column] for column in block.columns] != block.labels:
                return None
        try:
            data = bytes.fromhex("".join([lines[row] for row in shape.rows]))
        except ValueError:  # what is wrong, the slow way says
            return None
        while stop < len(text) and text[stop] == "\n":
            stop += 1
        return data, stop
    return None


def _others(text: str, at: int) -> Iterator[DumpedFunction]:
    """Yield the functions from ``at`` on, whatever stands between their lines."""
    starts = list(_START.finditer(text, at))
    ends = [*(start.start() for start in starts[1:]), len(text)][: len(starts)]
    for start, end in zip(starts, ends, strict=True):
        data = _rows(text[start.end() : end], start[1])
        if data:
            yield DumpedFunction(Bdf.parse(start[1]), data)


def _rows(body: str, function: str) -> bytes:
    data = b""
    for row in _ROW.finditer(body):
        if int(row[1], 16) != len(data):
            raise PciDecodeError(f"{function}: line {row[1]} follows {len(data):#x} bytes", data, len(data))
        data += bytes.fromhex(row[2])
    return data


def format_dump(bdf: Bdf, data: bytes, title: str = "") -> str:
    """Return a function as ``lspci -xxxx`` prints it, which ``lspci -F`` and `parse_dump` read.

    Without a ``title`` it has the numbers that ``lspci -n`` shows: class, vendor and device.
    """
    if not title:
        vendor_id, device_id, class_code = (int.from_bytes(data[part], "little") for part in _IDENTITY)
        title = f"{class_code:04x}: {vendor_id:04x}:{device_id:04x}"
    rows = (f"{at:02x}: {data[at : at + _ROW_BYTES].hex(' ')}\n" for at in range(0, len(data), _ROW_BYTES))
    return f"{bdf} {title}\n{''.join(rows)}\n"
