#include "lib/ssh/ssh_known.h"
#include "lib/base/error.h"
#include "tests/unit/cases.h"

/* Throw-away keys, made for this test. */
static const char key_a[] = "AAAAC3NzaC1lZDI1NTE5AAAAIBk+7FExMqx65SF4atk9euK6fzkrEqf0s0vHOM5st0Hr";
static const char key_b[] = "AAAAC3NzaC1lZDI1NTE5AAAAIEAOszx72Xy0CU+OjTqMhvO+CRNui61nsD9+JyK4PK0B";
static const char key_e[] =
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDrZQHK2dGkxKBDZT8PScFcndLhkPpueS4FtY/"
    "QON+RqEcCJkYLd2g8uii4YhV3QQB7UVriYWQG/oVB9hBnLBtw=";
static const char print_a[] = "SHA256:jB02Jz4qw6u6N7sakdtA0aumjrDwK6o9vazEaXFfCWk";

static SshKnown *read_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = cases_path("tm/known_hosts");
    SshKnown *known = ssh_known_new();
    g_assert_true(ssh_known_add_file(known, path, &error));
    g_assert_true(ssh_known_add_file(known, "/nowhere/known_hosts", &error));
    g_assert_no_error(error);
    return known;
}

static void test_decisions(void)
{
    static const struct {
        const char *host;
        guint port;
        const char *key;
        SshTrust trust;
    } cases[] = {
        {"plain", 22, key_a, SSH_KEY_TRUSTED},
        {"PLAIN", 22, key_a, SSH_KEY_TRUSTED},
        {"10.0.0.1", 22, key_a, SSH_KEY_TRUSTED},
        {"plain", 22, key_b, SSH_KEY_CHANGED},
        {"plain", 22, key_e, SSH_KEY_UNKNOWN},
        {"plain", 2222, key_b, SSH_KEY_TRUSTED},
        {"plain", 2222, key_a, SSH_KEY_CHANGED},
        {"plain", 2200, key_a, SSH_KEY_TRUSTED}, /* as OpenSSH: known under the plain name */
        {"plain", 2200, key_b, SSH_KEY_UNKNOWN},
        {"plain.example", 22, key_a, SSH_KEY_UNKNOWN},
        {"both", 22, key_a, SSH_KEY_TRUSTED},
        {"both", 22, key_e, SSH_KEY_TRUSTED},
        {"both", 22, key_b, SSH_KEY_CHANGED},
        {"onlyecdsa", 22, key_a, SSH_KEY_UNKNOWN},
        {"x.wild.example", 22, key_a, SSH_KEY_TRUSTED},
        {"bad.wild.example", 22, key_a, SSH_KEY_UNKNOWN},
        {"hashed.example", 22, key_a, SSH_KEY_TRUSTED},
        {"hashed.example", 22, key_b, SSH_KEY_CHANGED},
        {"hashed.example", 2222, key_b, SSH_KEY_TRUSTED},
        {"hashed", 22, key_a, SSH_KEY_UNKNOWN},
        {"revoked", 22, key_a, SSH_KEY_REVOKED},
        {"x.certified", 22, key_a, SSH_KEY_UNKNOWN},
        {"changed", 22, key_a, SSH_KEY_CHANGED},
        {"broken", 22, key_a, SSH_KEY_UNKNOWN},
        {"broken2", 22, key_a, SSH_KEY_UNKNOWN},
        {"plain2", 22, key_a, SSH_KEY_TRUSTED},
        {"tabs", 22, key_a, SSH_KEY_TRUSTED},
        {"", 22, key_a, SSH_KEY_UNKNOWN},
    };
    g_autoptr(SshKnown) known = read_file();
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = 0;
        g_autofree guint8 *key = g_base64_decode(cases[i].key, &length);
        g_autofree char *place = NULL;
        SshTrust trust = ssh_known_decide(known, cases[i].host, cases[i].port, key, length, &place);
        if (trust != cases[i].trust)
            g_error("%s port %u: %d, not %d (%s)", cases[i].host, cases[i].port, trust,
                    cases[i].trust, place);
        g_assert_cmpint(place == NULL, ==, trust == SSH_KEY_UNKNOWN);
    }
}

static void expect_text(const char *host, guint port, const char *text)
{
    g_autoptr(SshKnown) known = read_file();
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    g_autofree guint8 *key = g_base64_decode(key_a, &length);
    g_assert_false(ssh_known_check(known, host, port, key, length, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
    g_assert_nonnull(strstr(error->message, print_a));
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" does not hold \"%s\"", error->message, text);
}

static void test_texts(void)
{
    expect_text("new.example", 22, "ssh-keyscan new.example >> ~/.ssh/known_hosts");
    expect_text("new.example", 2222, "ssh-keyscan -p 2222 new.example >> ~/.ssh/known_hosts");
    expect_text("changed", 22, "ssh-keygen -R 'changed'");
    expect_text("changed", 22, "known_hosts:13");
    expect_text("plain", 2222, "ssh-keygen -R '[plain]:2222'");
    expect_text("revoked", 22, "is revoked by");
}

static void test_types(void)
{
    g_autoptr(SshKnown) known = read_file();
    g_auto(GStrv) both = ssh_known_types(known, "both", 22);
    g_autofree char *text = g_strjoinv(" ", both);
    g_assert_cmpstr(text, ==, "ssh-ed25519 ecdsa-sha2-nistp256");
    g_auto(GStrv) none = ssh_known_types(known, "new.example", 22);
    g_assert_cmpuint(g_strv_length(none), ==, 0);
    g_auto(GStrv) fallback = ssh_known_types(known, "onlyecdsa", 2222);
    g_assert_cmpuint(g_strv_length(fallback), ==, 1);
}

static void test_key_type(void)
{
    g_autofree char *none = ssh_key_type((const guint8 *)"", 0);
    g_autofree char *short_one = ssh_key_type((const guint8 *)"\0\0\0\7ssh-r", 9);
    g_autofree char *huge = ssh_key_type((const guint8 *)"\xff\xff\xff\xffssh-rsa", 11);
    g_autofree char *good = ssh_key_type((const guint8 *)"\0\0\0\7ssh-rsa", 11);
    g_assert_cmpstr(none, ==, "unknown");
    g_assert_cmpstr(short_one, ==, "unknown");
    g_assert_cmpstr(huge, ==, "unknown");
    g_assert_cmpstr(good, ==, "ssh-rsa");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ssh_known/decisions", test_decisions);
    g_test_add_func("/ssh_known/texts", test_texts);
    g_test_add_func("/ssh_known/types", test_types);
    g_test_add_func("/ssh_known/key-type", test_key_type);
    return g_test_run();
}
