/* Private keys: PEM is read by libcrypto, the form of ssh-keygen here. Source of that form:
 * PROTOCOL.key of OpenSSH. */
#include "lib/token/token.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#define SSH_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define SSH_END   "-----END OPENSSH PRIVATE KEY-----"
#define SSH_MAGIC "openssh-key-v1"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)

/* What is left to read. */
typedef struct Bytes {
    const guchar *at;
    gsize length;
} Bytes;

static gboolean take_number(Bytes *from, guint32 *number)
{
    if (from->length < 4)
        return FALSE;
    *number = (guint32)from->at[0] << 24 | (guint32)from->at[1] << 16 | (guint32)from->at[2] << 8 |
              from->at[3];
    from->at += 4;
    from->length -= 4;
    return TRUE;
}

/* A string: its length, then so many bytes. */
static gboolean take(Bytes *from, Bytes *string)
{
    guint32 length;
    if (!take_number(from, &length) || length > from->length)
        return FALSE;
    *string = (Bytes){from->at, length};
    from->at += length;
    from->length -= length;
    return TRUE;
}

static gboolean is(const Bytes *string, const char *text)
{
    return string->length == strlen(text) && memcmp(string->at, text, string->length) == 0;
}

static EVP_PKEY *read_ed25519(Bytes *from)
{
    Bytes public, private;
    if (!take(from, &public) || !take(from, &private) || private.length != 64)
        return NULL;
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private.at, 32);
}

static EVP_PKEY *read_rsa(Bytes *from)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
                                        OSSL_PKEY_PARAM_RSA_D};
    g_autoptr(OSSL_PARAM_BLD) builder = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[G_N_ELEMENTS(names)] = {NULL};
    gboolean good = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(names) && good; i++) {
        Bytes number;
        good = take(from, &number) && number.length <= 4096;
        numbers[i] = good ? BN_bin2bn(number.at, (int)number.length, NULL) : NULL;
        good = good && numbers[i] && OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]);
    }
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = good ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (parameters && context && EVP_PKEY_fromdata_init(context) > 0)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters);
    OSSL_PARAM_free(parameters);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        BN_clear_free(numbers[i]);
    return key;
}

/* The part that would be encrypted: two equal numbers, the kind of key, and the key. */
static EVP_PKEY *read_private(Bytes from)
{
    guint32 one, other;
    Bytes kind;
    if (!take_number(&from, &one) || !take_number(&from, &other) || one != other ||
        !take(&from, &kind))
        return NULL;
    return is(&kind, "ssh-ed25519") ? read_ed25519(&from)
           : is(&kind, "ssh-rsa")   ? read_rsa(&from)
                                    : NULL;
}

static EVP_PKEY *read_ssh(const char *text, GError **error)
{
    const char *begin = text + strlen(SSH_BEGIN), *end = strstr(begin, SSH_END);
    g_autofree char *inner = g_strndup(begin, end ? (gsize)(end - begin) : 0);
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(inner, &length);
    Bytes from = {bytes, length}, cipher, kdf, options, public, private;
    guint32 keys;
    if (length <= sizeof SSH_MAGIC || memcmp(bytes, SSH_MAGIC, sizeof SSH_MAGIC) != 0) {
        token_fail(error, "the file is no private key of ssh");
        return NULL;
    }
    from.at += sizeof SSH_MAGIC;
    from.length -= sizeof SSH_MAGIC;
    if (take(&from, &cipher) && take(&from, &kdf) && take(&from, &options) &&
        !is(&cipher, "none")) {
        token_fail(error, "the private key is encrypted; write a copy without passphrase with "
                          "`ssh-keygen -p -N '' -f COPY`, and remove it afterwards");
        return NULL;
    }
    EVP_PKEY *key =
        take_number(&from, &keys) && keys == 1 && take(&from, &public) && take(&from, &private)
            ? read_private(private)
            : NULL;
    if (!key)
        token_fail(error, "the private key is of no kind that can log in; use RSA or Ed25519");
    return key;
}

/* No passphrase is asked for: an encrypted key is an error. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
    return -1;
}

EVP_PKEY *token_private_key(const char *text, GError **error)
{
    const char *ssh = strstr(text, SSH_BEGIN);
    if (ssh)
        return read_ssh(ssh, error);
    g_autoptr(BIO) memory = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = memory ? PEM_read_bio_PrivateKey(memory, NULL, no_passphrase, NULL) : NULL;
    if (!key)
        token_fail(error, "the file holds no private key in PEM, or an encrypted one");
    return key;
}
