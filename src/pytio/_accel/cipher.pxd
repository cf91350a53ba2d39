"""What a provider of AES-256-GCM is to the rest: four functions in C, handed around in a capsule.

A provider module makes one `Cipher` and exports it as ``CIPHER``. Nothing here, and nothing that uses it, knows which
library is behind it.
"""

from libc.stdint cimport uint8_t, uint32_t


cdef enum:
    KEY_BYTES = 32
    IV_BYTES = 12
    FIXED_BYTES = 4
    MAC_BYTES = 12

cdef struct Unit:
    # One invocation. Sealing writes the MAC, opening reads it.
    const uint8_t* iv
    const uint8_t* aad
    const uint8_t* source
    uint8_t* target
    uint8_t* mac
    uint32_t aad_bytes
    uint32_t text_bytes

cdef struct Cipher:
    void* (*expand)(const uint8_t* key) noexcept nogil  # NULL where there is no memory
    int (*seal)(void* key, Unit* units, int count) noexcept nogil  # how many were sealed: all, or the library failed
    int (*open)(void* key, Unit* units, int count) noexcept nogil  # how many opened before one whose MAC does not hold
    void (*wipe)(void* key) noexcept nogil  # overwrites the key and frees it
