#include "lib/token/token.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

/* Keys below this can be broken. */
#define RSA_BITS_LEAST 1024

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)

void token_clear(Token *token)
{
    g_clear_pointer(&token->user, g_free);
}

gboolean token_fail(GError **error, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "%s%s%s", what, why ? ": " : "",
                why ? why : "");
    ERR_clear_error();
    return FALSE;
}

gboolean token_read(const char *text, gint64 now, Token *token, GError **error)
{
    const char *colon = strrchr(text, ':');
    gint64 until;
    if (!colon || colon == text || !g_utf8_validate(text, -1, NULL) ||
        !g_ascii_string_to_signed(colon + 1, 10, 0, G_MAXINT64, &until, NULL))
        return token_fail(error, "the token does not hold user:expires");
    if (until <= now)
        return token_fail(error, "the token has expired, log in again");
    token->user = g_strndup(text, (gsize)(colon - text));
    token->until = until;
    return TRUE;
}

/* ---- keys ---- */

char *token_public_word(EVP_PKEY *key, GError **error)
{
    guchar *bytes = NULL;
    int length = i2d_PUBKEY(key, &bytes);
    if (length <= 0) {
        token_fail(error, "the key has no public part");
        return NULL;
    }
    char *word = g_base64_encode(bytes, (gsize)length);
    OPENSSL_free(bytes);
    return word;
}

static EVP_PKEY *key_of_word(const char *word, GError **error)
{
    gsize length = 0;
    g_autofree guchar *bytes = strlen(word) > TOKEN_MAX ? NULL : g_base64_decode(word, &length);
    const guchar *at = bytes;
    EVP_PKEY *key = length ? d2i_PUBKEY(NULL, &at, (long)length) : NULL;
    if (!key)
        token_fail(error,
                   "the user's password is not the word of a public key (see `oneuser key`)");
    return key;
}

/* RSA signs the text itself, others its digest. */
static gboolean is_rsa(EVP_PKEY *key)
{
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

/* Ed25519 and its kind have a digest of their own. */
static const EVP_MD *digest_for(EVP_PKEY *key)
{
    int kind = EVP_PKEY_get_base_id(key);
    return kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448 ? NULL : EVP_sha256();
}

/* ---- making ---- */

static char *sign_rsa(EVP_PKEY *key, const char *text, GError **error)
{
    g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new(key, NULL);
    size_t length = (size_t)EVP_PKEY_get_size(key);
    g_autofree guchar *bytes = g_malloc(length);
    if (!context || EVP_PKEY_sign_init(context) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_sign(context, bytes, &length, (const guchar *)text, strlen(text)) <= 0) {
        token_fail(error, "the key cannot sign");
        return NULL;
    }
    return g_base64_encode(bytes, length);
}

static char *sign_other(EVP_PKEY *key, const char *text, GError **error)
{
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    size_t length = (size_t)EVP_PKEY_get_size(key);
    g_autofree guchar *bytes = g_malloc(length);
    if (!context || EVP_DigestSignInit(context, NULL, digest_for(key), NULL, key) <= 0 ||
        EVP_DigestSign(context, bytes, &length, (const guchar *)text, strlen(text)) <= 0) {
        token_fail(error, "the key cannot sign");
        return NULL;
    }
    g_autofree char *first = g_base64_encode((const guchar *)text, strlen(text));
    g_autofree char *second = g_base64_encode(bytes, length);
    return g_strdup_printf("%s.%s", first, second);
}

char *token_sign(EVP_PKEY *key, const char *user, gint64 expires, GError **error)
{
    g_autofree char *text = g_strdup_printf("%s:%" G_GINT64_FORMAT, user, expires);
    return is_rsa(key) ? sign_rsa(key, text, error) : sign_other(key, text, error);
}

/* ---- checking ---- */

/* The text that an RSA key signed. (owned, NULL: it did not) */
static char *recover(EVP_PKEY *key, const char *signed_text, GError **error)
{
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(signed_text, &length);
    size_t room = (size_t)EVP_PKEY_get_size(key);
    g_autofree guchar *text = g_malloc0(room + 1);
    g_autoptr(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new(key, NULL);
    if (EVP_PKEY_get_bits(key) < RSA_BITS_LEAST || !context ||
        EVP_PKEY_verify_recover_init(context) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_verify_recover(context, text, &room, bytes, length) <= 0 ||
        memchr(text, '\0', room)) {
        token_fail(error, "the token was not signed with the key of this user");
        return NULL;
    }
    return g_strndup((const char *)text, room);
}

static char *verified(EVP_PKEY *key, const char *signed_text, GError **error)
{
    const char *point = strchr(signed_text, '.');
    g_autofree char *first = point ? g_strndup(signed_text, (gsize)(point - signed_text)) : NULL;
    gsize length = 0, signature_length = 0;
    g_autofree guchar *text = point ? g_base64_decode(first, &length) : NULL;
    g_autofree guchar *bytes = point ? g_base64_decode(point + 1, &signature_length) : NULL;
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    if (!text || !bytes || !context || memchr(text, '\0', length) ||
        EVP_DigestVerifyInit(context, NULL, digest_for(key), NULL, key) <= 0 ||
        EVP_DigestVerify(context, bytes, signature_length, text, length) != 1) {
        token_fail(error, "the token was not signed with the key of this user");
        return NULL;
    }
    return g_strndup((const char *)text, length);
}

gboolean token_check_key(EVP_PKEY *key, const char *signed_text, gint64 now, Token *token,
                         GError **error)
{
    if (strlen(signed_text) > TOKEN_MAX)
        return token_fail(error, "the token is too long");
    g_autofree char *text =
        is_rsa(key) ? recover(key, signed_text, error) : verified(key, signed_text, error);
    return text && token_read(text, now, token, error);
}

gboolean token_check(const char *public_word, const char *signed_text, gint64 now, Token *token,
                     GError **error)
{
    g_autoptr(EVP_PKEY) key = key_of_word(public_word, error);
    return key && token_check_key(key, signed_text, now, token, error);
}
