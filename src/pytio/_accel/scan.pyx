"""Compiled twin of `pytio._accel.pure`'s scanners; `scan.pyi` says what they promise."""

from libc.stdint cimport uint8_t, uint32_t

from pytio._accel.cursor cimport Cursor, take, u32_be, u32_le


cdef enum:
    HEADER_BYTES = 16
    CAPTURED_LENGTH_OFFSET = 8


def index_pcap(const uint8_t[::1] data, offset, bint big_endian):
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
