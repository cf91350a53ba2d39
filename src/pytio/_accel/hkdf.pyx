"""HMAC and HKDF-Expand on OpenSSL's EVP_MAC, which is there since 3.0; `hkdf.pyi` says what the class promises."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from pytio._accel.openssl cimport OPENSSL_cleanse


cdef extern from "openssl/params.h" nogil:
    ctypedef struct OSSL_PARAM:
        pass
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char* key, char* text, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_end()


cdef extern from "openssl/evp.h" nogil:
    ctypedef struct EVP_MAC:
        pass
    ctypedef struct EVP_MAC_CTX:
        pass
    enum:
        EVP_MAX_MD_SIZE
    EVP_MAC* EVP_MAC_fetch(void* library, const char* name, const char* properties)
    void EVP_MAC_free(EVP_MAC* mac)
    EVP_MAC_CTX* EVP_MAC_CTX_new(EVP_MAC* mac)
    void EVP_MAC_CTX_free(EVP_MAC_CTX* context)
    size_t EVP_MAC_CTX_get_mac_size(EVP_MAC_CTX* context)
    int EVP_MAC_init(EVP_MAC_CTX* context, const uint8_t* key, size_t key_bytes, const OSSL_PARAM* parameters)
    int EVP_MAC_update(EVP_MAC_CTX* context, const uint8_t* data, size_t size)
    int EVP_MAC_final(EVP_MAC_CTX* context, uint8_t* out, size_t* out_bytes, size_t room)


cdef enum:
    MOST_BLOCKS = 255  # of HKDF-Expand, RFC 5869


cdef class Hkdf:
    cdef EVP_MAC_CTX* context
    cdef readonly int digest_size

    def __cinit__(self, str digest not None):
        cdef OSSL_PARAM parameters[2]
        cdef bytes name = digest.encode()
        cdef EVP_MAC* mac = EVP_MAC_fetch(NULL, "HMAC", NULL)
        if mac is NULL:
            raise NotImplementedError("this OpenSSL has no HMAC")
        self.context = EVP_MAC_CTX_new(mac)
        EVP_MAC_free(mac)
        if self.context is NULL:
            raise MemoryError
        parameters[0] = OSSL_PARAM_construct_utf8_string("digest", PyBytes_AS_STRING(name), 0)
        parameters[1] = OSSL_PARAM_construct_end()
        if EVP_MAC_init(self.context, <const uint8_t*>b"", 0, parameters) != 1:
            raise NotImplementedError(f"this OpenSSL has no digest called {digest}")
        self.digest_size = <int>EVP_MAC_CTX_get_mac_size(self.context)

    def __dealloc__(self):
        EVP_MAC_CTX_free(self.context)

    cdef int make(self, bytes key, const uint8_t* before, size_t before_bytes, bytes data, uint8_t number, uint8_t* out) except -1:
        """Write the HMAC of what stands before the data, the data, and a number unless it is 0."""
        cdef size_t made
        if (
            EVP_MAC_init(self.context, <const uint8_t*>key, len(key), NULL) != 1
            or EVP_MAC_update(self.context, before, before_bytes) != 1
            or EVP_MAC_update(self.context, <const uint8_t*>data, len(data)) != 1
            or (number and EVP_MAC_update(self.context, &number, 1) != 1)
            or EVP_MAC_final(self.context, out, &made, EVP_MAX_MD_SIZE) != 1
        ):
            raise MemoryError
        return 0

    def hmac(self, bytes key not None, bytes data not None):
        cdef uint8_t out[EVP_MAX_MD_SIZE]
        self.make(key, NULL, 0, data, 0, out)
        return PyBytes_FromStringAndSize(<char*>out, self.digest_size)

    def expand(self, bytes secret not None, bytes info not None, int size):
        cdef uint8_t block[EVP_MAX_MD_SIZE]
        cdef bytes made
        cdef int done = 0, some, number = 0
        if not 0 <= size <= MOST_BLOCKS * self.digest_size:
            raise ValueError(f"HKDF expands to no {size} bytes")
        made = PyBytes_FromStringAndSize(NULL, size)
        while done < size:
            number += 1
            self.make(secret, block, self.digest_size if done else 0, info, <uint8_t>number, block)
            some = min(self.digest_size, size - done)
            memcpy(PyBytes_AS_STRING(made) + done, block, some)
            done += some
        OPENSSL_cleanse(block, EVP_MAX_MD_SIZE)
        return made
