"""A key that is ready for use, as C sees it."""

from libc.stdint cimport uint8_t, uint64_t

from pytio._accel.cipher cimport FIXED_BYTES, Cipher


cdef class UnitKey:
    cdef Cipher* cipher
    cdef void* expanded  # NULL once it is closed
    cdef uint8_t fixed[FIXED_BYTES]
    cdef int users  # calls that work on it without the interpreter's lock
    cdef public object next_invocation
    cdef int make_iv(self, object invocation, uint8_t* iv) except -1
    cdef bytes _sealed(self, const uint8_t* iv, bytes plaintext, bytes aad)


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* One store of eight bytes, which the cipher can load right after it. */
    static inline void pytio_write_u64_be(uint8_t *here, uint64_t value) {
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        value = __builtin_bswap64(value);
    #endif
        memcpy(here, &value, sizeof value);
    }
    """
    void pytio_write_u64_be(uint8_t* here, uint64_t value) noexcept nogil


cdef inline void write_invocation(uint8_t* iv, uint64_t invocation) noexcept nogil:
    """Write the last eight bytes of an IV, most significant byte first."""
    pytio_write_u64_be(iv + FIXED_BYTES, invocation)
