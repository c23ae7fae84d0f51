#include "lib/token/token.h"

#include <openssl/rsa.h>
#include <string.h>

#define NOW  1000000
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

static EVP_PKEY *rsa, *ed25519, *weak; /* made once: that takes a while */

static void make_keys(void)
{
    rsa = EVP_RSA_gen(2048);
    weak = EVP_RSA_gen(768);
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    g_assert_nonnull(rsa);
    g_assert_nonnull(weak);
    g_assert_nonnull(ed25519);
}

/* Whether it is let in; the error must tell why not. */
static gboolean good(EVP_PKEY *key, const char *text, const char *user)
{
    g_auto(Token) token = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *word = token_public_word(key, &error);
    g_assert_no_error(error);
    gboolean right = token_check(word, text, NOW, &token, &error);
    g_assert_true(right == (error == NULL));
    g_assert_true(!right || token.until > NOW);
    return right && !strcmp(token.user, user);
}

static void test_signed(void)
{
    EVP_PKEY *const keys[] = {rsa, ed25519};
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *token = token_sign(keys[i], "anna", NOW + 1, &error);
        g_autofree char *late = token_sign(keys[i], "anna", NOW, &error);
        g_autofree char *empty = token_sign(keys[i], "", NOW + 1, &error);
        g_assert_no_error(error);
        g_assert_true(good(keys[i], token, "anna"));
        g_assert_false(good(keys[i], token, "otto"));
        g_assert_false(good(keys[1 - i], token, "anna"));
        g_assert_false(good(keys[i], late, "anna"));
        g_assert_false(good(keys[i], empty, ""));
        for (gsize at = 0, end = strlen(token); at < end; at += 7) {
            g_autofree char *changed = g_strdup(token), *cut = g_strndup(token, at);
            changed[at] = changed[at] == 'A' ? 'B' : 'A';
            g_assert_false(good(keys[i], changed, "anna"));
            g_assert_false(good(keys[i], cut, "anna"));
        }
    }
}

static void test_texts(void)
{
    static const char *const wrong[] = {"",
                                        "anna",
                                        "anna:",
                                        "anna:x",
                                        ":2000000",
                                        "anna:-2000000",
                                        "anna:2000000x",
                                        "\377:2000000",
                                        "anna:99999999999999999999"};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(Token) token = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(token_read(wrong[i], NOW, &token, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
    }
}

static void test_wrong_keys(void)
{
    g_auto(Token) token = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *by_weak = token_sign(weak, "anna", NOW + 1, NULL);
    g_autofree char *by_good = token_sign(rsa, "anna", NOW + 1, NULL);
    g_autofree char *huge = g_strnfill(TOKEN_MAX + 4, 'A');
    const char *const words[] = {"",  "-", "AAAA", "ssh-rsa", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A",
                                 huge};
    g_assert_false(good(weak, by_weak, "anna"));
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        g_assert_false(token_check(words[i], by_good, NOW, &token, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
        g_clear_error(&error);
    }
    g_assert_false(good(rsa, huge, "anna"));
    g_assert_false(good(ed25519, "....", "anna"));
}

static void test_private_keys(void)
{
    static const char *const wrong[] = {
        "",
        "x",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA/////w==\n"
        "-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(token_private_key(wrong[i], &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
    }
}

static gboolean server_good(const char *hash, const char *server, const char *text)
{
    g_auto(Token) token = {0};
    g_autoptr(GError) error = NULL;
    gboolean right = token_server_check(hash, server, text, NOW, &token, &error);
    g_assert_true(right == (error == NULL));
    return right && !strcmp(token.user, "anna");
}

static void test_server(void)
{
    g_autofree char *token = token_server_make(HASH, "gate", "anna", NOW + 1, NULL);
    g_autofree char *late = token_server_make(HASH, "gate", "anna", NOW, NULL);
    g_assert_true(server_good(HASH, "gate", token));
    g_assert_false(server_good(HASH, "gat", token));
    g_assert_false(server_good(HASH, "gate:anna", token));
    g_assert_false(server_good(HASH, "gate", late));
    g_assert_false(server_good("f" HASH, "gate", token));
    g_assert_false(server_good("short", "gate", token));
    g_assert_false(server_good("-", "gate", token));
    for (gsize at = 0; at < strlen(token); at++) {
        g_autofree char *cut = g_strndup(token, at);
        g_assert_false(server_good(HASH, "gate", cut));
    }
}

static void test_certificates(void)
{
    static const char *const wrong[] = {
        "", "eA==", "Og==", "eDo=", "eDotLS0tLUJFR0lOIENFUlRJRklDQVRFLS0tLS0K"};
    g_autoptr(GError) error = NULL;
    g_auto(Token) token = {0};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(token_x509_check("/CN=x", wrong[i], "/nowhere", NOW, &token, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
        g_clear_error(&error);
    }
    g_assert_null(token_x509_word("no certificate", &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_keys();
    g_test_add_func("/token/signed", test_signed);
    g_test_add_func("/token/texts", test_texts);
    g_test_add_func("/token/wrong-keys", test_wrong_keys);
    g_test_add_func("/token/private-keys", test_private_keys);
    g_test_add_func("/token/server", test_server);
    g_test_add_func("/token/certificates", test_certificates);
    int code = g_test_run();
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed25519);
    EVP_PKEY_free(weak);
    return code;
}
