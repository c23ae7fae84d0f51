#include "server/http/certificate.h"

#include "lib/base/error.h"
#include "lib/base/log.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

/* An end that is nearer than this is told. */
#define WARN_DAYS 14

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)

/* Keys with a passphrase have nobody to ask for it. */
static int no_passphrase(char *buffer, int size, int writing, void *unused)
{
    return -1;
}

static gboolean refuse(GError **error, const char *text)
{
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL, text);
    return FALSE;
}

static EVP_PKEY *read_key(const char *file, const char *text, GError **error)
{
    g_autoptr(BIO) source = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(source, NULL, no_passphrase, NULL);
    ERR_clear_error();
    if (key)
        return key;
    g_autofree char *why =
        strstr(text, "ENCRYPTED")
            ? g_strdup_printf("TLS_KEY %s is encrypted: write it without a passphrase "
                              "(openssl pkey -in FILE -out NEW)",
                              file)
            : g_strdup_printf("TLS_KEY %s holds no private key in PEM: it begins with -----BEGIN "
                              "PRIVATE KEY-----",
                              file);
    refuse(error, why);
    return NULL;
}

static X509 *read_certificate(const char *file, const char *text, GError **error)
{
    g_autoptr(BIO) source = BIO_new_mem_buf(text, -1);
    X509 *certificate = PEM_read_bio_X509(source, NULL, no_passphrase, NULL);
    ERR_clear_error();
    if (certificate)
        return certificate;
    g_autofree char *why = g_strdup_printf("TLS_CERT %s holds no certificate in PEM: it begins "
                                           "with -----BEGIN CERTIFICATE-----",
                                           file);
    refuse(error, why);
    return NULL;
}

/* (owned) */
static char *print_time(const ASN1_TIME *time)
{
    struct tm parts = {0};
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return g_strdup("?");
    return g_strdup_printf("%04d-%02d-%02d %02d:%02d UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                           parts.tm_mday, parts.tm_hour, parts.tm_min);
}

static void warn_of_dates(const char *file, const X509 *certificate)
{
    const ASN1_TIME *begin = X509_get0_notBefore(certificate);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    g_autofree char *begins = print_time(begin), *ends = print_time(end);
    time_t soon = time(NULL) + (time_t)WARN_DAYS * 24 * 3600;
    if (X509_cmp_current_time(end) < 0)
        log_warning("HTTP",
                    "The certificate in TLS_CERT %s has ended on %s: clients refuse it. Renew it, "
                    "and start oned again",
                    file, ends);
    else if (X509_cmp_current_time(begin) > 0)
        log_warning("HTTP",
                    "The certificate in TLS_CERT %s begins on %s only: clients refuse it until "
                    "then. Is the clock right?",
                    file, begins);
    else if (X509_cmp_time(end, &soon) < 0)
        log_warning("HTTP",
                    "The certificate in TLS_CERT %s ends on %s. Renew it before, and start oned "
                    "again",
                    file, ends);
}

gboolean certificate_check(const char *certificate_file, const char *certificate,
                           const char *key_file, const char *key, GError **error)
{
    g_autoptr(X509) shown = read_certificate(certificate_file, certificate, error);
    if (!shown)
        return FALSE;
    g_autoptr(EVP_PKEY) private = read_key(key_file, key, error);
    if (!private)
        return FALSE;
    gboolean belongs = X509_check_private_key(shown, private) == 1;
    ERR_clear_error();
    if (!belongs) {
        g_autofree char *why = g_strdup_printf(
            "TLS_KEY %s is not the key of the first certificate in TLS_CERT %s: the server's own "
            "must stand first, those of authorities behind it",
            key_file, certificate_file);
        return refuse(error, why);
    }
    warn_of_dates(certificate_file, shown);
    return TRUE;
}
