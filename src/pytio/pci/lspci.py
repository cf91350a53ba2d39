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


class _Shape(NamedTuple):
    """A hex dump of the usual size without anything between its lines: where in the text everything is."""

    length: int
    labels: list[slice]
    label_text: str
    rows: list[slice]


def _shape(size: int) -> _Shape:
    labels, rows, text, at = [], [], "", 0
    for offset in range(0, size, _ROW_BYTES):
        label = f"{offset:02x}: "
        labels.append(slice(at, at + len(label)))
        at += len(label)
        rows.append(slice(at, at + 3 * _ROW_BYTES))
        at += 3 * _ROW_BYTES
        text += label
    return _Shape(at, labels, text, rows)


_SHAPES: Final = {shape.length: shape for shape in map(_shape, (HEADER_BYTES, CONVENTIONAL_BYTES, EXTENDED_BYTES))}


def is_dump(text: str) -> bool:
    """Return whether text starts like a dump: with the address of a function."""
    return _START.match(text.lstrip("\n")) is not None


def parse_dump(text: str) -> Iterator[DumpedFunction]:
    """Yield the functions of a dump, in its order; those without hex, where reading was denied, are left out.

    Raises:
        PciDecodeError: no function has hex, or lines of hex are missing.
    """
    starts = list(_START.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)][: len(starts)]
    count = 0
    for start, end in zip(starts, ends, strict=True):
        body = text.find("\n", start.end(), end) + 1
        data = _hex(text, body, end, start[1]) if body else b""
        if data:
            count += 1
            yield DumpedFunction(Bdf.parse(start[1]), data)
    if not count:
        raise PciDecodeError(f"no hex dump in {len(starts)} functions: lspci needs -x, -xxx or -xxxx")


def _hex(text: str, start: int, end: int, function: str) -> bytes:
    while end > start and text[end - 1] in "\r\n":
        end -= 1
    shape = _SHAPES.get(end - start + 1)
    if shape is not None:
        body = text[start:end] + " "
        if "".join([body[label] for label in shape.labels]) == shape.label_text:
            try:
                return bytes.fromhex("".join([body[row] for row in shape.rows]))
            except ValueError:
                pass  # what is wrong, the slow way says
    return _rows(text[start:end], function)


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
