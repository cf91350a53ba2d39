"""What opens records: one direction under one key, and both directions of a session."""

from libc.stdint cimport uint8_t, uint64_t

from pytio._accel.openssl cimport EVP_CIPHER_CTX


cdef enum:
    IV_BYTES = 12
    NUMBER_BYTES = 8
    TAG_BYTES = 16

cdef struct Opener:
    EVP_CIPHER_CTX* context
    uint64_t sequence
    uint8_t iv[IV_BYTES]
    bint is_encrypted
    int orders

cdef struct Pair:
    Opener* sides[2]
    int expected  # the side that is tried first
    long failures  # in a row, since a record last opened


cdef class RecordOpener:
    cdef Opener c


cdef class SessionOpener:
    cdef Pair c
    cdef RecordOpener _request
    cdef RecordOpener _response


cdef bint open_next(Opener* opener, const uint8_t* header, int header_size, const uint8_t* body, int size,
                    uint8_t* out) noexcept nogil
