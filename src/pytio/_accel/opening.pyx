# cython: boundscheck=False, wraparound=False, cdivision=True
"""From IDE TLPs to TLPs, a buffer of them at a time; `opening.pyi` says what it promises.

The checks are those of a receiver, in its order. Units of one TLP are opened up to 32 at a time; what comes after one that
does not open is overwritten before anybody sees it. Larger units are put together in a buffer of their own.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from pytio._accel.buffers cimport borrow, give_back
from pytio._accel.cipher cimport FIXED_BYTES, MAC_BYTES, Cipher, Unit
from pytio._accel.crc cimport crc32, fill_tables
from pytio._accel.tlps cimport (
    AHEAD, DW, IDE_PREFIX, IS_ALLOWED, IS_MESSAGE, LONG_HEADER, MESSAGE_CODE_AT, MOST_HEAD, MOST_HIDDEN, MOST_MEMBERS,
    MOST_PAYLOAD, PCRC, SUB_STREAM_MASK, TC_MASK, TC_SHIFT, TD, Hidden, Plain, Shape, copy_plain,
    eight_bytes, fill_plain_types, hidden_of, plain_shape_of, prefetch, put_hidden, shape_of, take_hidden,
)
from pytio._accel.units cimport UnitKey, write_invocation

cdef enum:
    LANES = 3
    KEY_SETS = 2
    BLOCK = 32
    IV_ROOM = 16
    BUFFERS = 6  # of a caller
    COUNTER_LIMIT = 255
    LAST_ID = 0xFFFF
    TOO_LARGE = 1000  # more units than can be open
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
    uint64_t invocations[KEY_SETS]  # that of K is in `invocation`
    void* key  # that of K
    uint64_t invocation
    int k
    int pending
    int members
    uint32_t aad_bytes
    uint32_t text_bytes
    Unit units[BLOCK]
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
    uint32_t first_id
    uint32_t ids  # how many after it may send, too
    int64_t counters[LANES]
    int64_t failed  # the number of the TLP that failed, or the count of all
    uint8_t error
    bint is_noted  # whether something is wrong with a TLP that fails nothing
    Plain plain
    const uint8_t* data
    const uint64_t* index
    uint8_t* verdicts
    uint8_t* out
    uint8_t* at  # where the next TLP goes
    uint64_t* place  # where the index says so
    uint8_t* t  # where its T goes
    bint is_suspect  # whether the counters went wrong
    Shape* shapes  # of the TLPs of a batch
    int64_t room  # for how many there is memory


cdef void fail(Job* job, int64_t number, uint8_t error) noexcept nogil:
    """Remember the first failure."""
    if number < job.failed:
        job.failed = number
        job.error = error


cdef inline void note(Job* job, int64_t number, uint8_t error) noexcept nogil:
    """Say what is wrong with a TLP, though it fails nothing; what was said first stays."""
    if error and not job.verdicts[number]:
        job.verdicts[number] = error
        job.is_noted = True


cdef int64_t number_at(const Job* job, const uint8_t* place) noexcept nogil:
    """Return which TLP of the batch a place is in."""
    cdef uint64_t offset = place - job.data
    cdef int64_t number = 0
    while job.index[number + 1] <= offset:
        number += 1
    return number


cdef inline void flush(Job* job, Lane* lane) noexcept nogil:
    """Open what a lane has collected; the plaintext of what does not open, and of what follows, goes in the end."""
    cdef int count = lane.pending, opened
    lane.pending = 0
    if count:
        opened = lane.cipher.open(lane.key, lane.units, count)
        if opened < count:
            fail(job, number_at(job, lane.units[opened].aad), MAC_MISMATCH)


cdef inline uint8_t* next_iv(Lane* lane, int place) noexcept nogil:
    cdef uint8_t* iv = &lane.ivs[place * IV_ROOM]
    write_invocation(iv, lane.invocation)
    lane.invocation += 1
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
    if lane.cipher.open(lane.key, &unit, 1) != 1:
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
            note(job, last, PCRC_MISMATCH)
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


cdef inline uint8_t sender_error(Job* job, const Shape* shape, const uint8_t* header) noexcept nogil:
    """Look at who sent a TLP: requester, or completer of a completion."""
    cdef uint32_t sender = <uint32_t>header[4] << 8 | header[5]
    if sender - job.first_id <= job.ids:
        return 0
    return COMPLETER_OUT_OF_RANGE if shape.kind & SUB_STREAM_MASK == 2 else REQUESTER_OUT_OF_RANGE


cdef void use_key(Lane* lane, int k) noexcept nogil:
    """Use the key of one key set from now on; the number of the other one is kept."""
    lane.invocations[lane.k] = lane.invocation
    lane.k, lane.key, lane.invocation = k, lane.keys[k], lane.invocations[k]


cdef bint choose_key(Job* job, Lane* lane, int k) noexcept nogil:
    """Follow K: it changes with a new unit only, and to a key that is switched on."""
    if k == lane.k:
        return lane.key is not NULL
    if lane.members or lane.keys[k] is NULL:
        return False
    flush(job, lane)
    lane.keys[lane.k] = NULL  # the old one is not accepted again
    use_key(lane, k)
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
    note(job, number, sender_error(job, shape, header))
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
    lane.pending += 1
    if lane.pending == BLOCK:
        flush(job, lane)
    return 0


cdef inline uint8_t count_some(int64_t* counters, int lane, int64_t count, int64_t said) noexcept nogil:
    """Count TLPs of one sub-stream, whose prefixes say ``said`` together; return what is wrong with the counters then.

    They only rise, or only fall, meanwhile, so what goes wrong on the way is wrong in the end.
    """
    if lane == 0:
        counters[1] += count
        counters[2] += count
    else:
        counters[lane] -= said
    if <uint64_t>counters[1] <= COUNTER_LIMIT and <uint64_t>counters[2] <= COUNTER_LIMIT:
        return 0
    return COUNTER_UNDERFLOW if counters[1] < 0 or counters[2] < 0 else COUNTER_OVERFLOW


cdef uint8_t count_one(int64_t* counters, const uint8_t* prefix, uint8_t verdict) noexcept nogil:
    """Count one TLP; return what is wrong with the counters."""
    cdef const uint8_t* header
    if verdict == IDE_SYNC:  # which counts itself
        header = prefix + DW
        while header[0] & 0xE0 == 0x80:
            header += DW
        counters[1] -= header[13]
        counters[2] -= header[14]
    return count_some(counters, prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS, 1, prefix[1])


cdef int64_t take_run(Job* job, int64_t number, int64_t end) noexcept nogil:
    """Do as `take` with plain TLPs that follow one another; return the number of the first that it was not done with.

    They are of one sub-stream and key, which is there, and nothing that can be seen of them is wrong. What changes from
    one to the next is kept out of memory: to store and load it again takes longer than all the rest.
    """
    cdef const Shape* shape = &job.shapes[number]
    cdef uint8_t kind = shape.kind
    cdef Lane* lane = &job.lanes[kind & SUB_STREAM_MASK]
    cdef Unit* unit = &lane.units[lane.pending]
    cdef uint8_t* iv = &lane.ivs[lane.pending * IV_ROOM]
    cdef uint64_t invocation = lane.invocation
    cdef uint8_t k = lane.k * K_BIT
    cdef const uint8_t* data = job.data
    cdef const uint64_t* index = job.index
    cdef const uint8_t* tlp
    cdef uint8_t* at = job.at
    cdef uint64_t* place = job.place
    cdef uint8_t* t = job.t
    cdef int64_t first = number, said = 0
    if lane.key is NULL or lane.members:
        return number
    end = min(end, number + BLOCK - lane.pending)
    while number < end and shape.is_plain and (shape.kind ^ kind) & SUB_STREAM_MASK == 0:
        tlp = data + index[number]
        if tlp[3] & K_BIT != k or sender_error(job, shape, tlp + DW):
            break
        place[0] = at - job.out
        t[0] = tlp[3] & T_BIT
        said += tlp[1]
        write_invocation(iv, invocation)
        copy_plain(at, tlp + DW, shape)
        unit.iv = iv
        unit.aad = tlp
        unit.aad_bytes = DW + shape.header
        unit.text_bytes = shape.payload
        at += shape.header
        unit.target = at
        at += shape.payload
        tlp += DW + shape.header
        unit.source = tlp
        unit.mac = <uint8_t*>tlp + shape.payload
        place, t, iv, invocation, unit, shape, number = place + 1, t + 1, iv + IV_ROOM, invocation + 1, unit + 1, shape + 1, number + 1
    job.at, job.place, job.t = at, place, t
    lane.invocation = invocation
    lane.pending += number - first
    job.is_suspect |= count_some(job.counters, kind & SUB_STREAM_MASK, number - first, said) != 0
    if lane.pending == BLOCK:
        flush(job, lane)
    return number


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


cdef bint is_well_formed(const uint8_t* tlp, uint64_t size, const uint8_t* kinds, Shape* shape) noexcept nogil:
    """Find the parts of a TLP, and whether it ends where they do."""
    cdef const uint8_t* prefix
    cdef uint64_t bytes
    if not shape_of(tlp, size, kinds, shape):
        return False
    prefix = tlp + shape.local
    bytes = <uint64_t>shape.local + shape.ends + shape.header + shape.payload
    if shape.ends and prefix[0] == IDE_PREFIX:
        bytes += (PCRC if prefix[3] & P_BIT else 0) + (MAC_BYTES if prefix[3] & M_BIT else 0)
    elif prefix[shape.ends + 2] & TD:
        bytes += DW
    return bytes == size


cdef inline bint is_plain(Job* job, const uint8_t* tlp, uint64_t size, Shape* shape) noexcept nogil:
    return (
        plain_shape_of(tlp, size, &job.plain, DW, MAC_BYTES, shape)
        and tlp[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS == shape.kind & SUB_STREAM_MASK
    )


cdef int follow_unit(Job* job, const uint8_t* tlp, const Shape* shape, int* members, int opened) noexcept nogil:
    """Count the TLPs of each unit that is open; return how many units that are, or more where one is too large."""
    cdef const uint8_t* prefix = tlp + shape.local
    cdef int* unit = &members[prefix[3] >> SUB_STREAM_SHIFT & SUB_STREAM_BITS]
    if not shape.ends or prefix[0] != IDE_PREFIX or prefix[2] != job.stream_id:
        return opened
    if prefix[3] & M_BIT:
        opened -= unit[0] > 0
        unit[0] = 0
    else:
        opened += unit[0] == 0
        unit[0] += 1
        if unit[0] == MOST_MEMBERS:
            opened += TOO_LARGE  # which is a failure, so nothing comes after it
    return opened


cdef int64_t whole(Job* job, int64_t count, uint64_t size, int64_t* bad) noexcept nogil:
    """Return how many TLPs there are up to the last at which no unit is open; ``bad`` is the first malformed one, or -1."""
    cdef int members[SUB_STREAM_BITS + 1]
    cdef const uint8_t* data = job.data
    cdef const uint64_t* index = job.index
    cdef Shape* shape = job.shapes
    cdef int64_t i, last = 0  # of the TLPs since which a unit is open
    cdef uint64_t begin, end = index[0]
    cdef int opened = 0
    memset(members, 0, sizeof(members))
    bad[0] = 0
    if end > size:
        return 0
    for i in range(count):
        begin, end = end, index[i + 1]
        prefetch(data + begin, AHEAD * (end - begin))
        bad[0] = i
        if end > size:
            return 0
        if opened or not is_plain(job, data + begin, end - begin, shape):
            if begin > end or not is_well_formed(data + begin, end - begin, job.kinds, shape):
                return 0
            if not opened:
                last = i
            opened = follow_unit(job, data + begin, shape, members, opened)
        shape += 1
    bad[0] = -1
    return last if 0 < opened < TOO_LARGE else count


cdef bint is_sync(Job* job, const Shape* shape, const uint8_t* header) noexcept nogil:
    return shape.kind & IS_MESSAGE and shape.payload == 0 and header[MESSAGE_CODE_AT] == job.sync_code


cdef bint take_other(Job* job, int64_t number) noexcept nogil:
    """Take a TLP that is not plain; False where that fails."""
    cdef const Shape* shape = &job.shapes[number]
    cdef const uint8_t* tlp = job.data + job.index[number]
    cdef const uint8_t* prefix = tlp + shape.local
    cdef uint8_t error
    if not shape.ends or prefix[0] != IDE_PREFIX or prefix[2] != job.stream_id:
        note(job, number, MISROUTED)
        return True
    if is_sync(job, shape, prefix + shape.ends):
        job.verdicts[number] = IDE_SYNC
    job.place[0] = job.at - job.out
    job.t[0] = prefix[3] & T_BIT
    error = take(job, number, tlp, shape, job.at)
    if error:
        fail(job, number, error)
        return False
    # Counted at once, although a unit's MAC may come later; if something goes wrong, it is counted again in order.
    job.is_suspect |= count_one(job.counters, prefix, job.verdicts[number]) != 0
    if job.verdicts[number] != IDE_SYNC:
        job.place, job.t = job.place + 1, job.t + 1
        job.at += shape.local + shape.ends - DW + shape.header + shape.payload
    return True


cdef int64_t open_all(Job* job, int64_t count, uint8_t* out, uint64_t* out_index, uint8_t* tees) noexcept nogil:
    """Open all TLPs; return how many are delivered. The index, and T of each, are theirs."""
    cdef int64_t i = 0, done, made, limit
    cdef int64_t counters[LANES]
    cdef uint8_t* kept
    cdef int lane
    memcpy(counters, job.counters, sizeof(counters))
    job.out = job.at = out
    job.place, job.t, job.is_suspect = out_index, tees, False
    while i < count and job.failed == count:
        done = take_run(job, i, count) if job.shapes[i].is_plain else i
        if done == i:
            if not take_other(job, i):
                break
            done = i + 1
        i = done
    for lane in range(LANES):
        flush(job, &job.lanes[lane])
    made = job.place - out_index
    out_index[made] = job.at - out
    if job.is_suspect or job.failed < count:
        memcpy(job.counters, counters, sizeof(counters))
        limit = count if job.failed == count else first_of_open_units(job, job.failed)
        limit = count_up_to(job, limit)
        made = 0
        for i in range(limit):
            made += job.verdicts[i] != MISROUTED and job.verdicts[i] != IDE_SYNC
        kept = out + out_index[made]
        memset(kept, 0, job.at - kept)
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
        self._set_plain(pcrc or mode != 0)
        first, last = senders or (0, LAST_ID)
        self.job.first_id, self.job.ids = first, last - first
        for i in range(LANES):
            self.job.lanes[i].scratch = <Scratch*>calloc(1, sizeof(Scratch))
            if self.job.lanes[i].scratch is NULL:
                raise MemoryError

    cdef void _set_plain(self, bint is_never):
        """Say what a prefix and a header look like that need no closer look: a whole unit of this stream."""
        cdef uint8_t mask[8]
        cdef uint8_t value[8]
        memset(mask, 0, 8)
        memset(value, 0, 8)
        if is_never:
            value[0] = 1
        else:
            mask[0], value[0] = 0xFF, IDE_PREFIX
            mask[2], value[2] = 0xFF, self.job.stream_id
            mask[3], value[3] = RESERVED_BIT | P_BIT | M_BIT, M_BIT
            mask[DW + 1], value[DW + 1] = TC_MASK << TC_SHIFT, self.job.traffic_class << TC_SHIFT
            mask[DW + 2] = TD
        fill_plain_types(self.job.plain.types, self.job.kinds, DW)
        self.job.plain.mask, self.job.plain.value = eight_bytes(mask), eight_bytes(value)

    def __dealloc__(self):
        cdef int i
        if self.job is not NULL:
            for i in range(LANES):
                if self.job.lanes[i].scratch is not NULL:
                    memset(self.job.lanes[i].scratch, 0, sizeof(Scratch))
                free(self.job.lanes[i].scratch)
            free(self.job.shapes)
            free(self.job)

    def open(self, tuple keys, list state, object data, object index, object out, object out_index, object tees,
             object verdicts):
        cdef Py_buffer lent[BUFFERS]
        if self.is_busy:
            raise RuntimeError("another call is at work on this stream")
        memset(lent, 0, sizeof(lent))
        self.is_busy = True
        try:
            borrow(&lent[0], data, False)
            borrow(&lent[1], index, False)
            borrow(&lent[2], out, True)
            borrow(&lent[3], out_index, True)
            borrow(&lent[4], tees, True)
            borrow(&lent[5], verdicts, True)
            return self._open(keys, state, &lent[0], &lent[1], &lent[2], &lent[3], &lent[4], &lent[5])
        finally:
            self.is_busy = False
            give_back(lent, BUFFERS)

    cdef tuple _open(self, tuple keys, list state, Py_buffer* data, Py_buffer* index, Py_buffer* out,
                     Py_buffer* out_index, Py_buffer* tees, Py_buffer* verdicts):
        cdef int64_t count = index.len // <Py_ssize_t>sizeof(uint64_t) - 1, bad = -1, made
        if count < 0:
            raise ValueError("an index has one offset more than there are TLPs")
        if (
            out.len < data.len
            or out_index.len < (count + 1) * <Py_ssize_t>sizeof(uint64_t)
            or min(tees.len, verdicts.len) < count
        ):
            raise ValueError("an output buffer is too small")
        self._make_room(count)
        self.job.data = <const uint8_t*>data.buf
        self.job.index = <const uint64_t*>index.buf
        self.job.verdicts = <uint8_t*>verdicts.buf
        count = whole(self.job, count, data.len, &bad)
        if bad >= 0:
            raise ValueError(bad)
        if count == 0:
            return 0, 0, 0, False
        self._take(keys, state)
        self.job.failed, self.job.error, self.job.is_noted = count, 0, False
        try:
            with nogil:
                made = open_all(self.job, count, <uint8_t*>out.buf, <uint64_t*>out_index.buf, <uint8_t*>tees.buf)
        finally:
            for key in keys:
                if key is not None:
                    (<UnitKey>key).users -= 1
        self._give(state)
        return (self.job.failed if self.job.error else count), made, self.job.error, bool(self.job.is_noted)

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
            lane.key, lane.invocation = lane.keys[lane.k], lane.invocations[lane.k]
            lane.pending = lane.members = 0
            lane.aad_bytes = lane.text_bytes = 0
        self.job.counters[1], self.job.counters[2] = state[LANES * (KEY_SETS + 1)], state[LANES * (KEY_SETS + 1) + 1]
        return 0

    cdef int _give(self, list state) except -1:
        cdef int i, k
        for i in range(LANES):
            use_key(&self.job.lanes[i], self.job.lanes[i].k)
            state[i] = self.job.lanes[i].k
            for k in range(KEY_SETS):
                state[LANES + KEY_SETS * i + k] = self.job.lanes[i].invocations[k]
        state[LANES * (KEY_SETS + 1)] = self.job.counters[1]
        state[LANES * (KEY_SETS + 1) + 1] = self.job.counters[2]
        return 0
