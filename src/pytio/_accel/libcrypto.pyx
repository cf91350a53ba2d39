"""AES-256-GCM of OpenSSL; `libcrypto.pyi` says what is exported."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free

from pytio._accel.cipher cimport IV_BYTES, MAC_BYTES, Cipher, Unit
from pytio._accel.openssl cimport (
    EVP_CIPHER,
    EVP_CIPHER_CTX,
    EVP_CIPHER_CTX_ctrl,
    EVP_CIPHER_CTX_free,
    EVP_CIPHER_CTX_new,
    EVP_CTRL_AEAD_GET_TAG,
    EVP_CTRL_AEAD_SET_IVLEN,
    EVP_CTRL_AEAD_SET_TAG,
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


cdef struct Contexts:
    # A context is for one direction; which one a key has is not known before its first use.
    EVP_CIPHER_CTX* seal
    EVP_CIPHER_CTX* open

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


cdef int seal(void* key, Unit* units, int count) noexcept nogil:
    cdef EVP_CIPHER_CTX* context = (<Contexts*>key).seal
    cdef Unit* unit
    cdef int i, size
    for i in range(count):
        unit = &units[i]
        if not (
            EVP_EncryptInit_ex(context, NULL, NULL, NULL, unit.iv) == 1
            and EVP_EncryptUpdate(context, NULL, &size, unit.aad, unit.aad_bytes) == 1
            and EVP_EncryptUpdate(context, unit.target, &size, unit.source, unit.text_bytes) == 1
            and EVP_EncryptFinal_ex(context, unit.target + size, &size) == 1
            and EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, MAC_BYTES, unit.mac) == 1
        ):
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
            and EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, MAC_BYTES, unit.mac) == 1
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
