"""Compiled twin of `pytio._accel.pure_records`; `records.pyi` says what the class promises."""

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from pytio._accel.openers cimport TAG_BYTES, Opener, Pair, SessionOpener, open_next
from pytio._accel.rows cimport (
    INNER_MCTP_TYPE, KIND_SECURED, KIND_SPDM, RECORD_HEADER_BYTES, REQUEST, RESPONSE, Row, SPDM_HEADER_BYTES,
    STATE_FOREIGN, STATE_OPEN, describe, u16,
)


cdef enum:
    SPDM_TYPE = 5  # of an MCTP message
    MOST_NUMBER_BYTES = 8
    STOPS = 512
    INSIDE = 256  # where the marks for codes inside records begin
    MOST_PLAIN = 0x7FFFFFFF

    DONE = 0
    READ = 1
    OPENED = 2
    RAW = 3
    FAILED = 4


cdef struct Entry:
    uint32_t flow
    uint32_t session
    Pair* pair  # NULL: its records are opened elsewhere


cdef inline uint32_t turned(uint32_t flow) noexcept nogil:
    """Return a flow with its ends in the other order."""
    return (flow & ~<uint32_t>0xFFFF) | ((flow << 8) & 0xFF00) | ((flow >> 8) & 0xFF)


cdef inline bint is_inside(const Row* row, uint64_t data_bytes, uint64_t plain_bytes) noexcept nogil:
    """Say whether a record lies in the data, is one at all, and whether its payload has room."""
    cdef uint64_t size = row.body_size
    return (row.offset <= data_bytes and <uint64_t>row.body + size <= data_bytes - row.offset and size <= plain_bytes
            and row.number_bytes <= MOST_NUMBER_BYTES and size >= RECORD_HEADER_BYTES + row.number_bytes + TAG_BYTES)


cdef bint open_row(Pair* pair, Row* row, const uint8_t* record, uint8_t* out) noexcept nogil:
    """Open a record with the next number of either side; say in its row whose it was."""
    cdef int attempted, side, index, header = RECORD_HEADER_BYTES + row.number_bytes
    cdef Opener* opener
    cdef bint is_next
    for attempted in range(2):
        side = pair.expected ^ attempted
        opener = pair.sides[side]
        is_next = True
        for index in range(row.number_bytes):
            is_next = is_next and record[4 + index] == <uint8_t>(opener.sequence >> 8 * index)
        if is_next and open_next(opener, record, header, record + header, row.body_size - header, out):
            pair.expected = side ^ 1
            pair.failures = 0
            row.direction = RESPONSE if side else REQUEST
            row.state = STATE_OPEN
            row.plain_size = row.body_size - header - TAG_BYTES
            return True
    return False


cdef bint look_inside(Row* row, const uint8_t* plain, bint is_encrypted) noexcept nogil:
    """Fill in what an opened record says; False where somebody else has to tell what it is."""
    cdef uint32_t at = 0, size = row.plain_size
    if is_encrypted:
        if size < 2 or u16(plain) > size - 2:
            return False
        size = u16(plain)
        at = 2
    if row.inner == INNER_MCTP_TYPE:
        if not size:
            return False
        if plain[at] != SPDM_TYPE:
            row.state = STATE_FOREIGN
            return False
        at += 1
        size -= 1
    if size < SPDM_HEADER_BYTES or not describe(row, plain + at, size):
        return False
    row.plain += at
    row.plain_size = size
    return True


cdef class RecordTable:
    cdef Entry* entries
    cdef Py_ssize_t count
    cdef list kept

    def __cinit__(self):
        self.entries = NULL
        self.count = 0

    def __dealloc__(self):
        free(self.entries)

    def set(self, list sessions not None):
        cdef SessionOpener opener
        cdef Entry* made = <Entry*>malloc(max(len(sessions), 1) * sizeof(Entry))
        if made is NULL:
            raise MemoryError
        free(self.entries)
        self.entries, self.count, self.kept = made, 0, sessions[:]  # which keeps alive what the entries point to
        for flow, session, found in self.kept:
            made[self.count].flow, made[self.count].session = flow, session
            made[self.count].pair = NULL
            if isinstance(found, SessionOpener):
                opener = found
                made[self.count].pair = &opener.c
            self.count += 1

    def open_rows(self, bytes data not None, bytearray rows not None, Py_ssize_t first, Py_ssize_t count,
                  bytes stops not None, bytearray plain not None, Py_ssize_t plain_at):
        # The interpreter stays locked: nobody may exchange the keys of a session meanwhile.
        cdef Py_ssize_t at = first, index
        cdef Row* row
        cdef Entry* entry
        cdef int reason = DONE
        cdef const uint8_t* at_data = <const uint8_t*>data
        cdef const uint8_t* marks = <const uint8_t*>stops
        cdef uint8_t* at_plain = <uint8_t*>PyByteArray_AS_STRING(plain)
        cdef Py_ssize_t data_bytes = len(data), plain_bytes = len(plain)

        if first < 0 or count > len(rows) // <Py_ssize_t>sizeof(Row) or len(stops) != STOPS:
            raise ValueError("rows that are not there")
        if not 0 <= plain_at <= plain_bytes or plain_bytes > MOST_PLAIN:
            raise ValueError("no room for payloads")
        while at < count and not reason:
            row = <Row*>PyByteArray_AS_STRING(rows) + at
            if row.kind == KIND_SPDM:
                reason = READ if marks[row.code] else DONE
            elif row.kind != KIND_SECURED:
                reason = READ
            else:
                for index in range(self.count):
                    entry = self.entries + index
                    if entry.session != row.session or (entry.flow != row.flow and entry.flow != turned(row.flow)):
                        continue
                    if not is_inside(row, data_bytes, plain_bytes - plain_at):
                        raise ValueError("rows that do not fit their data")
                    reason = FAILED
                    if entry.pair is NULL or not open_row(entry.pair, row, at_data + row.offset + row.body,
                                                          at_plain + plain_at):
                        continue
                    row.flow = entry.flow
                    row.plain = <uint32_t>plain_at
                    reason = RAW
                    plain_at += row.plain_size
                    if look_inside(row, at_plain + row.plain, entry.pair.sides[0].is_encrypted):
                        reason = OPENED if marks[INSIDE + row.code] else DONE
                    break
            at += not reason
        return at, plain_at, reason
