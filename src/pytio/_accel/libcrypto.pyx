"""AES-256-GCM of OpenSSL; `libcrypto.pyi` says what is exported."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from pytio._accel.cipher cimport FIXED_BYTES, IV_BYTES, MAC_BYTES, Cipher, Unit
from pytio._accel.openssl cimport (
    EVP_CIPHER,
    EVP_CIPHER_CTX,
    EVP_CIPHER_CTX_ctrl,
    EVP_CIPHER_CTX_free,
    EVP_CIPHER_CTX_new,
    EVP_CTRL_AEAD_SET_IVLEN,
    EVP_CTRL_GCM_SET_IV_FIXED,
    EVP_DecryptFinal_ex,
    EVP_DecryptInit_ex,
    EVP_DecryptUpdate,
    EVP_EncryptFinal_ex,
    EVP_EncryptInit_ex,
    EVP_EncryptUpdate,
    EVP_get_cipherbyname,
    OPENSSL_VERSION,
    OpenSSL_version,
)


cdef extern from *:
    """
    #include <openssl/evp.h>
    #if OPENSSL_VERSION_NUMBER >= 0x30000000L
    #include <openssl/core_names.h>
    /* Parameters go straight to the cipher; each EVP_CIPHER_CTX_ctrl() makes them of a switch, and looks twice. */
    static inline int pytio_get_tag(EVP_CIPHER_CTX *context, unsigned char *tag, size_t size) {
        OSSL_PARAM wanted[2] = {
            {OSSL_CIPHER_PARAM_AEAD_TAG, OSSL_PARAM_OCTET_STRING, tag, size, OSSL_PARAM_UNMODIFIED}, {0}};
        return EVP_CIPHER_CTX_get_params(context, wanted);
    }
    static inline int pytio_next_iv(EVP_CIPHER_CTX *context, unsigned char *iv, size_t size) {
        OSSL_PARAM wanted[2] = {
            {OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, OSSL_PARAM_OCTET_STRING, iv, size, OSSL_PARAM_UNMODIFIED}, {0}};
        return EVP_CIPHER_CTX_get_params(context, wanted);
    }
    static inline int pytio_set_tag(EVP_CIPHER_CTX *context, unsigned char *tag, size_t size) {
        OSSL_PARAM given[2] = {
            {OSSL_CIPHER_PARAM_AEAD_TAG, OSSL_PARAM_OCTET_STRING, tag, size, OSSL_PARAM_UNMODIFIED}, {0}};
        return EVP_CIPHER_CTX_set_params(context, given);
    }
    #else
    static inline int pytio_get_tag(EVP_CIPHER_CTX *context, unsigned char *tag, size_t size) {
        return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, (int)size, tag);
    }
    static inline int pytio_next_iv(EVP_CIPHER_CTX *context, unsigned char *iv, size_t size) {
        return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_IV_GEN, (int)size, iv);
    }
    static inline int pytio_set_tag(EVP_CIPHER_CTX *context, unsigned char *tag, size_t size) {
        return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)size, tag);
    }
    #endif
    """
    int pytio_get_tag(EVP_CIPHER_CTX* context, uint8_t* tag, size_t size) noexcept nogil
    int pytio_next_iv(EVP_CIPHER_CTX* context, uint8_t* iv, size_t size) noexcept nogil
    int pytio_set_tag(EVP_CIPHER_CTX* context, uint8_t* tag, size_t size) noexcept nogil


cdef enum:
    WHOLE = -1  # not only the fixed part of an IV

cdef struct Contexts:
    # A context is for one direction; which one a key has is not known before its first use.
    EVP_CIPHER_CTX* seal
    EVP_CIPHER_CTX* open
    bint has_next_iv
    uint8_t next_iv[IV_BYTES]  # which OpenSSL makes if it is asked for one

cdef const EVP_CIPHER* aes = NULL


cdef void wipe(void* key) noexcept nogil:
    cdef Contexts* contexts = <Contexts*>key
    EVP_CIPHER_CTX_free(contexts.seal)  # OpenSSL overwrites what it frees
    EVP_CIPHER_CTX_free(contexts.open)
    free(contexts)


cdef bint start(Contexts* contexts, const uint8_t* key) noexcept nogil:
    contexts.seal = EVP_CIPHER_CTX_new()
    contexts.open = EVP_CIPHER_CTX_new()
    return (
        contexts.seal is not NULL
        and contexts.open is not NULL
        and EVP_EncryptInit_ex(contexts.seal, aes, NULL, NULL, NULL) == 1
        and EVP_CIPHER_CTX_ctrl(contexts.seal, EVP_CTRL_AEAD_SET_IVLEN, IV_BYTES, NULL) == 1
        and EVP_EncryptInit_ex(contexts.seal, NULL, NULL, key, NULL) == 1
        and EVP_DecryptInit_ex(contexts.open, aes, NULL, NULL, NULL) == 1
        and EVP_CIPHER_CTX_ctrl(contexts.open, EVP_CTRL_AEAD_SET_IVLEN, IV_BYTES, NULL) == 1
        and EVP_DecryptInit_ex(contexts.open, NULL, NULL, key, NULL) == 1
    )


cdef void* expand(const uint8_t* key) noexcept nogil:
    cdef Contexts* contexts = <Contexts*>calloc(1, sizeof(Contexts))
    if contexts is not NULL and not start(contexts, key):
        wipe(contexts)
        contexts = NULL
    return contexts


cdef bint choose_iv(Contexts* contexts, const uint8_t* iv) noexcept nogil:
    """Set the IV of the next unit: the one after the last is made by OpenSSL itself, in half the time."""
    cdef uint8_t made[IV_BYTES]
    cdef int i
    if not contexts.has_next_iv or memcmp(contexts.next_iv, iv, IV_BYTES) != 0:
        memcpy(contexts.next_iv, iv, IV_BYTES)
        if EVP_CIPHER_CTX_ctrl(contexts.seal, EVP_CTRL_GCM_SET_IV_FIXED, WHOLE, contexts.next_iv) != 1:
            return False
    if pytio_next_iv(contexts.seal, made, IV_BYTES) != 1 or memcmp(made, iv, IV_BYTES) != 0:
        return False
    for i in range(IV_BYTES - 1, FIXED_BYTES - 1, -1):
        contexts.next_iv[i] += 1
        if contexts.next_iv[i]:
            break
    contexts.has_next_iv = True
    return True


cdef int seal(void* key, Unit* units, int count) noexcept nogil:
    cdef Contexts* contexts = <Contexts*>key
    cdef EVP_CIPHER_CTX* context = contexts.seal
    cdef Unit* unit
    cdef int i, size
    for i in range(count):
        unit = &units[i]
        if not (
            choose_iv(contexts, unit.iv)
            and EVP_EncryptUpdate(context, NULL, &size, unit.aad, unit.aad_bytes) == 1
            and EVP_EncryptUpdate(context, unit.target, &size, unit.source, unit.text_bytes) == 1
            and EVP_EncryptFinal_ex(context, unit.target + size, &size) == 1
            and pytio_get_tag(context, unit.mac, MAC_BYTES) == 1
        ):
            contexts.has_next_iv = False
            return i
    return count


cdef int open_units(void* key, Unit* units, int count) noexcept nogil:
    cdef EVP_CIPHER_CTX* context = (<Contexts*>key).open
    cdef Unit* unit
    cdef int i, size
    for i in range(count):
        unit = &units[i]
        if not (
            EVP_DecryptInit_ex(context, NULL, NULL, NULL, unit.iv) == 1
            and EVP_DecryptUpdate(context, NULL, &size, unit.aad, unit.aad_bytes) == 1
            and EVP_DecryptUpdate(context, unit.target, &size, unit.source, unit.text_bytes) == 1
            and pytio_set_tag(context, unit.mac, MAC_BYTES) == 1
            and EVP_DecryptFinal_ex(context, unit.target + size, &size) == 1  # compares in constant time
        ):
            return i
    return count


cdef Cipher cipher


def _start():
    """Find the cipher; raise ImportError where OpenSSL lacks it."""
    global aes
    aes = EVP_get_cipherbyname(b"id-aes256-GCM")
    if aes is NULL:
        raise ImportError("OpenSSL has no AES-256-GCM")
    return OpenSSL_version(OPENSSL_VERSION).decode()


VERSION = _start()
cipher.expand = expand
cipher.seal = seal
cipher.open = open_units
cipher.wipe = wipe
CIPHER = PyCapsule_New(&cipher, "pytio._accel.cipher", NULL)
