"""AES-256-GCM of Intel's multi-buffer library; `ipsec_mb.pyi` says what is exported.

The sizes of the library's structures differ between minor versions that share one name, so a run-time library of
another minor version than the headers would write beyond a key: it is refused here, before the first key.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from pytio._accel.cipher cimport MAC_BYTES, Cipher, Unit


cdef extern from "stdlib.h" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t size)

cdef extern from "intel-ipsec-mb.h" nogil:
    ctypedef struct IMB_MGR:
        pass
    ctypedef int IMB_ARCH
    struct gcm_key_data:
        pass
    struct gcm_context_data:
        pass
    enum:
        IMB_VERSION_NUM
    const char* IMB_VERSION_STR
    unsigned imb_get_version()
    const char* imb_get_version_str()
    int imb_get_errno(IMB_MGR* manager)
    IMB_MGR* alloc_mb_mgr(uint64_t flags)
    void init_mb_mgr_auto(IMB_MGR* manager, IMB_ARCH* arch)
    void IMB_AES256_GCM_PRE(IMB_MGR* manager, const uint8_t* key, gcm_key_data* expanded)
    void IMB_AES256_GCM_ENC(IMB_MGR* manager, const gcm_key_data* key, gcm_context_data* context, uint8_t* out,
                            const uint8_t* text, uint64_t size, const uint8_t* iv, const uint8_t* aad,
                            uint64_t aad_size, uint8_t* tag, uint64_t tag_size)
    void IMB_AES256_GCM_DEC(IMB_MGR* manager, const gcm_key_data* key, gcm_context_data* context, uint8_t* out,
                            const uint8_t* text, uint64_t size, const uint8_t* iv, const uint8_t* aad,
                            uint64_t aad_size, uint8_t* tag, uint64_t tag_size)


cdef extern from *:
    """
    static void pytio_wipe(void *memory, size_t size) {
        volatile unsigned char *byte = memory;
        while (size--) *byte++ = 0;
    }
    #include <stdint.h>
    #include <string.h>
    /* Whether two MACs of 12 bytes differ, in a time that does not depend on where. */
    static inline int pytio_differ(const unsigned char *left, const unsigned char *right) {
        uint64_t a, b;
        uint32_t c, d;
        memcpy(&a, left, sizeof a), memcpy(&b, right, sizeof b);
        memcpy(&c, left + sizeof a, sizeof c), memcpy(&d, right + sizeof b, sizeof d);
        return ((a ^ b) | (c ^ d)) != 0;
    }
    """
    void pytio_wipe(void* memory, size_t size) noexcept nogil
    bint pytio_differ(const uint8_t* left, const uint8_t* right) noexcept nogil


cdef enum:
    ALIGNMENT = 64
    MINOR_SHIFT = 8  # versions are 0xMMmmpp

cdef IMB_MGR* manager = NULL


cdef void* expand(const uint8_t* key) noexcept nogil:
    cdef void* expanded = NULL
    if posix_memalign(&expanded, ALIGNMENT, sizeof(gcm_key_data)) != 0:
        return NULL
    IMB_AES256_GCM_PRE(manager, key, <gcm_key_data*>expanded)
    return expanded


cdef int seal(void* key, Unit* units, int count) noexcept nogil:
    cdef gcm_context_data context
    cdef Unit* unit
    cdef int i
    for i in range(count):
        unit = &units[i]
        IMB_AES256_GCM_ENC(manager, <gcm_key_data*>key, &context, unit.target, unit.source, unit.text_bytes, unit.iv,
                           unit.aad, unit.aad_bytes, unit.mac, MAC_BYTES)
    return count


cdef int open_units(void* key, Unit* units, int count) noexcept nogil:
    cdef gcm_context_data context
    cdef uint8_t mac[16]
    cdef Unit* unit
    cdef int i
    for i in range(count):
        unit = &units[i]
        IMB_AES256_GCM_DEC(manager, <gcm_key_data*>key, &context, unit.target, unit.source, unit.text_bytes, unit.iv,
                           unit.aad, unit.aad_bytes, mac, MAC_BYTES)
        if pytio_differ(mac, unit.mac):
            return i
    return count


cdef void wipe(void* key) noexcept nogil:
    pytio_wipe(key, sizeof(gcm_key_data))
    free(key)


cdef Cipher cipher


def _start():
    """Look at the library before the first key; raise ImportError where it cannot be used."""
    global manager
    cdef IMB_ARCH arch = 0
    built, found = IMB_VERSION_NUM, imb_get_version()
    if built >> MINOR_SHIFT != found >> MINOR_SHIFT:
        raise ImportError(
            f"built for ipsec-mb {IMB_VERSION_STR.decode()}, and {imb_get_version_str().decode()} is installed"
        )
    manager = alloc_mb_mgr(0)
    if manager is NULL:
        raise ImportError("ipsec-mb has no memory for its manager")
    init_mb_mgr_auto(manager, &arch)
    error = imb_get_errno(manager)
    if error:
        raise ImportError(f"ipsec-mb cannot use this processor (error {error})")
    return imb_get_version_str().decode()


VERSION = _start()
memset(&cipher, 0, sizeof(cipher))
cipher.expand = expand
cipher.seal = seal
cipher.open = open_units
cipher.wipe = wipe
CIPHER = PyCapsule_New(&cipher, "pytio._accel.cipher", NULL)
