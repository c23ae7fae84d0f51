/* Logins with certificates. */
#include "lib/token/token.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Certificates of one login. */
#define CHAIN_MAX 20

typedef STACK_OF(X509) Chain;

static void chain_free(Chain *chain)
{
    sk_X509_pop_free(chain, X509_free);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chain, chain_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)

/* Whatever stands between the certificates is passed over. NULL: there is none, or too many. */
static Chain *read_chain(const char *text, GError **error)
{
    g_autoptr(Chain) chain = sk_X509_new_null();
    g_autoptr(BIO) memory = BIO_new_mem_buf(text, -1);
    X509 *certificate;
    while (memory && (certificate = PEM_read_bio_X509(memory, NULL, NULL, NULL)))
        sk_X509_push(chain, certificate);
    if (sk_X509_num(chain) > 0 && sk_X509_num(chain) <= CHAIN_MAX)
        return g_steal_pointer(&chain);
    token_fail(error, "there must be from 1 to 20 certificates in PEM");
    return NULL;
}

/* A subject as one word: blanks as \x20, as OpenNebula writes them, or left out, as it once did. */
static char *subject_word(X509 *certificate, gboolean without_blanks)
{
    char *line = X509_NAME_oneline(X509_get_subject_name(certificate), NULL, 0);
    GString *word = g_string_new(NULL);
    for (const char *at = line ? line : ""; *at; at++) {
        if (!g_ascii_isspace(*at))
            g_string_append_c(word, *at);
        else if (!without_blanks)
            g_string_append_printf(word, "\\x%x", (guint)(guchar)*at);
    }
    OPENSSL_free(line);
    return g_string_free(word, FALSE);
}

char *token_x509_word(const char *certificates, GError **error)
{
    g_autoptr(Chain) chain = read_chain(certificates, error);
    return chain ? subject_word(sk_X509_value(chain, 0), FALSE) : NULL;
}

char *token_x509_make(EVP_PKEY *key, const char *certificates, const char *user, gint64 expires,
                      GError **error)
{
    g_autoptr(Chain) chain = read_chain(certificates, error);
    if (!chain)
        return NULL;
    if (X509_check_private_key(sk_X509_value(chain, 0), key) != 1) {
        token_fail(error, "the private key does not belong to the first certificate");
        return NULL;
    }
    g_autofree char *head = token_sign(key, user, expires, error);
    g_autoptr(BIO) memory = BIO_new(BIO_s_mem());
    if (!head || !memory)
        return NULL;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        BIO_puts(memory, i ? ":" : "");
        PEM_write_bio_X509(memory, sk_X509_value(chain, i));
    }
    char *bytes;
    long length = BIO_get_mem_data(memory, &bytes);
    g_autofree char *pem = g_strndup(bytes, (gsize)length);
    g_autofree char *text = g_strdup_printf("%s:%s", head, pem);
    return g_base64_encode((const guchar *)text, strlen(text));
}

/* ---- trust ---- */

static void add_file(X509_STORE *store, const char *path)
{
    g_autoptr(BIO) file = BIO_new_file(path, "r");
    STACK_OF(X509_INFO) *infos = file ? PEM_X509_INFO_read_bio(file, NULL, NULL, NULL) : NULL;
    for (int i = 0; infos && i < sk_X509_INFO_num(infos); i++) {
        const X509_INFO *info = sk_X509_INFO_value(infos, i);
        if (info->x509)
            X509_STORE_add_cert(store, info->x509);
        if (info->crl)
            X509_STORE_add_crl(store, info->crl);
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
}

static X509_STORE *trusted(const char *directory, GError **error)
{
    g_autoptr(GDir) files = g_dir_open(directory, 0, error);
    const char *name;
    if (!files) {
        g_prefix_error(error, "the directory of trusted authorities cannot be read: ");
        return NULL;
    }
    X509_STORE *store = X509_STORE_new();
    while ((name = g_dir_read_name(files))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        add_file(store, path);
    }
    return store;
}

/* An authority that publishes no list of revocations has revoked nothing. */
static int judge(int good, X509_STORE_CTX *context)
{
    return good || X509_STORE_CTX_get_error(context) == X509_V_ERR_UNABLE_TO_GET_CRL;
}

/* The chain from the user's certificate to a trusted one, verified. (owned) */
static Chain *verify(Chain *given, const char *directory, gint64 now, GError **error)
{
    g_autoptr(X509_STORE) store = trusted(directory, error);
    g_autoptr(X509_STORE_CTX) context = store ? X509_STORE_CTX_new() : NULL;
    if (!context || !X509_STORE_CTX_init(context, store, sk_X509_value(given, 0), given))
        return NULL;
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_ALLOW_PROXY_CERTS | X509_V_FLAG_CRL_CHECK |
                                          X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_CTX_set_time(context, 0, (time_t)now);
    X509_STORE_CTX_set_verify_cb(context, judge);
    if (X509_verify_cert(context) == 1)
        return X509_STORE_CTX_get1_chain(context);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "the certificate is not trusted: %s",
                X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    return NULL;
}

/* Whether the user's own certificate is one of the words; behind a proxy certificate is the one
 * that it stands in for. */
static gboolean is_one_of(Chain *chain, const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, "|", -1);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *certificate = sk_X509_value(chain, i);
        g_autofree char *word = subject_word(certificate, FALSE);
        g_autofree char *older = subject_word(certificate, TRUE);
        if (*word && (g_strv_contains((const char *const *)list, word) ||
                      g_strv_contains((const char *const *)list, older)))
            return TRUE;
        if (!(X509_get_extension_flags(certificate) & EXFLAG_PROXY))
            return FALSE;
    }
    return FALSE;
}

gboolean token_x509_check(const char *words, const char *text, const char *directory, gint64 now,
                          Token *token, GError **error)
{
    gsize length = 0;
    g_autofree guchar *bytes = strlen(text) > TOKEN_MAX ? NULL : g_base64_decode(text, &length);
    g_autofree char *plain = g_strndup(bytes ? (const char *)bytes : "", length);
    char *colon = strchr(plain, ':');
    if (!colon)
        return token_fail(error, "the token holds no certificates");
    *colon = '\0';
    g_autoptr(Chain) given = read_chain(colon + 1, error);
    g_autoptr(Chain) chain = given ? verify(given, directory, now, error) : NULL;
    if (!chain)
        return FALSE;
    if (!is_one_of(chain, words))
        return token_fail(error, "the subject of the certificate is not that of the user");
    EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(given, 0));
    if (!key)
        return token_fail(error, "the certificate has no key");
    return token_check_key(key, plain, now, token, error);
}
