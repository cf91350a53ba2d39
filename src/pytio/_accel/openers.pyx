"""Compiled twin of `pytio._accel.pure_openers`; `openers.pyi` says what these classes promise."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from pytio._accel.openssl cimport (
    EVP_CIPHER, EVP_CIPHER_CTX_ctrl, EVP_CIPHER_CTX_free, EVP_CIPHER_CTX_new, EVP_CIPHER_iv_length,
    EVP_CIPHER_key_length, EVP_CTRL_AEAD_SET_TAG,
    EVP_DecryptFinal_ex, EVP_DecryptInit_ex, EVP_DecryptUpdate, EVP_get_cipherbyname, OPENSSL_cleanse,
)


cdef enum:
    LITTLE = 1
    BIG = 2
    MOST_BYTES = 1 << 30


cdef bint attempt(Opener* opener, int order, const uint8_t* header, int header_size, const uint8_t* body, int size,
                  uint8_t* out) noexcept nogil:
    """Open a record under one order of its number; ``out`` has room for its payload and is wiped on failure."""
    cdef uint8_t nonce[IV_BYTES]
    cdef uint8_t rest[32]  # no cipher here leaves any
    cdef int index, done, payload = size - TAG_BYTES
    cdef bint ok
    memcpy(nonce, opener.iv, IV_BYTES)
    for index in range(NUMBER_BYTES):
        nonce[index if order == LITTLE else IV_BYTES - 1 - index] ^= <uint8_t>(opener.sequence >> 8 * index)
    ok = EVP_DecryptInit_ex(opener.context, NULL, NULL, NULL, nonce) == 1
    ok = ok and EVP_DecryptUpdate(opener.context, NULL, &done, header, header_size) == 1
    if opener.is_encrypted:
        ok = ok and (not payload or EVP_DecryptUpdate(opener.context, out, &done, body, payload) == 1)
    else:
        ok = ok and (not payload or EVP_DecryptUpdate(opener.context, NULL, &done, body, payload) == 1)
    ok = ok and EVP_CIPHER_CTX_ctrl(opener.context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, <void*>(body + payload)) == 1
    ok = ok and EVP_DecryptFinal_ex(opener.context, rest, &done) == 1
    if not ok:
        if opener.is_encrypted:
            OPENSSL_cleanse(out, payload)
    elif not opener.is_encrypted:
        memcpy(out, body, payload)
    return ok


cdef bint open_next(Opener* opener, const uint8_t* header, int header_size, const uint8_t* body, int size,
                    uint8_t* out) noexcept nogil:
    """Open a record as the next one, and count it."""
    cdef int order, first = LITTLE if opener.orders & LITTLE else BIG
    if opener.sequence == <uint64_t>-1 or size < TAG_BYTES:
        return False
    for order in range(LITTLE, BIG + 1):
        if not opener.orders & order or (not opener.sequence and order != first):
            continue
        if attempt(opener, order, header, header_size, body, size, out):
            if opener.sequence:
                opener.orders = order
            opener.sequence += 1
            return True
    return False


cdef class RecordOpener:
    def __cinit__(self, str cipher not None, bytes key not None, bytes iv not None, bint is_encrypted, int orders,
                  uint64_t sequence=0):
        cdef const EVP_CIPHER* found = EVP_get_cipherbyname(cipher.encode())
        if found is NULL or EVP_CIPHER_iv_length(found) != IV_BYTES:
            raise NotImplementedError(f"this OpenSSL has no AEAD called {cipher}")
        if len(key) != EVP_CIPHER_key_length(found) or len(iv) != IV_BYTES or not 0 < orders <= LITTLE | BIG:
            raise ValueError("key, IV and orders do not fit the cipher")
        self.c.context = EVP_CIPHER_CTX_new()
        if self.c.context is NULL:
            raise MemoryError
        if EVP_DecryptInit_ex(self.c.context, found, NULL, <const uint8_t*>key, NULL) != 1:
            raise NotImplementedError(f"this OpenSSL does not offer {cipher}")
        memcpy(self.c.iv, PyBytes_AS_STRING(iv), IV_BYTES)
        self.c.is_encrypted = is_encrypted
        self.c.orders = orders
        self.c.sequence = sequence

    def __dealloc__(self):
        EVP_CIPHER_CTX_free(self.c.context)
        OPENSSL_cleanse(self.c.iv, IV_BYTES)

    @property
    def is_encrypted(self):
        return self.c.is_encrypted

    @property
    def sequence(self):
        return self.c.sequence

    @property
    def orders(self):
        return self.c.orders

    def open(self, bytes header not None, bytes body not None, sequence=None):
        cdef uint64_t before = self.c.sequence
        cdef bytes payload
        if len(header) > MOST_BYTES or len(body) > MOST_BYTES:
            raise ValueError("no record is that large")
        if len(body) < TAG_BYTES:
            return None
        if sequence is not None:
            self.c.sequence = sequence
        payload = PyBytes_FromStringAndSize(NULL, len(body) - TAG_BYTES)
        if open_next(&self.c, <const uint8_t*>header, <int>len(header), <const uint8_t*>body, <int>len(body),
                     <uint8_t*>PyBytes_AS_STRING(payload)):
            return payload
        self.c.sequence = before
        return None


cdef class SessionOpener:
    def __cinit__(self, RecordOpener request not None, RecordOpener response not None):
        self.c.sides[0], self.c.sides[1] = &request.c, &response.c
        self._request, self._response = request, response

    @property
    def expected(self):
        return self.c.expected

    @expected.setter
    def expected(self, int side):
        self.c.expected = side & 1

    @property
    def failures(self):
        return self.c.failures

    @failures.setter
    def failures(self, long count):
        self.c.failures = count

    def __getitem__(self, int side):
        return self._response if side else self._request

    def __setitem__(self, int side, RecordOpener opener not None):
        self.c.sides[1 if side else 0] = &opener.c
        if side:
            self._response = opener
        else:
            self._request = opener

    def open(self, bytes header not None, bytes body not None, bytes low not None):
        cdef int attempted, side
        for attempted in range(2):
            side = self.c.expected ^ attempted
            if low and low != (self.c.sides[side].sequence & ((1 << 8 * len(low)) - 1)).to_bytes(len(low), "little"):
                continue
            payload = self[side].open(header, body)
            if payload is not None:
                self.c.expected = side ^ 1
                self.c.failures = 0
                return side, payload
        return None
