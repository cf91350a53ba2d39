"""Compiled twin of `pytio._accel.pure`'s scanners; `scan.pyi` says what they promise."""

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pytio._accel.cursor cimport Cursor, take, u32_be, u32_le
from pytio._accel.rows cimport MOST_PLACES, REQUEST, Row, STATE_OPEN, classify


cdef enum:
    HEADER_BYTES = 16
    CAPTURED_LENGTH_OFFSET = 8
    ENHANCED_FIXED_BYTES = 28  # block header and fixed part
    ENHANCED_BLOCK = 6


def index_pcap(const uint8_t[::1] data not None, offset, bint big_endian):
    cdef Cursor cur
    cdef const uint8_t* base
    cdef const uint8_t* header
    cdef uint32_t length
    cdef list starts = []

    # Compared as a Python integer: one that is too large for C is outside, too.
    if not 0 <= offset <= data.shape[0]:
        raise ValueError(f"offset {offset} is outside of {data.shape[0]} bytes")
    if offset == data.shape[0]:  # an empty buffer has no address to take
        return starts, offset
    base = &data[0]
    cur.at = base + <Py_ssize_t>offset
    cur.end = base + data.shape[0]
    while True:
        header = take(&cur, HEADER_BYTES)
        if header is NULL:
            return starts, cur.at - base
        length = u32_be(header + CAPTURED_LENGTH_OFFSET) if big_endian else u32_le(header + CAPTURED_LENGTH_OFFSET)
        if take(&cur, length) is NULL:
            return starts, header - base
        starts.append(header - base)


cdef inline uint32_t number_at(const uint8_t* here, bint big_endian) noexcept nogil:
    return u32_be(here) if big_endian else u32_le(here)


cdef packed struct Interface:
    int64_t ns_per_tick
    int64_t offset_ns
    uint32_t link
    uint32_t place


def scan_pcap(const uint8_t[::1] data not None, Py_ssize_t at, bint big_endian, int64_t ns_per_unit, uint32_t link,
              uint32_t interface, uint8_t[::1] rows not None):
    cdef Cursor cur
    cdef const uint8_t* base
    cdef const uint8_t* header
    cdef const uint8_t* packet
    cdef Py_ssize_t count = 0, room = rows.shape[0] // <Py_ssize_t>sizeof(Row)
    cdef Row* row
    cdef uint32_t size

    if not 0 <= at <= data.shape[0]:
        raise ValueError(f"offset {at} is outside of {data.shape[0]} bytes")
    if at == data.shape[0] or not room:
        return 0, at
    base = &data[0]
    cur.at = base + at
    cur.end = base + data.shape[0]
    with nogil:
        while count < room:
            header = take(&cur, HEADER_BYTES)
            if header is NULL:
                break
            size = u32_be(header + 8) if big_endian else u32_le(header + 8)
            packet = take(&cur, size)
            if packet is NULL:
                cur.at = header
                break
            row = <Row*>&rows[0] + count
            memset(row, 0, sizeof(Row))
            row.time_ns = (<int64_t>(u32_be(header) if big_endian else u32_le(header)) * 1000000000
                           + <int64_t>(u32_be(header + 4) if big_endian else u32_le(header + 4)) * ns_per_unit)
            row.offset = packet - base
            row.size = size
            row.original = u32_be(header + 12) if big_endian else u32_le(header + 12)
            row.interface = interface
            classify(row, packet, link)
            count += 1
    return count, cur.at - base


def scan_pcapng(const uint8_t[::1] data not None, Py_ssize_t at, bint big_endian, const uint8_t[::1] interfaces not None,
                uint8_t[::1] rows not None):
    cdef Cursor cur
    cdef const uint8_t* base
    cdef const uint8_t* block
    cdef const uint8_t* fixed
    cdef Py_ssize_t count = 0, room = rows.shape[0] // <Py_ssize_t>sizeof(Row)
    cdef Py_ssize_t known = interfaces.shape[0] // <Py_ssize_t>sizeof(Interface)
    cdef const Interface* interface
    cdef Row* row
    cdef uint32_t total, size, number
    cdef uint64_t ticks

    if not 0 <= at <= data.shape[0]:
        raise ValueError(f"offset {at} is outside of {data.shape[0]} bytes")
    if at == data.shape[0] or not room or not known:
        return 0, at
    base = &data[0]
    cur.at = base + at
    cur.end = base + data.shape[0]
    with nogil:
        while count < room:
            block = cur.at
            fixed = take(&cur, ENHANCED_FIXED_BYTES)
            if fixed is NULL or number_at(block, big_endian) != ENHANCED_BLOCK:
                break
            total = number_at(block + 4, big_endian)
            number = number_at(block + 8, big_endian)
            size = number_at(block + 20, big_endian)
            if total < ENHANCED_FIXED_BYTES + 4 or total - ENHANCED_FIXED_BYTES - 4 != (<uint64_t>size + 3) // 4 * 4:
                break  # with options, or damaged
            if take(&cur, total - ENHANCED_FIXED_BYTES) is NULL or number_at(cur.at - 4, big_endian) != total:
                break
            if number >= known:
                break
            interface = <const Interface*>&interfaces[0] + number
            ticks = <uint64_t>number_at(block + 12, big_endian) << 32 | number_at(block + 16, big_endian)
            if not interface.link or ticks > <uint64_t>0x3FFFFFFFFFFFFFFF // <uint64_t>interface.ns_per_tick:
                break
            row = <Row*>&rows[0] + count
            memset(row, 0, sizeof(Row))
            row.time_ns = <int64_t>ticks * interface.ns_per_tick + interface.offset_ns
            row.offset = block + ENHANCED_FIXED_BYTES - base
            row.size = size
            row.original = number_at(block + 24, big_endian)
            row.interface = interface.place
            classify(row, block + ENHANCED_FIXED_BYTES, interface.link)
            count += 1
            block = cur.at
        cur.at = block
    return count, cur.at - base


def last_requests(bytearray rows not None, Py_ssize_t first, Py_ssize_t stop):
    cdef Py_ssize_t at, index, known = 0
    cdef const Row* row
    cdef const Row* other
    cdef const Row* seen[MOST_PLACES]
    cdef list found = []

    if not 0 <= first <= stop <= len(rows) // <Py_ssize_t>sizeof(Row):
        raise ValueError("rows that are not there")
    for at in range(stop - 1, first - 1, -1):
        row = <const Row*>PyByteArray_AS_STRING(rows) + at
        if row.direction != REQUEST:
            continue
        for index in range(known):
            other = seen[index]
            if (other.flow == row.flow and other.session == row.session
                    and (other.state == STATE_OPEN) == (row.state == STATE_OPEN)):
                break
        else:
            if known < MOST_PLACES:
                seen[known] = row
                known += 1
                found.append(at)
    return found
