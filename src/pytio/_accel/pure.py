"""The hot loops in plain Python: what runs where nothing was compiled, and what the compiled twins are tested against.

Pure and compiled functions have the same names, the same arguments and the same results. They find where things are
and take no protocol decision; errors about the format belong to the callers.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from pytio._accel.pure_rows import INTERFACE, ROW, ROW_BYTES, classify, last_requests

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ("index_pcap", "last_requests", "scan_pcap", "scan_pcapng")

# ts_sec, ts_frac, captured length, original length: pcap-savefile(5). Only the captured length is needed to walk.
_RECORD_HEADER_BYTES: Final = 16
_NS_PER_S: Final = 1_000_000_000
_RECORD_HEADER: Final = {False: Struct("<4I"), True: Struct(">4I")}
# type, total length, interface, time high, time low, captured length, original length: pcapng, Enhanced Packet Block
_ENHANCED: Final = {False: Struct("<7I"), True: Struct(">7I")}
_ENHANCED_BLOCK: Final = 6
_LENGTH_BYTES: Final = 4
_MOST_NS: Final = (1 << 62) - 1
_CAPTURED_LENGTH: Final = {False: Struct("<8xI"), True: Struct(">8xI")}


def index_pcap(data: Buffer, offset: int, big_endian: bool) -> tuple[list[int], int]:
    """Walk classic pcap record headers; return the offset of each complete record, and of the first incomplete one.

    The second is ``len(data)`` when the bytes end with a whole record. Raises ``ValueError`` when ``offset`` lies
    outside of ``data``.
    """
    view = memoryview(data).cast("B")
    end = len(view)
    if not 0 <= offset <= end:
        raise ValueError(f"offset {offset} is outside of {end} bytes")
    captured_length = _CAPTURED_LENGTH[bool(big_endian)].unpack_from
    starts = []
    while offset + _RECORD_HEADER_BYTES <= end:
        after = offset + _RECORD_HEADER_BYTES + captured_length(view, offset)[0]
        if after > end:
            break
        starts.append(offset)
        offset = after
    return starts, offset


def scan_pcap(
    data: Buffer, at: int, big_endian: bool, ns_per_unit: int, link: int, interface: int, rows: bytearray
) -> tuple[int, int]:
    """Fill rows with the classic pcap records from ``at`` on.

    Returns how many there are, and the offset of the first record that is incomplete or has no row. Raises
    ``ValueError`` when ``at`` lies outside of ``data``.
    """
    view = memoryview(data).cast("B")
    if not 0 <= at <= len(view):
        raise ValueError(f"offset {at} is outside of {len(view)} bytes")
    header = _RECORD_HEADER[bool(big_endian)]
    count = 0
    while count < len(rows) // ROW_BYTES and at + header.size <= len(view):
        seconds, fraction, size, original = header.unpack_from(view, at)
        start = at + header.size
        if start + size > len(view):
            break
        said = classify(view[start : start + size], link, interface, original)
        time_ns = seconds * _NS_PER_S + fraction * ns_per_unit
        ROW.pack_into(rows, count * ROW_BYTES, time_ns, start, size, original, *said)
        count, at = count + 1, start + size
    return count, at


def scan_pcapng(data: Buffer, at: int, big_endian: bool, interfaces: bytes, rows: bytearray) -> tuple[int, int]:
    """Fill rows with the packets from ``at`` on, as long as they are Enhanced Packet Blocks without options.

    ``interfaces`` holds one `pure_rows.INTERFACE` for each interface; packets of one whose link is 0 end the run, too.
    Returns how many rows there are, and the offset of the first block that none stands for. Raises ``ValueError`` when
    ``at`` lies outside of ``data``.
    """
    view = memoryview(data).cast("B")
    if not 0 <= at <= len(view):
        raise ValueError(f"offset {at} is outside of {len(view)} bytes")
    known = [*INTERFACE.iter_unpack(interfaces)]
    layout = _ENHANCED[bool(big_endian)]
    count = 0
    while count < len(rows) // ROW_BYTES and at + layout.size <= len(view):
        kind, total, number, high, low, size, original = layout.unpack_from(view, at)
        ticks, padded = high << 32 | low, -(-size // _LENGTH_BYTES) * _LENGTH_BYTES
        end = at + total - _LENGTH_BYTES
        if kind != _ENHANCED_BLOCK or total != layout.size + padded + _LENGTH_BYTES or number >= len(known):
            break
        ns_per_tick, offset_ns, link, place = known[number]
        is_whole = at + total <= len(view) and view[end : end + _LENGTH_BYTES] == view[at + 4 : at + 8]
        if not is_whole or not link or ticks > _MOST_NS // ns_per_tick:
            break
        start = at + layout.size
        said = classify(view[start : start + size], link, place, original)
        ROW.pack_into(rows, count * ROW_BYTES, ticks * ns_per_tick + offset_ns, start, size, original, *said)
        count, at = count + 1, at + total
    return count, at
