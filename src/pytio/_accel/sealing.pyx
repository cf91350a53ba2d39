# cython: boundscheck=False, wraparound=False, cdivision=True
"""From TLPs to IDE TLPs, a buffer of them at a time; `sealing.pyi` says what it promises.

TLPs that are a unit each are laid out first and sealed up to 32 at a time: a processor that has just written a prefix
byte by byte would wait to load it as a vector. Larger units are put together in a buffer of their own.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from pytio._accel.buffers cimport borrow, give_back
from pytio._accel.cipher cimport FIXED_BYTES, MAC_BYTES, Cipher, Unit
from pytio._accel.crc cimport crc32, fill_tables
from pytio._accel.tlps cimport (
    AHEAD, DW, IDE_PREFIX, IS_ALLOWED, IS_MESSAGE, LONG_HEADER, MESSAGE_CODE_AT, MOST_HEAD, MOST_HIDDEN, MOST_MEMBERS,
    MOST_PAYLOAD, PCRC, SUB_STREAM_MASK, TC_MASK, TC_SHIFT, TD, Hidden, Plain, Shape, copy_head, copy_plain, eight_bytes,
    fill_plain_types, hidden_of, plain_shape_of, prefetch, put_hidden, shape_of, take_hidden,
)
from pytio._accel.units cimport UnitKey, write_invocation

cdef enum:
    LANES = 3
    BLOCK = 32
    IV_ROOM = 16
    BUFFERS = 5  # of a caller
    COUNTER_LIMIT = 254  # at which IDE Sync, which counts itself, goes next
    P_BIT = 0x08
    M_BIT = 0x04
    T_BIT = 0x01
    MOST_TEXT = MOST_MEMBERS * (MOST_HIDDEN + MOST_PAYLOAD + PCRC)

cdef struct Member:
    uint8_t* header  # where it is in the output
    uint8_t* payload
    uint32_t payload_bytes
    bint hides
    Hidden hidden

cdef struct Scratch:
    uint8_t aad[MOST_MEMBERS * MOST_HEAD]
    uint8_t text[MOST_TEXT]
    uint8_t sealed[MOST_TEXT]

cdef struct Lane:
    Cipher* cipher
    void* key
    uint64_t invocation
    int64_t waiting  # TLPs that come later
    uint8_t last_byte  # of the prefix: sub-stream and K
    int limit
    int pending
    int members
    uint32_t aad_bytes
    uint32_t text_bytes
    uint32_t payload_bytes
    uint32_t crc
    Unit units[BLOCK]
    uint8_t ivs[BLOCK * IV_ROOM]
    Member member[MOST_MEMBERS]
    Scratch* scratch

cdef struct Job:
    Lane lanes[LANES]
    const uint8_t* kinds
    const uint32_t* tables
    uint8_t own[2]  # the codes of IDE's own messages
    uint8_t stream_id
    uint8_t traffic_class
    bint pcrc
    int mode
    Shape* shapes  # of the TLPs of a batch
    int64_t room  # for how many there is memory
    uint32_t counters[LANES]  # of NPR and CPL
    Plain plain
    uint8_t* out
    uint8_t* at  # where the next TLP goes
    uint64_t* place  # where the index says so


cdef inline bint flush(Lane* lane) noexcept nogil:
    cdef int count = lane.pending
    lane.pending = 0
    return count == 0 or lane.cipher.seal(lane.key, lane.units, count) == count


cdef inline uint8_t* next_iv(Lane* lane, int place) noexcept nogil:
    cdef uint8_t* iv = &lane.ivs[place * IV_ROOM]
    write_invocation(iv, lane.invocation)
    lane.invocation += 1
    return iv


cdef bint close_unit(Job* job, Lane* lane, uint8_t* mac) noexcept nogil:
    """Seal what a lane has put together, and put the ciphertext where it belongs."""
    cdef Unit unit
    cdef Member* member
    cdef uint8_t* at = lane.scratch.sealed
    cdef int i
    if not flush(lane):
        return False
    unit.iv = next_iv(lane, 0)
    unit.aad = lane.scratch.aad
    unit.aad_bytes = lane.aad_bytes
    unit.source = lane.scratch.text
    unit.text_bytes = lane.text_bytes
    unit.target = lane.scratch.sealed
    unit.mac = mac
    if lane.cipher.seal(lane.key, &unit, 1) != 1:
        return False
    for i in range(lane.members):
        member = &lane.member[i]
        if member.hides:
            at += put_hidden(member.header, &member.hidden, at)
        memcpy(member.payload, at, member.payload_bytes)
        at += member.payload_bytes
    lane.members = 0
    lane.aad_bytes = lane.text_bytes = lane.payload_bytes = 0
    lane.crc = 0
    return True


cdef uint8_t* gather(Job* job, Lane* lane, uint8_t* head, const Shape* shape, const uint8_t* payload, bint is_last,
                     bint has_pcrc) noexcept nogil:
    """Add a TLP, whose head is laid out, to the unit of a lane; return the end of what it takes, or NULL."""
    cdef Member* member = &lane.member[lane.members]
    cdef Scratch* scratch = lane.scratch
    cdef uint32_t head_bytes = shape.ends + shape.header
    cdef uint8_t* aad = scratch.aad + lane.aad_bytes
    cdef uint32_t i
    lane.members += 1
    member.header = head + shape.ends
    member.payload = head + head_bytes
    member.payload_bytes = shape.payload
    member.hides = hidden_of(member.header, shape.kind, job.mode, &member.hidden)
    memcpy(aad, head, head_bytes)
    if member.hides:
        lane.text_bytes += take_hidden(aad + shape.ends, &member.hidden, scratch.text + lane.text_bytes)
    lane.aad_bytes += head_bytes
    memcpy(scratch.text + lane.text_bytes, payload, shape.payload)
    lane.text_bytes += shape.payload
    lane.payload_bytes += shape.payload
    if job.pcrc:
        lane.crc = crc32(job.tables, lane.crc, payload, shape.payload)
    if has_pcrc:
        for i in range(PCRC):
            scratch.text[lane.text_bytes + i] = lane.crc >> 8 * i & 0xFF
        lane.text_bytes += PCRC
        member.payload_bytes += PCRC
    head = member.payload + member.payload_bytes
    if not is_last:
        return head
    return head + MAC_BYTES if close_unit(job, lane, head) else NULL


cdef uint8_t* seal_tlp(Job* job, const uint8_t* tlp, Shape* shape, uint8_t tee, int counter, uint8_t* out) noexcept nogil:
    """Lay out one TLP, and seal it or put it where it is sealed with others; return the end of it, or NULL."""
    cdef Lane* lane = &job.lanes[shape.kind & SUB_STREAM_MASK]
    cdef const uint8_t* payload = tlp + shape.local + shape.ends + shape.header
    cdef uint8_t* head = out + shape.local
    cdef Unit* unit
    cdef bint is_last = lane.members + 1 >= lane.limit or lane.waiting == 0
    cdef bint has_pcrc = job.pcrc and is_last and lane.payload_bytes + shape.payload != 0
    if shape.local:
        memcpy(out, tlp, shape.local)
    head[0] = IDE_PREFIX
    head[1] = counter
    head[2] = job.stream_id
    head[3] = lane.last_byte | tee | (M_BIT if is_last else 0) | (P_BIT if has_pcrc else 0)
    copy_head(head + DW, tlp + shape.local, shape)
    shape.ends += DW
    if has_pcrc or job.mode or lane.members or not is_last:
        return gather(job, lane, head, shape, payload, is_last, has_pcrc)
    unit = &lane.units[lane.pending]
    unit.iv = next_iv(lane, lane.pending)
    unit.aad = head
    unit.aad_bytes = shape.ends + shape.header
    unit.source = payload
    unit.text_bytes = shape.payload
    unit.target = head + unit.aad_bytes
    unit.mac = unit.target + shape.payload
    lane.pending += 1
    if lane.pending == BLOCK and not flush(lane):
        return NULL
    return unit.mac + MAC_BYTES


cdef inline void count_sent(Job* job, int lane, uint32_t count) noexcept nogil:
    """Count TLPs of one sub-stream that were sent, one after the other."""
    if lane == 0:
        job.counters[1] += count
        job.counters[2] += count
    else:
        job.counters[lane] = 0


cdef int64_t seal_run(Job* job, const uint8_t* data, const uint64_t* index, int64_t number, int64_t end,
                      const uint8_t* tee, int tee_step) noexcept nogil:
    """Do as `seal_tlp` with plain TLPs of one sub-stream that follow one another; return the number of the next, or -1.

    What changes from one to the next is kept out of memory: to store and load it again takes longer than all the rest.
    """
    cdef const Shape* shape = &job.shapes[number]
    cdef uint8_t kind = shape.kind
    cdef Lane* lane = &job.lanes[kind & SUB_STREAM_MASK]
    cdef Unit* unit = &lane.units[lane.pending]
    cdef uint8_t* iv = &lane.ivs[lane.pending * IV_ROOM]
    cdef uint64_t invocation = lane.invocation
    cdef uint8_t* at = job.at
    cdef uint64_t* place = job.place
    cdef uint8_t last_byte = lane.last_byte | M_BIT
    cdef uint32_t counter = job.counters[kind & SUB_STREAM_MASK]
    cdef int64_t first = number, limit = number + BLOCK - lane.pending
    if kind & SUB_STREAM_MASK == 0:  # up to where IDE Sync is due
        counter = 0
        limit = min(limit, number + COUNTER_LIMIT - <int64_t>max(job.counters[1], job.counters[2]))
    limit = max(min(limit, end), number + 1)
    while True:
        place[0] = at - job.out
        write_invocation(iv, invocation)
        at[0] = IDE_PREFIX
        at[1] = counter
        at[2] = job.stream_id
        at[3] = last_byte | tee[number * tee_step] & T_BIT
        copy_plain(at + DW, data + index[number], shape)
        unit.iv = iv
        unit.aad = at
        unit.aad_bytes = DW + shape.header
        unit.source = data + index[number] + shape.header
        unit.text_bytes = shape.payload
        at += DW + shape.header
        unit.target = at
        at += shape.payload
        unit.mac = at
        at += MAC_BYTES
        counter = 0
        place, iv, invocation, unit, shape, number = place + 1, iv + IV_ROOM, invocation + 1, unit + 1, shape + 1, number + 1
        if number == limit or not shape.is_plain or (shape.kind ^ kind) & SUB_STREAM_MASK:
            break
    job.at, job.place = at, place
    lane.invocation = invocation
    lane.pending += number - first
    count_sent(job, kind & SUB_STREAM_MASK, number - first)
    return -1 if lane.pending == BLOCK and not flush(lane) else number


cdef uint8_t* seal_sync(Job* job, const uint8_t* template, uint8_t* out) noexcept nogil:
    """Send IDE Sync, a posted request that carries both counters, itself counted, and starts them again."""
    cdef uint8_t sync[LONG_HEADER]
    cdef Shape shape
    memcpy(sync, template, LONG_HEADER)
    sync[13] = job.counters[1] + 1
    sync[14] = job.counters[2] + 1
    job.counters[1] = job.counters[2] = 0
    shape_of(sync, LONG_HEADER, job.kinds, &shape)
    return seal_tlp(job, sync, &shape, 0, 0, out)


cdef bint is_sent(Job* job, const uint8_t* tlp, uint64_t size, Shape* shape) noexcept nogil:
    """Find the parts of a TLP; False where it is malformed, or of a kind that is not sent."""
    cdef const uint8_t* header
    if not shape_of(tlp, size, job.kinds, shape):
        return False
    header = tlp + shape.local + shape.ends
    return (
        <uint64_t>shape.local + shape.ends + shape.header + shape.payload == size
        and shape.kind & IS_ALLOWED
        and header[1] >> TC_SHIFT & TC_MASK == job.traffic_class
        and not header[2] & TD
        and not (shape.kind & IS_MESSAGE and (header[MESSAGE_CODE_AT] == job.own[0] or header[MESSAGE_CODE_AT] == job.own[1]))
        and not (shape.ends and tlp[shape.local] == IDE_PREFIX)
    )


cdef int64_t check(Job* job, const uint8_t* data, const uint64_t* index, int64_t count, uint64_t size) noexcept nogil:
    """Count what each sub-stream has to send; return the number of the first TLP that cannot be sent, or -1."""
    cdef Shape* shape = job.shapes
    cdef uint64_t begin, end = index[0]
    cdef int64_t i
    if end > size:
        return 0
    for i in range(count):
        begin, end = end, index[i + 1]
        prefetch(data + begin, AHEAD * (end - begin))
        if end > size:
            return i
        if not plain_shape_of(data + begin, end - begin, &job.plain, 0, 0, shape):
            if begin > end or not is_sent(job, data + begin, end - begin, shape):
                return i
            if job.lanes[shape.kind & SUB_STREAM_MASK].limit > 1:  # which alone asks how many are to come
                job.lanes[shape.kind & SUB_STREAM_MASK].waiting += 1
        shape += 1
    return -1


cdef inline void put(Job* job, uint8_t* end) noexcept nogil:
    """Say where one more TLP begins; the next one begins at ``end``."""
    job.place[0] = job.at - job.out
    job.place += 1
    job.at = end


cdef int64_t seal_all(Job* job, const uint8_t* data, const uint64_t* index, int64_t count, const uint8_t* tee,
                      int tee_step, const uint8_t* sync, uint8_t* out, uint64_t* out_index) noexcept nogil:
    """Seal all TLPs; return how many there are with those of IDE Sync, or -1 where the library failed."""
    cdef Shape* shape
    cdef int64_t i = 0
    cdef int lane, counter
    job.out = job.at = out
    job.place = out_index
    while i < count:
        shape = &job.shapes[i]
        if shape.is_plain:
            i = seal_run(job, data, index, i, count, tee, tee_step)
        else:
            lane = shape.kind & SUB_STREAM_MASK
            counter = job.counters[lane] if lane else 0
            count_sent(job, lane, 1)
            job.lanes[lane].waiting -= job.lanes[lane].limit > 1
            put(job, seal_tlp(job, data + index[i], shape, tee[i * tee_step] & T_BIT, counter, job.at))
            i += 1
        if i >= 0 and job.at is not NULL and (job.counters[1] >= COUNTER_LIMIT or job.counters[2] >= COUNTER_LIMIT):
            put(job, seal_sync(job, sync, job.at))
        if i < 0 or job.at is NULL:
            return -1
    job.place[0] = job.at - out
    for lane in range(LANES):
        if not flush(&job.lanes[lane]):
            return -1
    return job.place - out_index


cdef class Sealer:
    """See the stub."""

    cdef Job* job
    cdef uint32_t tables[8 * 256]
    cdef bytes kinds
    cdef bytes sync
    cdef bint is_busy

    def __cinit__(self, bytes kinds, int stream_id, int traffic_class, bint pcrc, int mode, tuple aggregation, bytes sync, bytes own):
        cdef int i
        if len(kinds) != 256 or len(sync) != LONG_HEADER or len(aggregation) != LANES or len(own) != sizeof(self.job.own):
            raise ValueError("kinds are 256, IDE Sync has 16 bytes, there are 3 sub-streams and 2 messages of IDE")
        self.job = <Job*>calloc(1, sizeof(Job))
        if self.job is NULL:
            raise MemoryError
        self.kinds, self.sync = kinds, sync
        fill_tables(self.tables)
        memcpy(self.job.own, <const uint8_t*><char*>own, sizeof(self.job.own))
        self.job.kinds = <const uint8_t*><char*>kinds
        self.job.tables = self.tables
        self.job.stream_id = stream_id
        self.job.traffic_class = traffic_class
        self.job.pcrc = pcrc
        self.job.mode = mode
        self._set_plain(pcrc or mode != 0 or max(aggregation) > 1)
        for i in range(LANES):
            if not 1 <= aggregation[i] < MOST_MEMBERS:
                raise ValueError(f"{aggregation[i]} TLPs are no unit")
            self.job.lanes[i].limit = aggregation[i]
            self.job.lanes[i].scratch = <Scratch*>calloc(1, sizeof(Scratch))
            if self.job.lanes[i].scratch is NULL:
                raise MemoryError

    cdef void _set_plain(self, bint is_never):
        """Say what a header looks like that needs no closer look: of this traffic class, without a digest."""
        cdef uint8_t mask[8]
        cdef uint8_t value[8]
        memset(mask, 0, 8)
        memset(value, 0, 8)
        if is_never:
            value[0] = 1
        else:
            mask[1], value[1] = TC_MASK << TC_SHIFT, self.job.traffic_class << TC_SHIFT
            mask[2] = TD
        fill_plain_types(self.job.plain.types, self.job.kinds, 0)
        self.job.plain.mask, self.job.plain.value = eight_bytes(mask), eight_bytes(value)

    def __dealloc__(self):
        cdef int i
        if self.job is not NULL:
            for i in range(LANES):
                free(self.job.lanes[i].scratch)
            free(self.job.shapes)
            free(self.job)

    def seal(self, tuple keys, list state, object data, object index, object tee, object out, object out_index):
        cdef Py_buffer lent[BUFFERS]
        if self.is_busy:
            raise RuntimeError("another call is at work on this stream")
        memset(lent, 0, sizeof(lent))
        self.is_busy = True
        try:
            borrow(&lent[0], data, False)
            borrow(&lent[1], index, False)
            borrow(&lent[2], tee, False)
            borrow(&lent[3], out, True)
            borrow(&lent[4], out_index, True)
            return self._seal(keys, state, &lent[0], &lent[1], &lent[2], &lent[3], &lent[4])
        finally:
            self.is_busy = False
            give_back(lent, BUFFERS)

    cdef int64_t _seal(self, tuple keys, list state, Py_buffer* data, Py_buffer* index, Py_buffer* tee, Py_buffer* out,
                       Py_buffer* out_index) except -1:
        cdef int64_t count = index.len // <Py_ssize_t>sizeof(uint64_t) - 1, bad, made, syncs
        cdef const uint8_t* first = <const uint8_t*>data.buf
        cdef const uint64_t* places = <const uint64_t*>index.buf
        cdef const uint8_t* sync = <const uint8_t*><char*>self.sync
        cdef int step = 0 if tee.len == 1 else 1
        if count < 0 or (tee.len != 1 and tee.len != count):
            raise ValueError("an index has one offset more than there are TLPs, and T is one byte for all or for each")
        if count and places[0] > places[count]:
            raise ValueError("the index runs backwards")
        self._make_room(count)
        self._take(keys, state)
        try:
            bad = check(self.job, first, places, count, data.len)
            if bad >= 0:
                raise ValueError(f"TLP {bad} is malformed, or of a kind that the stream does not send")
            syncs = count // (COUNTER_LIMIT - 1) + 1
            if out.len < data.len + count * (DW + PCRC + MAC_BYTES) + syncs * (DW + LONG_HEADER + MAC_BYTES):
                raise ValueError("the output buffer is too small")
            if out_index.len < (count + syncs + 1) * <Py_ssize_t>sizeof(uint64_t):
                raise ValueError("the output index is too small")
            with nogil:
                made = seal_all(self.job, first, places, count, <const uint8_t*>tee.buf, step, sync, <uint8_t*>out.buf,
                                <uint64_t*>out_index.buf)
            if made < 0:
                raise RuntimeError("the provider cannot seal")
            self._give(keys, state)
            return made
        finally:
            for key in keys:
                (<UnitKey>key).users -= 1

    cdef int _make_room(self, int64_t count) except -1:
        cdef void* larger
        if count > self.job.room:
            larger = realloc(self.job.shapes, count * sizeof(Shape))
            if larger is NULL:
                raise MemoryError
            self.job.shapes, self.job.room = <Shape*>larger, count
        return 0

    cdef int _take(self, tuple keys, list state) except -1:
        """Take keys and where they are; a number that was used under a key is refused."""
        cdef int i, j
        cdef Lane* lane
        cdef UnitKey key
        for i in range(LANES):
            key = keys[i]
            key.make_iv(state[LANES + i], self.job.lanes[i].ivs)  # also refuses a closed key
            if state[LANES + i] < key.next_invocation:
                raise ValueError(f"invocation {state[LANES + i]} was used: the next one is {key.next_invocation}")
        for i in range(LANES):
            lane, key = &self.job.lanes[i], keys[i]
            key.users += 1
            lane.cipher, lane.key = key.cipher, key.expanded
            for j in range(BLOCK):
                memcpy(&lane.ivs[j * IV_ROOM], key.fixed, FIXED_BYTES)
            lane.invocation = state[LANES + i]
            lane.last_byte = i << 4 | <int>state[i] << 1
            lane.waiting = lane.pending = lane.members = 0
            lane.aad_bytes = lane.text_bytes = lane.payload_bytes = lane.crc = 0
        self.job.counters[0] = 0
        self.job.counters[1], self.job.counters[2] = state[2 * LANES], state[2 * LANES + 1]
        return 0

    cdef int _give(self, tuple keys, list state) except -1:
        cdef int i
        for i in range(LANES):
            state[LANES + i] = (<UnitKey>keys[i]).next_invocation = self.job.lanes[i].invocation
        state[2 * LANES], state[2 * LANES + 1] = self.job.counters[1], self.job.counters[2]
        return 0
