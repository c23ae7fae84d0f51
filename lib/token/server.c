/* Tokens of servers that act for users. */
#include "lib/token/token.h"

#include <string.h>

/* Key and start of AES-256-CBC are letters of the hash, as OpenNebula's servers have it. */
#define KEY_BYTES   32
#define START_BYTES 16

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

static gboolean hash_fits(const char *hash, GError **error)
{
    if (strlen(hash) >= KEY_BYTES && strspn(hash, "0123456789abcdef") == strlen(hash))
        return TRUE;
    return token_fail(error, "the server's password is not the SHA-256 of a secret in hexadecimal");
}

char *token_server_make(const char *hash, const char *server, const char *user, gint64 expires,
                        GError **error)
{
    g_autofree char *text = g_strdup_printf("%s:%s:%" G_GINT64_FORMAT, server, user, expires);
    g_autofree guchar *bytes = g_malloc(strlen(text) + 2 * START_BYTES);
    g_autoptr(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int length = 0, rest = 0;
    if (!hash_fits(hash, error))
        return NULL;
    if (!context ||
        !EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), NULL, (const guchar *)hash,
                            (const guchar *)hash) ||
        !EVP_EncryptUpdate(context, bytes, &length, (const guchar *)text, (int)strlen(text)) ||
        !EVP_EncryptFinal_ex(context, bytes + length, &rest)) {
        token_fail(error, "the token cannot be made");
        return NULL;
    }
    return g_base64_encode(bytes, (gsize)length + (gsize)rest);
}

/* (owned, NULL: it was not made with this secret) */
static char *decrypted(const char *hash, const char *text, GError **error)
{
    gsize size = 0;
    g_autofree guchar *bytes = strlen(text) > TOKEN_MAX ? NULL : g_base64_decode(text, &size);
    g_autofree guchar *plain = g_malloc0(size + START_BYTES + 1);
    g_autoptr(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int length = 0, rest = 0;
    if (size == 0 || !context ||
        !EVP_DecryptInit_ex(context, EVP_aes_256_cbc(), NULL, (const guchar *)hash,
                            (const guchar *)hash) ||
        !EVP_DecryptUpdate(context, plain, &length, bytes, (int)size) ||
        !EVP_DecryptFinal_ex(context, plain + length, &rest) ||
        memchr(plain, '\0', (gsize)length + (gsize)rest)) {
        token_fail(error, "the token was not made with the secret of this server");
        return NULL;
    }
    return g_strndup((const char *)plain, (gsize)length + (gsize)rest);
}

gboolean token_server_check(const char *hash, const char *server, const char *text, gint64 now,
                            Token *token, GError **error)
{
    g_autofree char *plain = hash_fits(hash, error) ? decrypted(hash, text, error) : NULL;
    if (!plain)
        return FALSE;
    const char *colon = strchr(plain, ':');
    if (!colon || strlen(server) != (gsize)(colon - plain) ||
        strncmp(plain, server, strlen(server)) != 0)
        return token_fail(error, "the token is of another server");
    return token_read(colon + 1, now, token, error);
}
