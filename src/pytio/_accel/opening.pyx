# cython: boundscheck=False, wraparound=False, cdivision=True
"""From IDE TLPs to TLPs, a buffer of them at a time; `opening.pyi` says what it promises.

The checks are those of a receiver, in its order. Units of one TLP are opened up to 32 at a time; what comes after one that
does not open is overwritten before anybody sees it. Larger units are put together in a buffer of their own.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from pytio._accel.cipher cimport FIXED_BYTES, MAC_BYTES, Cipher, Unit
from pytio._accel.crc cimport crc32, fill_tables
from pytio._accel.tlps cimport (
    DW, IDE_PREFIX, IS_ALLOWED, IS_MESSAGE, LONG_HEADER, MESSAGE_CODE_AT, MOST_HEAD, MOST_HIDDEN, MOST_MEMBERS,
    MOST_PAYLOAD, PCRC, SUB_STREAM_MASK, TC_MASK, TC_SHIFT, TD, AHEAD, Hidden, Shape, hidden_of, prefetch, put_hidden, shape_of, take_hidden,
)
from pytio._accel.units cimport UnitKey, write_invocation

cdef enum:
    LANES = 3
    KEY_SETS = 2
    BLOCK = 32
    IV_ROOM = 16
    COUNTER_LIMIT = 255
    RESERVED_BIT = 0x80
    P_BIT = 0x08
    M_BIT = 0x04
    K_BIT = 0x02
    T_BIT = 0x01
    SUB_STREAM_SHIFT = 4
    SUB_STREAM_BITS = 7
    MOST_TEXT = MOST_MEMBERS * (MOST_HIDDEN + MOST_PAYLOAD + PCRC)
    # What is wrong with a TLP: the numbers of `pytio.ide.IdeError`.
    MAC_MISMATCH = 1
    COUNTER_UNDERFLOW = 2
    COUNTER_OVERFLOW = 3
    TYPE_NOT_ALLOWED = 4
    RESERVED_SUB_STREAM = 5
    WRONG_SUB_STREAM = 6
    WRONG_TRAFFIC_CLASS = 7
    KEY_SET_MISUSE = 8
    AGGREGATION_MISUSE = 9
    UNSUPPORTED_FIELD = 12
    MISROUTED = 13
    PCRC_MISMATCH = 14
    REQUESTER_OUT_OF_RANGE = 15
    COMPLETER_OUT_OF_RANGE = 16
    IDE_SYNC = 255  # nothing is wrong, but it is the stream's own
    FAILED = -1

cdef struct Member:
    int64_t number
    uint8_t* header  # where it is in the output; NULL where it is not kept
    uint8_t* payload
    uint32_t payload_bytes
    bint hides
    Hidden hidden

cdef struct Scratch:
    uint8_t aad[MOST_MEMBERS * MOST_HEAD]
    uint8_t text[MOST_TEXT]
    uint8_t clear[MOST_TEXT]

cdef struct Lane:
    Cipher* cipher
    void* keys[KEY_SETS]
    uint64_t invocations[KEY_SETS]
    uint8_t fixed[FIXED_BYTES]
    int k
    int pending
    int members
    uint32_t aad_bytes
    uint32_t text_bytes
    Unit units[BLOCK]
    int64_t numbers[BLOCK]
    uint8_t ivs[BLOCK * IV_ROOM]
    Member member[MOST_MEMBERS]
    Scratch* scratch

cdef struct Job:
    Lane lanes[LANES]
    const uint8_t* kinds
    const uint32_t* tables
    uint8_t sync_code
    uint8_t stream_id
    uint8_t traffic_class
    bint pcrc
    int mode
    bint is_aggregation_supported
    bint checks_senders
    uint32_t first_id
    uint32_t last_id
    int64_t counters[LANES]
    int64_t failed  # the number of the TLP that failed, or the count of all
    uint8_t error
    const uint8_t* data
    const uint64_t* index
    uint8_t* verdicts
    Shape* shapes  # of the TLPs of a batch
    int64_t room  # for how many there is memory


cdef void fail(Job* job, int64_t number, uint8_t error) noexcept nogil:
    """Remember the first failure."""
    if number < job.failed:
        job.failed = number
        job.error = error


cdef void flush(Job* job, Lane* lane) noexcept nogil:
    """Open what a lane has collected; the plaintext of what does not open, and of what follows, goes in the end."""
    cdef int count = lane.pending, opened
    lane.pending = 0
    if count:
        opened = lane.cipher.open(lane.keys[lane.k], lane.units, count)
        if opened < count:
            fail(job, lane.numbers[opened], MAC_MISMATCH)


cdef uint8_t* next_iv(Lane* lane, int place) noexcept nogil:
    cdef uint8_t* iv = &lane.ivs[place * IV_ROOM]
    write_invocation(iv, lane.invocations[lane.k])
    lane.invocations[lane.k] += 1
    return iv


cdef void close_unit(Job* job, Lane* lane, const uint8_t* mac, bint has_pcrc) noexcept nogil:
    """Open what a lane has put together, put the plaintext where it belongs, and look at its PCRC."""
    cdef Unit unit
    cdef Member* member
    cdef uint8_t* at = lane.scratch.clear
    cdef uint32_t crc = 0, payload_bytes = 0
    cdef int64_t last = lane.member[lane.members - 1].number
    cdef int i
    unit.iv = next_iv(lane, 0)
    unit.aad = lane.scratch.aad
    unit.aad_bytes = lane.aad_bytes
    unit.source = lane.scratch.text
    unit.text_bytes = lane.text_bytes
    unit.target = lane.scratch.clear
    unit.mac = <uint8_t*>mac
    if lane.cipher.open(lane.keys[lane.k], &unit, 1) != 1:
        memset(lane.scratch.clear, 0, lane.text_bytes)
        fail(job, last, MAC_MISMATCH)
        return  # the members stay, since none of them is delivered
    for i in range(lane.members):
        member = &lane.member[i]
        if member.hides:
            at += put_hidden(member.header, &member.hidden, at)
        if member.header is not NULL:
            memcpy(member.payload, at, member.payload_bytes)
        if job.pcrc:
            crc = crc32(job.tables, crc, at, member.payload_bytes)
        payload_bytes += member.payload_bytes
        at += member.payload_bytes
    if job.pcrc and (payload_bytes or has_pcrc):
        if not has_pcrc or crc != (at[0] | <uint32_t>at[1] << 8 | <uint32_t>at[2] << 16 | <uint32_t>at[3] << 24):
            if job.verdicts[last] == 0:
                job.verdicts[last] = PCRC_MISMATCH
    lane.members = 0
    lane.aad_bytes = lane.text_bytes = 0


cdef uint8_t static_error(Job* job, const Shape* shape, const uint8_t* prefix, const uint8_t* header) noexcept nogil:
    """Look at what a prefix says, before any key is touched."""
    if header[1] >> TC_SHIFT & TC_MASK != job.traffic_class:
        return WRONG_TRAFFIC_CLASS
    if not shape.kind & IS_ALLOWED:
        return TYPE_NOT_ALLOWED
    if prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS >= LANES:
        return RESERVED_SUB_STREAM
    if prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS != shape.kind & SUB_STREAM_MASK:
        return WRONG_SUB_STREAM
    if header[2] & TD or prefix[3] & RESERVED_BIT or (prefix[3] & P_BIT and not prefix[3] & M_BIT):
        return UNSUPPORTED_FIELD
    return 0


cdef uint8_t sender_error(Job* job, const Shape* shape, const uint8_t* header) noexcept nogil:
    """Look at who sent a TLP: requester, or completer of a completion."""
    cdef uint32_t sender = header[4] << 8 | header[5]
    if not job.checks_senders or job.first_id <= sender <= job.last_id:
        return 0
    return COMPLETER_OUT_OF_RANGE if shape.kind & SUB_STREAM_MASK == 2 else REQUESTER_OUT_OF_RANGE


cdef bint choose_key(Job* job, Lane* lane, int k) noexcept nogil:
    """Follow K: it changes with a new unit only, and to a key that is switched on."""
    if k == lane.k:
        return lane.keys[k] is not NULL
    if lane.members or lane.keys[k] is NULL:
        return False
    flush(job, lane)
    lane.keys[lane.k] = NULL  # the old one is not accepted again
    lane.k = k
    return True


cdef bint gather(Job* job, Lane* lane, int64_t number, const Shape* shape, const uint8_t* prefix, uint8_t* head_out,
                 uint32_t trailer) noexcept nogil:
    """Add a TLP to the unit of a lane; False where it is too large."""
    cdef Member* member = &lane.member[lane.members]
    cdef Scratch* scratch = lane.scratch
    cdef uint32_t head_bytes = shape.ends + shape.header
    cdef uint8_t* aad = scratch.aad + lane.aad_bytes
    if lane.members == MOST_MEMBERS - 1 and not prefix[3] & M_BIT:
        return False
    lane.members += 1
    memcpy(aad, prefix, head_bytes)
    member.number = number
    member.payload_bytes = shape.payload
    member.hides = hidden_of(aad + shape.ends, shape.kind, job.mode, &member.hidden)
    member.header = NULL if head_out is NULL else head_out + shape.ends - DW
    member.payload = NULL if head_out is NULL else head_out + head_bytes - DW
    if member.hides:
        lane.text_bytes += take_hidden(aad + shape.ends, &member.hidden, scratch.text + lane.text_bytes)
    lane.aad_bytes += head_bytes
    memcpy(scratch.text + lane.text_bytes, prefix + head_bytes, shape.payload + trailer)
    lane.text_bytes += shape.payload + trailer
    return True


cdef uint8_t take(Job* job, int64_t number, const uint8_t* tlp, const Shape* shape, uint8_t* out) noexcept nogil:
    """Take one TLP as far as is possible before its MAC is looked at; return what is wrong."""
    cdef const uint8_t* prefix = tlp + shape.local
    cdef const uint8_t* header = prefix + shape.ends
    cdef uint32_t head_bytes = shape.ends + shape.header
    cdef bint is_last = prefix[3] & M_BIT != 0, has_pcrc = prefix[3] & P_BIT != 0
    cdef bint is_kept = job.verdicts[number] != IDE_SYNC
    cdef Lane* lane
    cdef Unit* unit
    cdef uint8_t error = static_error(job, shape, prefix, header)
    if error:
        return error
    lane = &job.lanes[shape.kind & SUB_STREAM_MASK]
    if not choose_key(job, lane, prefix[3] >> 1 & 1):
        return KEY_SET_MISUSE
    if (lane.members or not is_last) and not job.is_aggregation_supported:
        return AGGREGATION_MISUSE
    job.verdicts[number] = job.verdicts[number] or sender_error(job, shape, header)
    if is_kept:
        if shape.local:
            memcpy(out, tlp, shape.local)
        if shape.ends == DW and shape.header == LONG_HEADER:  # sizes that are known are copied at once
            memcpy(out + shape.local, prefix + DW, LONG_HEADER)
        else:
            memcpy(out + shape.local, prefix + DW, head_bytes - DW)
    if lane.members or not is_last or job.mode or job.pcrc or has_pcrc:
        flush(job, lane)
        if not gather(job, lane, number, shape, prefix, out + shape.local if is_kept else NULL, PCRC if has_pcrc else 0):
            return AGGREGATION_MISUSE
        if is_last:
            close_unit(job, lane, prefix + head_bytes + shape.payload + (PCRC if has_pcrc else 0), has_pcrc)
        return 0
    unit = &lane.units[lane.pending]
    unit.iv = next_iv(lane, lane.pending)
    unit.aad = prefix
    unit.aad_bytes = head_bytes
    unit.source = prefix + head_bytes
    unit.text_bytes = shape.payload
    unit.target = out + shape.local + head_bytes - DW  # of IDE Sync nothing is written, since it has no payload
    unit.mac = <uint8_t*>prefix + head_bytes + shape.payload
    lane.numbers[lane.pending] = number
    lane.pending += 1
    if lane.pending == BLOCK:
        flush(job, lane)
    return 0


cdef const uint8_t* prefix_of(Job* job, int64_t number) noexcept nogil:
    cdef const uint8_t* prefix = job.data + job.index[number]
    while prefix[0] != IDE_PREFIX:
        prefix += DW
    return prefix


cdef int64_t first_of_open_units(Job* job, int64_t limit) noexcept nogil:
    """Return the first TLP of the units that are open when the TLP ``limit`` comes, or ``limit``: what waits for them."""
    cdef int64_t first[LANES]
    cdef int64_t i
    cdef const uint8_t* prefix
    cdef int lane
    for lane in range(LANES):
        first[lane] = -1
    for i in range(limit):
        if job.verdicts[i] == MISROUTED:
            continue
        prefix = prefix_of(job, i)
        lane = prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS
        if prefix[3] & M_BIT:
            first[lane] = -1
        elif first[lane] < 0:
            first[lane] = i
    for lane in range(LANES):
        if 0 <= first[lane] < limit:
            limit = first[lane]
    return limit


cdef inline uint8_t count_one(int64_t* counters, const uint8_t* prefix, uint8_t verdict) noexcept nogil:
    """Count one TLP; return what is wrong with the counters."""
    cdef const uint8_t* header
    cdef int lane = prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS
    if lane == 0:
        counters[1] += 1
        counters[2] += 1
    else:
        counters[lane] -= prefix[1]
    if verdict == IDE_SYNC:
        header = prefix + DW
        while header[0] & 0xE0 == 0x80:
            header += DW
        counters[1] -= header[13]
        counters[2] -= header[14]
    if counters[1] < 0 or counters[2] < 0:
        return COUNTER_UNDERFLOW
    return COUNTER_OVERFLOW if counters[1] > COUNTER_LIMIT or counters[2] > COUNTER_LIMIT else 0


cdef int64_t count_up_to(Job* job, int64_t limit) noexcept nogil:
    """Count the TLPs up to ``limit``, or up to one with which a counter goes wrong; return where that ended."""
    cdef int64_t number
    cdef uint8_t error
    for number in range(limit):
        if job.verdicts[number] != MISROUTED:
            error = count_one(job.counters, prefix_of(job, number), job.verdicts[number])
            if error:
                fail(job, number, error)
                return number
    return limit


cdef int64_t whole(const uint8_t* data, const uint64_t* index, int64_t count, uint64_t size, const uint8_t* kinds,
                   uint8_t stream_id, Shape* shapes, int64_t* bad) noexcept nogil:
    """Return how many TLPs there are up to the last at which no unit is open; ``bad`` is the first malformed one, or -1."""
    cdef int members[SUB_STREAM_BITS + 1]
    cdef const uint8_t* prefix
    cdef Shape* shape
    cdef int64_t i, end = 0
    cdef uint64_t bytes
    cdef int opened = 0, lane
    memset(members, 0, sizeof(members))
    bad[0] = -1
    for i in range(count):
        if index[i] > index[i + 1] or index[i + 1] > size:
            bad[0] = i
            return 0
        if i + AHEAD < count and index[i + AHEAD] < size:
            prefetch(data + index[i + AHEAD])
        shape = &shapes[i]
        if not shape_of(data + index[i], index[i + 1] - index[i], kinds, shape):
            bad[0] = i
            return 0
        prefix = data + index[i] + shape.local
        bytes = shape.local + shape.ends + shape.header + shape.payload
        if shape.ends and prefix[0] == IDE_PREFIX:
            bytes += (PCRC if prefix[3] & P_BIT else 0) + (MAC_BYTES if prefix[3] & M_BIT else 0)
            if prefix[2] == stream_id:
                lane = prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS
                if prefix[3] & M_BIT:
                    opened -= members[lane] > 0
                    members[lane] = 0
                else:
                    opened += members[lane] == 0
                    members[lane] += 1
                    if members[lane] >= MOST_MEMBERS:
                        end = count  # which is a failure, so nothing comes after it
        elif prefix[shape.ends + 2] & TD:
            bytes += DW
        if index[i] + bytes != index[i + 1]:
            bad[0] = i
            return 0
        if not opened and end < count:
            end = i + 1
    return end


cdef bint is_sync(Job* job, const Shape* shape, const uint8_t* header) noexcept nogil:
    return shape.kind & IS_MESSAGE and shape.payload == 0 and header[MESSAGE_CODE_AT] == job.sync_code


cdef int64_t open_all(Job* job, int64_t count, uint8_t* out, uint64_t* out_index, uint8_t* tees) noexcept nogil:
    """Open all TLPs; return how many are delivered. The index, and T of each, are theirs."""
    cdef const Shape* shape
    cdef const uint8_t* tlp
    cdef uint8_t* at = out
    cdef int64_t i = 0, made = 0, limit
    cdef int64_t counters[LANES]
    cdef bint is_suspect = False
    cdef uint8_t error
    cdef int lane
    memcpy(counters, job.counters, sizeof(counters))
    while i < count and job.failed == count:
        tlp = job.data + job.index[i]
        shape = &job.shapes[i]
        job.verdicts[i] = 0
        if not shape.ends or tlp[shape.local] != IDE_PREFIX or tlp[shape.local + 2] != job.stream_id:
            job.verdicts[i] = MISROUTED
        else:
            if is_sync(job, shape, tlp + shape.local + shape.ends):
                job.verdicts[i] = IDE_SYNC
            out_index[made] = at - out
            tees[made] = tlp[shape.local + 3] & T_BIT
            error = take(job, i, tlp, shape, at)
            if error:
                fail(job, i, error)
                break
            # Counted at once, although a unit's MAC may come later; if something goes wrong, it is counted again in order.
            is_suspect |= count_one(job.counters, tlp + shape.local, job.verdicts[i]) != 0
            if job.verdicts[i] != IDE_SYNC:
                made += 1
                at += shape.local + shape.ends - DW + shape.header + shape.payload
        i += 1
    for lane in range(LANES):
        flush(job, &job.lanes[lane])
    out_index[made] = at - out
    if is_suspect or job.failed < count:
        memcpy(job.counters, counters, sizeof(counters))
        limit = count if job.failed == count else first_of_open_units(job, job.failed)
        limit = count_up_to(job, limit)
        at = out + out_index[made]
        made = 0
        for i in range(limit):
            made += job.verdicts[i] != MISROUTED and job.verdicts[i] != IDE_SYNC
        memset(out + out_index[made], 0, at - (out + out_index[made]))
        job.verdicts[job.failed] = job.error
    return made


cdef class Opener:
    """See the stub."""

    cdef Job* job
    cdef uint32_t tables[8 * 256]
    cdef bytes kinds
    cdef bint is_busy

    def __cinit__(self, bytes kinds, int stream_id, int traffic_class, bint pcrc, int mode,
                  bint is_aggregation_supported, object senders, int sync_code):
        cdef int i
        if len(kinds) != 256:
            raise ValueError("kinds are 256")
        self.job = <Job*>calloc(1, sizeof(Job))
        if self.job is NULL:
            raise MemoryError
        self.kinds = kinds
        fill_tables(self.tables)
        self.job.kinds = <const uint8_t*><char*>kinds
        self.job.tables = self.tables
        self.job.stream_id = stream_id
        self.job.traffic_class = traffic_class
        self.job.pcrc = pcrc
        self.job.mode = mode
        self.job.is_aggregation_supported = is_aggregation_supported
        self.job.sync_code = sync_code
        if senders is not None:
            self.job.checks_senders = True
            self.job.first_id, self.job.last_id = senders
        for i in range(LANES):
            self.job.lanes[i].scratch = <Scratch*>calloc(1, sizeof(Scratch))
            if self.job.lanes[i].scratch is NULL:
                raise MemoryError

    def __dealloc__(self):
        cdef int i
        if self.job is not NULL:
            for i in range(LANES):
                if self.job.lanes[i].scratch is not NULL:
                    memset(self.job.lanes[i].scratch, 0, sizeof(Scratch))
                free(self.job.lanes[i].scratch)
            free(self.job.shapes)
            free(self.job)

    def open(self, tuple keys, list state, const uint8_t[::1] data, const uint64_t[::1] index, uint8_t[::1] out,
             uint64_t[::1] out_index, uint8_t[::1] tees, uint8_t[::1] verdicts):
        cdef int64_t count = index.shape[0] - 1, bad = -1, made
        cdef uint8_t nothing = 0
        if self.is_busy:
            raise RuntimeError("another call is at work on this stream")
        if count < 0:
            raise ValueError("an index has one offset more than there are TLPs")
        if out.shape[0] < data.shape[0] or out_index.shape[0] < count + 1 or min(tees.shape[0], verdicts.shape[0]) < count:
            raise ValueError("an output buffer is too small")
        if count == 0:
            return 0, 0, 0
        self.is_busy = True
        try:
            self._make_room(count)
            self.job.data = &data[0] if data.shape[0] else &nothing
            self.job.index = &index[0]
            self.job.verdicts = &verdicts[0]
            count = whole(self.job.data, &index[0], count, data.shape[0], self.job.kinds, self.job.stream_id,
                          self.job.shapes, &bad)
            if bad >= 0:
                raise ValueError(bad)
            if count == 0:
                return 0, 0, 0
            self._take(keys, state)
            self.job.failed, self.job.error = count, 0
            try:
                with nogil:
                    made = open_all(self.job, count, &out[0], &out_index[0], &tees[0])
            finally:
                for key in keys:
                    if key is not None:
                        (<UnitKey>key).users -= 1
            self._give(state)
            return (self.job.failed if self.job.error else count), made, self.job.error
        finally:
            self.is_busy = False

    cdef int _make_room(self, int64_t count) except -1:
        cdef void* larger
        if count > self.job.room:
            larger = realloc(self.job.shapes, count * sizeof(Shape))
            if larger is NULL:
                raise MemoryError
            self.job.shapes, self.job.room = <Shape*>larger, count
        return 0

    cdef int _take(self, tuple keys, list state) except -1:
        cdef int i, j, k
        cdef uint8_t iv[IV_ROOM]
        cdef Lane* lane
        cdef UnitKey key
        for i in range(LANES):
            for k in range(KEY_SETS):
                if keys[KEY_SETS * i + k] is not None:
                    key = keys[KEY_SETS * i + k]
                    key.make_iv(state[LANES + KEY_SETS * i + k], iv)  # refuses a closed key, and a number too large
        for i in range(LANES):
            lane = &self.job.lanes[i]
            for k in range(KEY_SETS):
                lane.keys[k] = NULL
                if keys[KEY_SETS * i + k] is not None:
                    key = keys[KEY_SETS * i + k]
                    key.users += 1
                    lane.cipher, lane.keys[k] = key.cipher, key.expanded
                    for j in range(BLOCK):
                        memcpy(&lane.ivs[j * IV_ROOM], key.fixed, FIXED_BYTES)
                lane.invocations[k] = state[LANES + KEY_SETS * i + k]
            lane.k = state[i]
            lane.pending = lane.members = 0
            lane.aad_bytes = lane.text_bytes = 0
        self.job.counters[1], self.job.counters[2] = state[LANES * (KEY_SETS + 1)], state[LANES * (KEY_SETS + 1) + 1]
        return 0

    cdef int _give(self, list state) except -1:
        cdef int i, k
        for i in range(LANES):
            state[i] = self.job.lanes[i].k
            for k in range(KEY_SETS):
                state[LANES + KEY_SETS * i + k] = self.job.lanes[i].invocations[k]
        state[LANES * (KEY_SETS + 1)] = self.job.counters[1]
        state[LANES * (KEY_SETS + 1) + 1] = self.job.counters[2]
        return 0
