"""Bounded reading: the only place with pointer arithmetic.

A cursor is a pointer and an end. Every read goes through `take`, which either hands out n bytes that are there or
refuses and leaves the cursor where it was; so a caller that checks for NULL cannot read beyond the buffer.
"""

from libc.stdint cimport uint8_t, uint32_t


cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end


cdef inline const uint8_t* take(Cursor* cur, Py_ssize_t n) noexcept nogil:
    """Advance over n bytes; NULL when fewer are left."""
    cdef const uint8_t* here = cur.at
    if n > cur.end - here:
        return NULL
    cur.at = here + n
    return here


cdef inline uint32_t u32_le(const uint8_t* here) noexcept nogil:
    """Read four taken bytes, least significant first."""
    return <uint32_t>here[0] | <uint32_t>here[1] << 8 | <uint32_t>here[2] << 16 | <uint32_t>here[3] << 24


cdef inline uint32_t u32_be(const uint8_t* here) noexcept nogil:
    """Read four taken bytes, most significant first."""
    return <uint32_t>here[3] | <uint32_t>here[2] << 8 | <uint32_t>here[1] << 16 | <uint32_t>here[0] << 24
