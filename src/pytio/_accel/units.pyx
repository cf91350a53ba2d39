"""Compiled twin of `pytio._accel.pure_units`, over any provider; `units.pyi` says what it promises."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from pytio._accel.cipher cimport FIXED_BYTES, IV_BYTES, KEY_BYTES, MAC_BYTES, Cipher, Unit
from pytio._accel.units cimport write_invocation

from pytio.errors import VerificationError

LAST_INVOCATION = (1 << 64) - 1


cdef class UnitKey:
    def __cinit__(self, object capsule, const uint8_t[::1] key, bytes fixed):
        self.expanded = NULL
        self.users = 0
        self.next_invocation = 0
        if key.shape[0] != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {key.shape[0]}")
        if len(fixed) != FIXED_BYTES:
            raise ValueError(f"the fixed part has {FIXED_BYTES} bytes, not {len(fixed)}")
        memcpy(self.fixed, PyBytes_AS_STRING(fixed), FIXED_BYTES)
        self.cipher = <Cipher*>PyCapsule_GetPointer(capsule, "pytio._accel.cipher")
        self.expanded = self.cipher.expand(&key[0])
        if self.expanded is NULL:
            raise MemoryError("the provider cannot expand a key")

    def __dealloc__(self):
        if self.expanded is not NULL:
            self.cipher.wipe(self.expanded)

    cdef int make_iv(self, object invocation, uint8_t* iv) except -1:
        if self.expanded is NULL:
            raise ValueError("the key is closed")
        if not 0 <= invocation <= LAST_INVOCATION:
            raise ValueError(f"invocation {invocation} does not fit in 64 bits")
        memcpy(iv, self.fixed, FIXED_BYTES)
        write_invocation(iv, invocation)
        return 0

    def seal(self, object invocation, bytes plaintext, bytes aad):
        cdef uint8_t iv[IV_BYTES]
        self.make_iv(invocation, iv)
        if invocation < self.next_invocation:
            raise ValueError(f"invocation {invocation} was used: the next one is {self.next_invocation}")
        self.next_invocation = invocation + 1
        return self._sealed(iv, plaintext, aad)

    cdef bytes _sealed(self, const uint8_t* iv, bytes plaintext, bytes aad):
        cdef Py_ssize_t size = len(plaintext)
        cdef bytes sealed = PyBytes_FromStringAndSize(NULL, size + MAC_BYTES)
        cdef Unit unit
        unit.iv = iv
        unit.aad = <const uint8_t*>PyBytes_AS_STRING(aad)
        unit.aad_bytes = len(aad)
        unit.source = <const uint8_t*>PyBytes_AS_STRING(plaintext)
        unit.text_bytes = size
        unit.target = <uint8_t*>PyBytes_AS_STRING(sealed)
        unit.mac = unit.target + size
        if self.cipher.seal(self.expanded, &unit, 1) != 1:
            raise RuntimeError("the provider cannot seal")
        return sealed

    def open(self, object invocation, bytes sealed, bytes aad):
        cdef uint8_t iv[IV_BYTES]
        cdef uint8_t mac[16]
        cdef Py_ssize_t size = len(sealed) - MAC_BYTES
        cdef bytes plaintext
        cdef Unit unit
        self.make_iv(invocation, iv)
        if size < 0:
            raise VerificationError("IDE MAC")
        plaintext = PyBytes_FromStringAndSize(NULL, size)
        unit.iv = iv
        unit.aad = <const uint8_t*>PyBytes_AS_STRING(aad)
        unit.aad_bytes = len(aad)
        unit.source = <const uint8_t*>PyBytes_AS_STRING(sealed)
        unit.text_bytes = size
        unit.target = <uint8_t*>PyBytes_AS_STRING(plaintext)
        memcpy(mac, unit.source + size, MAC_BYTES)
        unit.mac = mac
        if self.cipher.open(self.expanded, &unit, 1) != 1:
            memset(unit.target, 0, size)
            raise VerificationError("IDE MAC")
        return plaintext

    def crypt(self, object invocation, bytes text):
        cdef uint8_t iv[IV_BYTES]
        self.make_iv(invocation, iv)
        return self._sealed(iv, text, b"")[:-MAC_BYTES]

    def close(self):
        if self.users:
            raise ValueError("the key is in use by another call")
        if self.expanded is not NULL:
            self.cipher.wipe(self.expanded)
            self.expanded = NULL

    @property
    def is_closed(self):
        return self.expanded is NULL

    def __repr__(self):
        return f"<UnitKey{', closed' if self.is_closed else ''}>"

    def __reduce__(self):
        raise TypeError("a key is not pickled")
