/* Logins: no token, key or request may crash who reads it, and none is good by chance. */
#include "drivers/auth/auth.h"
#include "lib/token/token.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A public key whose private part nobody kept. */
#define WORD                                                                                       \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC3GqB6yVwVSc/cfbgCnkkR8HWh9rj7bmcS4+/P"                 \
    "z5wDgq53SzMOac/d909Hj08wGWjDK+CgJjqxVtWdbVc5VRKCXIdaqO9kC3p6C7S+Y/UFrMJ4789Y"                 \
    "JIYlFUgrKr+xqrIcUK48PaXrQweuboPqw6ENcW7hkaMGI0WKYSyDKGMEYQIDAQAB"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tokens(const char *text)
{
    g_auto(Token) token = {0};
    g_assert_false(token_check(WORD, text, 0, &token, NULL));
    g_assert_false(token_x509_check("/CN=x", text, "/nowhere", 0, &token, NULL));
    (void)token_check(text, text, 0, &token, NULL);
    token_clear(&token);
    (void)token_server_check(HASH, "gate", text, 0, &token, NULL);
}

static void check_server(const char *text)
{
    g_auto(Token) token = {0};
    gchar *encoded = token_server_make(HASH, "gate", text, G_MAXINT32, NULL);
    gboolean good = token_server_check(HASH, "gate", encoded, 0, &token, NULL);
    g_assert_true(good == (*text && g_utf8_validate(text, -1, NULL)));
    g_assert_true(!good || !strcmp(token.user, text));
    g_free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(AuthRequest) request = {0};
    check_tokens(text);
    check_server(text);
    EVP_PKEY_free(token_private_key(text, NULL));
    g_free(token_x509_word(text, NULL));
    (void)auth_request_read(&request, text, NULL);
    return 0;
}
