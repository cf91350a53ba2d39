"""What is used of OpenSSL's libcrypto, 1.1.1 or newer; every other declaration stays in its headers."""

from libc.stdint cimport uint8_t


cdef extern from "openssl/evp.h" nogil:
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct ENGINE:
        pass
    enum:
        EVP_CTRL_AEAD_GET_TAG
        EVP_CTRL_AEAD_SET_IVLEN
        EVP_CTRL_AEAD_SET_TAG
        EVP_CTRL_GCM_SET_IV_FIXED
    const EVP_CIPHER* EVP_get_cipherbyname(const char* name)
    int EVP_CIPHER_key_length(const EVP_CIPHER* cipher)
    int EVP_CIPHER_iv_length(const EVP_CIPHER* cipher)
    EVP_CIPHER_CTX* EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX* context)
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX* context, int what, int number, void* data)
    int EVP_EncryptInit_ex(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher, ENGINE* engine,
                           const uint8_t* key, const uint8_t* iv)
    int EVP_EncryptUpdate(EVP_CIPHER_CTX* context, uint8_t* out, int* out_size, const uint8_t* data, int size)
    int EVP_EncryptFinal_ex(EVP_CIPHER_CTX* context, uint8_t* out, int* out_size)
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher, ENGINE* engine,
                           const uint8_t* key, const uint8_t* iv)
    int EVP_DecryptUpdate(EVP_CIPHER_CTX* context, uint8_t* out, int* out_size, const uint8_t* data, int size)
    int EVP_DecryptFinal_ex(EVP_CIPHER_CTX* context, uint8_t* out, int* out_size)


cdef extern from "openssl/crypto.h" nogil:
    enum:
        OPENSSL_VERSION
    const char* OpenSSL_version(int what)
    void OPENSSL_cleanse(void* data, size_t size)
