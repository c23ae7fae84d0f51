#include "server/auth/password.h"

#include "lib/base/error.h"
#include <sodium.h>
#include <string.h>

/* What OWASP asks of argon2id: 10 to 20 ms on a processor of 2020, with memory that makes
 * guessing by special hardware dear. */
#define PASSES       2
#define MEMORY_BYTES (19 * 1024 * 1024)

static gpointer set_up(gpointer unused)
{
    return GINT_TO_POINTER(sodium_init() >= 0);
}

static gboolean ready(void)
{
    static GOnce once = G_ONCE_INIT;
    return GPOINTER_TO_INT(g_once(&once, set_up, NULL));
}

gboolean password_is_digest(const char *text)
{
    gsize length = strspn(text, "0123456789abcdef");
    return length == 40 && text[length] == '\0';
}

static char *digest_of(const char *password)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA1, password, -1);
}

static void wipe(char *secret)
{
    sodium_memzero(secret, strlen(secret));
    g_free(secret);
}

char *password_verifier(const char *password, GError **error)
{
    char verifier[crypto_pwhash_STRBYTES];
    char *digest = password_is_digest(password) ? g_strdup(password) : digest_of(password);
    gboolean ok = ready() && crypto_pwhash_str_alg(verifier, digest, strlen(digest), PASSES,
                                                   MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) == 0;
    wipe(digest);
    if (ok)
        return g_strdup(verifier);
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "The password could not be hashed: there are no %d MiB of memory for it.",
                MEMORY_BYTES / (1024 * 1024));
    return NULL;
}

static gboolean fits(const char *verifier, const char *digest)
{
    return crypto_pwhash_str_verify(verifier, digest, strlen(digest)) == 0;
}

gboolean password_verify(const char *verifier, const char *secret)
{
    if (!ready())
        return FALSE;
    if (password_is_digest(secret) && fits(verifier, secret))
        return TRUE;
    /* A password may look like a digest. */
    char *digest = digest_of(secret);
    gboolean ok = fits(verifier, digest);
    wipe(digest);
    return ok;
}

/* A verifier that no password fits, and that takes as long to find out as a real one. Made up,
 * not computed: oned shall not wait for it when it starts. */
static gpointer make_nobody(gpointer unused)
{
    guint8 salt[16], hash[32];
    char salt_text[32], hash_text[64];
    randombytes_buf(salt, sizeof salt);
    randombytes_buf(hash, sizeof hash);
    sodium_bin2base64(salt_text, sizeof salt_text, salt, sizeof salt,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    sodium_bin2base64(hash_text, sizeof hash_text, hash, sizeof hash,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    return g_strdup_printf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", MEMORY_BYTES / 1024, PASSES,
                           salt_text, hash_text);
}

void password_pretend(const char *secret)
{
    static GOnce once = G_ONCE_INIT;
    if (ready())
        password_verify(g_once(&once, make_nobody, NULL), secret);
}
