"""Where things are in a TLP outside of flit mode, and what of it is encrypted: the pointer arithmetic of batches.

What a type of TLP is comes from outside, as a table of 256 bytes with the bits below, one for each first byte of a
header; so this file knows no codes.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef enum:
    SUB_STREAM_MASK = 0x03
    KNOWN = 0x04
    HIDES_ADDRESS = 0x08  # a memory request, of which partial header encryption hides part
    HAS_BYTE_ENABLES = 0x10  # and always byte enables, too
    HAS_BYTE_ENABLES_WITHOUT_TH = 0x20  # or unless TH is set
    IS_ALLOWED = 0x40
    IS_MESSAGE = 0x80

    PREFIX_MASK = 0xE0
    PREFIX = 0x80
    END_END = 0x10
    IDE_PREFIX = 0x92
    DW = 4
    FOUR_DW = 0x20
    HAS_DATA = 0x40
    MOST_DW = 1024
    SHORT_HEADER = 12
    LONG_HEADER = 16
    MOST_HEAD = 64  # prefixes and header that are authenticated
    MOST_PAYLOAD = 4096
    MOST_PLAIN = 8192
    AHEAD = 12  # TLPs
    PCRC = 4
    MOST_HIDDEN = 6  # byte enables and five bytes of address
    MOST_MEMBERS = 9
    TC_SHIFT = 4
    TC_MASK = 7
    TH = 1
    TD = 0x80
    AT_SHIFT = 2
    AT_MASK = 3
    TRANSLATION_REQUEST = 1
    BYTE_ENABLES_AT = 7
    ADDRESS_AT = 8
    MESSAGE_CODE_AT = 7

cdef struct Shape:
    uint16_t payload
    uint16_t local  # bytes of local prefixes, which are outside of everything
    uint8_t ends  # bytes of end-end prefixes, the IDE prefix included where there is one
    uint8_t header
    uint8_t kind
    uint8_t is_plain  # and is a unit, so nothing else has to be looked at

cdef struct PlainType:
    Shape shape  # but for the payload
    bint has_payload
    bint is_plain  # nothing has to be known of the header but its size

cdef struct Plain:
    # What nearly all TLPs begin with, where this stream sends or accepts them: eight bytes, under a mask.
    uint64_t mask
    uint64_t value
    PlainType types[256]  # by the first byte of the header

cdef struct Hidden:
    # What partial header encryption hides of a header.
    uint32_t address_at
    uint32_t address_bytes
    uint32_t hidden_bytes  # of the address
    bint has_byte_enables


cdef extern from *:
    """
    #include <stdint.h>
    /* Ask for memory that is needed soon. It may lie beyond a buffer: no access is made there. */
    #if defined(__GNUC__)
    #define pytio_prefetch(here, ahead) __builtin_prefetch((const void *)((uintptr_t)(here) + (ahead)))
    #else
    #define pytio_prefetch(here, ahead) ((void)0)
    #endif
    """
    void prefetch "pytio_prefetch"(const uint8_t* here, uint64_t ahead) noexcept nogil


cdef inline bint shape_of(const uint8_t* tlp, uint64_t size, const uint8_t* kinds, Shape* shape) noexcept nogil:
    """Find the parts of a TLP; False where it is cut, or its type not known. What follows the payload is not counted."""
    cdef uint64_t at = 0
    cdef const uint8_t* header
    shape.local = shape.ends = shape.is_plain = 0
    if size >= LONG_HEADER and tlp[0] == IDE_PREFIX and tlp[DW] & PREFIX_MASK != PREFIX:  # as nearly always
        at = shape.ends = DW
    while at + DW <= size and tlp[at] & PREFIX_MASK == PREFIX:
        if tlp[at] & END_END:
            shape.ends += DW
        elif shape.ends:
            return False
        else:
            shape.local += DW
        at += DW
    if at + SHORT_HEADER > size or shape.ends + LONG_HEADER > MOST_HEAD:
        return False
    header = tlp + at
    shape.kind = kinds[header[0]]
    shape.header = LONG_HEADER if header[0] & FOUR_DW else SHORT_HEADER
    shape.payload = 0
    if header[0] & HAS_DATA:
        shape.payload = ((header[2] & 3) << 8 | header[3]) * DW
        if shape.payload == 0:
            shape.payload = MOST_DW * DW
    return shape.kind & KNOWN and at + shape.header + shape.payload <= size


cdef inline uint64_t eight_bytes(const uint8_t* here) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, here, sizeof(value))
    return value


cdef inline void fill_plain_types(PlainType* types, const uint8_t* kinds, uint8_t before) noexcept nogil:
    """Say of each first byte of a header what follows it, for `plain_shape_of`; ``before`` bytes stand before it."""
    cdef int first
    for first in range(256):
        types[first].shape.local = types[first].shape.payload = 0
        types[first].shape.ends = before
        types[first].shape.header = LONG_HEADER if first & FOUR_DW else SHORT_HEADER
        types[first].shape.kind = kinds[first]
        types[first].shape.is_plain = True
        types[first].has_payload = first & HAS_DATA != 0
        types[first].is_plain = kinds[first] & (KNOWN | IS_ALLOWED | IS_MESSAGE) == (KNOWN | IS_ALLOWED)


cdef inline bint plain_shape_of(const uint8_t* tlp, uint64_t size, const Plain* plain, uint32_t before, uint32_t after,
                                Shape* shape) noexcept nogil:
    """Find the parts of a TLP without prefixes but IDE's and with nothing odd; False where it needs a closer look.

    ``before`` bytes stand before the header, and ``after`` follow the payload. This is most of what a small TLP costs
    beside its encryption, so there is one table, one mask, and no branch but the way out. A size may be the difference
    of offsets that run backwards.
    """
    cdef const uint8_t* header = tlp + before
    cdef const PlainType* known
    cdef uint32_t payload
    if size - SHORT_HEADER > MOST_PLAIN or eight_bytes(tlp) & plain.mask != plain.value:
        return False
    known = &plain.types[header[0]]
    payload = (((<uint32_t>header[2] << 8 | header[3]) - 1 & MOST_DW - 1) + 1) * DW  # 0 means the most
    if not known.has_payload:
        payload = 0
    shape[0] = known.shape
    shape.payload = payload
    return known.is_plain and before + known.shape.header + payload + after == size


cdef inline void copy_plain(uint8_t* target, const uint8_t* source, const Shape* shape) noexcept nogil:
    """Copy a header; a size that is known is copied at once."""
    if shape.header == LONG_HEADER:
        memcpy(target, source, LONG_HEADER)
    else:
        memcpy(target, source, SHORT_HEADER)


cdef inline void copy_head(uint8_t* target, const uint8_t* source, const Shape* shape) noexcept nogil:
    """Copy end-end prefixes and header; mostly there are no prefixes, and then the size is one of two."""
    if shape.ends:
        memcpy(target, source, shape.ends + shape.header)
    else:
        copy_plain(target, source, shape)


cdef inline bint hidden_of(const uint8_t* header, uint8_t kind, int mode, Hidden* hidden) noexcept nogil:
    """Find what partial header encryption hides of a header; False for nothing."""
    if mode == 0 or not kind & HIDES_ADDRESS:
        return False
    hidden.address_at = ADDRESS_AT
    hidden.address_bytes = 8 if header[0] & FOUR_DW else 4
    hidden.hidden_bytes = min(mode + 1, 5 if header[0] & FOUR_DW else 3)
    hidden.has_byte_enables = (header[2] >> AT_SHIFT & AT_MASK) != TRANSLATION_REQUEST and (
        kind & HAS_BYTE_ENABLES or (kind & HAS_BYTE_ENABLES_WITHOUT_TH and not header[1] & TH)
    )
    return True


cdef inline uint64_t address_of(const uint8_t* header, const Hidden* hidden) noexcept nogil:
    """Read the address field, which ends with two bits that are no address."""
    cdef uint64_t value = 0
    cdef uint32_t i
    for i in range(hidden.address_bytes):
        value = value << 8 | header[hidden.address_at + i]
    return value


cdef inline uint32_t take_hidden(uint8_t* header, const Hidden* hidden, uint8_t* text) noexcept nogil:
    """Move what is hidden from a header to a text, zeros take its place; return how many bytes that is."""
    cdef uint32_t at = 0, i
    cdef uint64_t value = address_of(header, hidden), mask = (<uint64_t>1 << 8 * hidden.hidden_bytes) - 1 << 2
    cdef uint64_t taken = (value & mask) >> 2
    if hidden.has_byte_enables:
        text[0] = header[BYTE_ENABLES_AT]
        header[BYTE_ENABLES_AT] = 0
        at = 1
    for i in range(hidden.hidden_bytes):
        text[at + i] = taken >> 8 * (hidden.hidden_bytes - 1 - i) & 0xFF
    value &= ~mask
    for i in range(hidden.address_bytes):
        header[hidden.address_at + i] = value >> 8 * (hidden.address_bytes - 1 - i) & 0xFF
    return at + hidden.hidden_bytes


cdef inline uint32_t put_hidden(uint8_t* header, const Hidden* hidden, const uint8_t* text) noexcept nogil:
    """Put hidden fields back in place; return how many bytes of text they took."""
    cdef uint32_t at = 0, i
    cdef uint64_t value = address_of(header, hidden), mask = (<uint64_t>1 << 8 * hidden.hidden_bytes) - 1 << 2
    cdef uint64_t given = 0
    if hidden.has_byte_enables:
        header[BYTE_ENABLES_AT] = text[0]
        at = 1
    for i in range(hidden.hidden_bytes):
        given = given << 8 | text[at + i]
    value = value & ~mask | given << 2
    for i in range(hidden.address_bytes):
        header[hidden.address_at + i] = value >> 8 * (hidden.address_bytes - 1 - i) & 0xFF
    return at + hidden.hidden_bytes
