"""A key that is ready for use, as C sees it."""

from libc.stdint cimport uint8_t, uint64_t

from pytio._accel.cipher cimport FIXED_BYTES, IV_BYTES, Cipher


cdef class UnitKey:
    cdef Cipher* cipher
    cdef void* expanded  # NULL once it is closed
    cdef uint8_t fixed[FIXED_BYTES]
    cdef int users  # calls that work on it without the interpreter's lock
    cdef public object next_invocation
    cdef int make_iv(self, object invocation, uint8_t* iv) except -1
    cdef bytes _sealed(self, const uint8_t* iv, bytes plaintext, bytes aad)


cdef inline void write_invocation(uint8_t* iv, uint64_t invocation) noexcept nogil:
    """Write the last eight bytes of an IV, most significant byte first."""
    cdef int i
    for i in range(IV_BYTES - FIXED_BYTES):
        iv[IV_BYTES - 1 - i] = invocation & 0xFF
        invocation >>= 8
