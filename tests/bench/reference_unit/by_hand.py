"""The unit as one writes it by hand for speed: ``struct`` and frozen attrs classes, plain numbers, lengths checked."""

from __future__ import annotations

import struct
from typing import Any

import attrs

__all__ = ("decode", "encode")

_HEADER = struct.Struct("<HBBI")
_ALGORITHMS = struct.Struct("<BBBBHBBIII12sBBH")
_ALGORITHM = struct.Struct("<BBH")
_REPORT = struct.Struct("<HHHHII")
_RANGE = struct.Struct("<QIHH")
_SIZE = struct.Struct("<I")
_NUMBERS = [struct.Struct(f"<{count}I") for count in range(256)]


@attrs.frozen
class Header:
    """The DOE header."""

    vendor: int
    kind: int
    reserved: int
    length: int


@attrs.frozen
class Algorithm:
    """One algorithm structure."""

    kind: int
    fixed: int
    ext_count: int
    supported: int
    ext: tuple[int, ...]


@attrs.frozen
class Algorithms:
    """ALGORITHMS."""

    version: int
    code: int
    count: int
    param2: int
    length: int
    specification: int
    other: int
    measurement_hash: int
    base_asym: int
    base_hash: int
    reserved: bytes
    ext_asym_count: int
    ext_hash_count: int
    reserved2: int
    ext_asym: tuple[int, ...]
    ext_hash: tuple[int, ...]
    algorithms: tuple[Algorithm, ...]


@attrs.frozen
class Range:
    """One MMIO range."""

    first_page: int
    page_count: int
    attributes: int
    range_id: int


@attrs.frozen
class Report:
    """The interface report."""

    info: int
    reserved: int
    msix: int
    lnr: int
    tph: int
    range_count: int
    ranges: tuple[Range, ...]
    device_size: int
    device: bytes


@attrs.frozen
class Unit:
    """All three."""

    header: Header
    algorithms: Algorithms
    report: Report


def decode(data: bytes) -> Unit:
    """Parse the unit."""
    header = Header(*_HEADER.unpack_from(data, 0))
    values = _ALGORITHMS.unpack_from(data, 8)
    at = 8 + _ALGORITHMS.size
    ext_asym = _NUMBERS[values[11]].unpack_from(data, at)
    at += 4 * values[11]
    ext_hash = _NUMBERS[values[12]].unpack_from(data, at)
    at += 4 * values[12]
    found = []
    for _ in range(values[2]):
        kind, counts, supported = _ALGORITHM.unpack_from(data, at)
        ext = _NUMBERS[counts & 15].unpack_from(data, at + 4)
        found.append(Algorithm(kind, counts >> 4, counts & 15, supported, ext))
        at += 4 + 4 * (counts & 15)
    algorithms = Algorithms(*values, ext_asym, ext_hash, tuple(found))  # type: ignore[call-arg]  # 14 values
    fixed = _REPORT.unpack_from(data, at)
    start = at + _REPORT.size
    stop = start + 16 * fixed[5]
    if stop + 4 > len(data):
        raise ValueError("short")
    ranges = tuple(Range(*each) for each in _RANGE.iter_unpack(data[start:stop]))
    (size,) = _SIZE.unpack_from(data, stop)
    device = data[stop + 4 : stop + 4 + size]
    if len(device) != size:
        raise ValueError("short")
    return Unit(header, algorithms, Report(*fixed, ranges, size, device))  # type: ignore[call-arg]  # 6 values


def encode(unit: Unit) -> bytes:
    """Build the unit."""
    h, a, r = unit.header, unit.algorithms, unit.report
    fixed: tuple[Any, ...] = (a.version, a.code, a.count, a.param2, a.length, a.specification, a.other)
    chosen = (a.measurement_hash, a.base_asym, a.base_hash, a.reserved, a.ext_asym_count, a.ext_hash_count, a.reserved2)
    parts = [
        _HEADER.pack(h.vendor, h.kind, h.reserved, h.length),
        _ALGORITHMS.pack(*fixed, *chosen),
        _NUMBERS[a.ext_asym_count].pack(*a.ext_asym),
        _NUMBERS[a.ext_hash_count].pack(*a.ext_hash),
    ]
    for each in a.algorithms:
        parts.append(_ALGORITHM.pack(each.kind, each.fixed << 4 | each.ext_count, each.supported))
        parts.append(_NUMBERS[each.ext_count].pack(*each.ext))
    parts.append(_REPORT.pack(r.info, r.reserved, r.msix, r.lnr, r.tph, r.range_count))
    parts.extend(_RANGE.pack(m.first_page, m.page_count, m.attributes, m.range_id) for m in r.ranges)
    parts.append(_SIZE.pack(r.device_size))
    parts.append(r.device)
    return b"".join(parts)
