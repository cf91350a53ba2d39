/* Bare loops over AES-256-GCM, for the rows of test_ide.py: the same sizes as an IDE TLP, and nothing around them.
 *
 * Each seals or opens `count` records of `size` bytes with 20 bytes of AAD and a MAC of 12 bytes, `rounds` times, and
 * returns how many nanoseconds of processor time one record took. IVs and AAD are there before; buffers lie one after
 * the other, as those of a batch do.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AAD = 20, MAC = 12, IV = 12, ROOM = 32, SEAL = 0 };

static uint8_t *text, *sealed, *back, *aads, *ivs, *macs;
static const uint8_t key[32] = {1, 2, 3, 4, 5, 6, 7, 8};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void prepare(int count, int size)
{
    size_t bytes = (size_t)count * size + 64;
    text = calloc(1, bytes), sealed = calloc(1, bytes), back = calloc(1, bytes);
    memset(text, 0x5a, bytes); /* memory that was never written is one and the same page */
    aads = calloc(count, ROOM), ivs = calloc(count, ROOM), macs = calloc(count, ROOM);
    for (int i = 0; i < count; i++)
        memcpy(ivs + i * ROOM + 8, &i, sizeof i);
}

static void release(void)
{
    free(text), free(sealed), free(back), free(aads), free(ivs), free(macs);
}

#ifdef WITH_IPSEC_MB
#include <intel-ipsec-mb.h>

static int imb_round(IMB_MGR *m, struct gcm_key_data *k, int open, int count, int size)
{
    struct gcm_context_data c;
    uint8_t mac[16];
    int bad = 0;
    for (int i = 0; i < count; i++) {
        size_t at = (size_t)i * size;
        if (open == SEAL) {
            IMB_AES256_GCM_ENC(m, k, &c, sealed + at, text + at, size, ivs + i * ROOM, aads + i * ROOM, AAD,
                               macs + i * ROOM, MAC);
        } else {
            IMB_AES256_GCM_DEC(m, k, &c, back + at, sealed + at, size, ivs + i * ROOM, aads + i * ROOM, AAD, mac, MAC);
            bad |= memcmp(mac, macs + i * ROOM, MAC);
        }
    }
    return bad;
}

double bare_ipsec_mb(int open, int count, int size, int rounds)
{
    IMB_ARCH arch;
    IMB_MGR *m = alloc_mb_mgr(0);
    struct gcm_key_data *k = aligned_alloc(64, (sizeof *k + 63) / 64 * 64);
    double start, spent;
    int bad = 0;
    init_mb_mgr_auto(m, &arch);
    IMB_AES256_GCM_PRE(m, key, k);
    prepare(count, size);
    imb_round(m, k, SEAL, count, size);
    start = now();
    for (int i = 0; i < rounds; i++)
        bad |= imb_round(m, k, open, count, size);
    spent = now() - start;
    release(), free(k), free_mb_mgr(m);
    return bad ? -1 : spent / rounds / count;
}
#endif

#ifdef WITH_LIBCRYPTO
#include <openssl/evp.h>

static int evp_round(EVP_CIPHER_CTX *c, int open, int count, int size)
{
    int got, good = 1;
    for (int i = 0; i < count; i++) {
        size_t at = (size_t)i * size;
        if (open == SEAL) {
            EVP_EncryptInit_ex(c, NULL, NULL, NULL, ivs + i * ROOM);
            EVP_EncryptUpdate(c, NULL, &got, aads + i * ROOM, AAD);
            EVP_EncryptUpdate(c, sealed + at, &got, text + at, size);
            EVP_EncryptFinal_ex(c, sealed + at + got, &got);
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, MAC, macs + i * ROOM);
        } else {
            EVP_DecryptInit_ex(c, NULL, NULL, NULL, ivs + i * ROOM);
            EVP_DecryptUpdate(c, NULL, &got, aads + i * ROOM, AAD);
            EVP_DecryptUpdate(c, back + at, &got, sealed + at, size);
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, MAC, macs + i * ROOM);
            good &= EVP_DecryptFinal_ex(c, back + at + got, &got) == 1;
        }
    }
    return !good;
}

double bare_libcrypto(int open, int count, int size, int rounds)
{
    EVP_CIPHER_CTX *seal = EVP_CIPHER_CTX_new(), *unseal = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *aes = EVP_get_cipherbyname("id-aes256-GCM");
    double start, spent;
    int bad = 0;
    EVP_EncryptInit_ex(seal, aes, NULL, key, NULL);
    EVP_DecryptInit_ex(unseal, aes, NULL, key, NULL);
    prepare(count, size);
    evp_round(seal, SEAL, count, size);
    start = now();
    for (int i = 0; i < rounds; i++)
        bad |= evp_round(open == SEAL ? seal : unseal, open, count, size);
    spent = now() - start;
    release(), EVP_CIPHER_CTX_free(seal), EVP_CIPHER_CTX_free(unseal);
    return bad ? -1 : spent / rounds / count;
}
#endif
