/* Certificates and keys of TLS: what is told when they cannot be used, or will not be for long. */
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "server/http/certificate.h"

#include <glib/gstdio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define DAY (24 * 3600L)

static EVP_PKEY *key_new(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    g_assert_nonnull(key);
    return key;
}

/* What was written to a BIO in memory, which goes. (owned) */
static char *text_of(BIO *bio)
{
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    char *text = g_strndup(data, (gsize)length);
    BIO_free(bio);
    return text;
}

/* (owned) */
static char *key_text(EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    g_assert_cmpint(PEM_write_bio_PrivateKey(bio, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL,
                                             0, NULL, (void *)passphrase),
                    ==, 1);
    return text_of(bio);
}

/* Good from and until so many seconds from now. (owned) */
static char *certificate_text(EVP_PKEY *key, long from, long until)
{
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    X509_set_pubkey(certificate, key);
    g_assert_cmpint(X509_sign(certificate, key, EVP_sha256()), >, 0);
    BIO *bio = BIO_new(BIO_s_mem());
    g_assert_cmpint(PEM_write_bio_X509(bio, certificate), ==, 1);
    X509_free(certificate);
    return text_of(bio);
}

static void assert_refused(const char *certificate, const char *key, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(certificate_check("a.crt", certificate, "a.key", key, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
    g_assert_nonnull(strstr(error->message, message));
}

static void test_refusals(void)
{
    EVP_PKEY *key = key_new(), *other = key_new();
    g_autofree char *good = certificate_text(key, -DAY, 100 * DAY);
    g_autofree char *good_key = key_text(key, NULL), *other_key = key_text(other, NULL);
    g_autofree char *encrypted = key_text(key, "secret");
    assert_refused("", good_key, "TLS_CERT a.crt holds no certificate");
    assert_refused(good_key, good_key, "TLS_CERT a.crt holds no certificate");
    assert_refused(good, "", "TLS_KEY a.key holds no private key");
    assert_refused(good, good, "TLS_KEY a.key holds no private key");
    assert_refused(good, encrypted, "TLS_KEY a.key is encrypted");
    assert_refused(good, other_key, "TLS_KEY a.key is not the key of the first certificate");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

/* What the log says of a certificate. (owned) */
static char *said_of(long from, long until)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "globule-certificate-XXXXXX", NULL);
    int file = g_mkstemp(path);
    g_assert_cmpint(file, !=, -1);
    g_close(file, NULL);
    g_assert_true(log_open(LOG_TO_FILE, path, LOG_WARNING, NULL));
    EVP_PKEY *key = key_new();
    g_autofree char *certificate = certificate_text(key, from, until);
    g_autofree char *text = key_text(key, NULL);
    GError *error = NULL;
    gboolean good = certificate_check("a.crt", certificate, "a.key", text, &error);
    g_assert_no_error(error);
    g_assert_true(good);
    EVP_PKEY_free(key);
    log_open(LOG_TO_STDERR, NULL, LOG_WARNING, NULL);
    char *said = NULL;
    g_assert_true(g_file_get_contents(path, &said, NULL, NULL));
    g_unlink(path);
    return said;
}

static void test_dates(void)
{
    g_autofree char *good = said_of(-DAY, 100 * DAY), *soon = said_of(-DAY, 3 * DAY);
    g_autofree char *ended = said_of(-3 * DAY, -DAY), *early = said_of(2 * DAY, 100 * DAY);
    g_assert_cmpstr(good, ==, "");
    g_assert_nonnull(strstr(soon, "TLS_CERT a.crt ends on 2"));
    g_assert_nonnull(strstr(ended, "TLS_CERT a.crt has ended on 2"));
    g_assert_nonnull(strstr(early, "TLS_CERT a.crt begins on 2"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/certificate/refusals", test_refusals);
    g_test_add_func("/certificate/dates", test_dates);
    return g_test_run();
}
