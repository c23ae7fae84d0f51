#include "server/auth/password.h"
#include "tests/unit/cpu_time.h"
#include <string.h>

static const char digest_of_opennebula[] = "20b04f3a1d71e29b1d80ca0d3a0bbed9a1c1ed64";

static void test_forms(void)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA1, "opennebula", -1);
    g_autofree char *verifier = password_verifier("opennebula", NULL);
    g_assert_true(g_str_has_prefix(verifier, "$argon2id$"));
    g_assert_true(password_verify(verifier, "opennebula"));
    g_assert_true(password_verify(verifier, digest));
    g_assert_false(password_verify(verifier, "Opennebula"));
    g_assert_false(password_verify(verifier, ""));
    g_assert_false(password_verify(verifier, digest_of_opennebula));
    g_assert_false(password_verify(verifier, verifier));
    g_assert_false(password_verify("", "opennebula"));
    g_assert_false(password_verify("rubbish", "opennebula"));

    /* An old client creates users with the digest in the password's place. */
    g_autofree char *old = password_verifier(digest, NULL);
    g_assert_true(password_verify(old, "opennebula"));
    g_assert_true(password_verify(old, digest));
    g_assert_cmpstr(old, !=, verifier); /* salted */
}

static void test_digest(void)
{
    g_assert_true(password_is_digest(digest_of_opennebula));
    g_assert_false(password_is_digest(""));
    g_assert_false(password_is_digest("20b04f3a1d71e29b1d80ca0d3a0bbed9a1c1ed6"));
    g_assert_false(password_is_digest("20b04f3a1d71e29b1d80ca0d3a0bbed9a1c1ed640"));
    g_assert_false(password_is_digest("20B04F3A1D71E29B1D80CA0D3A0BBED9A1C1ED64"));

    /* A password may look like a digest. */
    g_autofree char *text =
        g_compute_checksum_for_string(G_CHECKSUM_SHA1, digest_of_opennebula, -1);
    g_autofree char *verifier = password_verifier(text, NULL);
    g_assert_true(password_verify(verifier, digest_of_opennebula));
}

static void test_time(void)
{
    g_autofree char *verifier = password_verifier("x", NULL);
    password_pretend("x");
    gint64 start = cpu_time();
    for (int i = 0; i < 5; i++)
        password_verify(verifier, "wrong");
    gint64 known = (cpu_time() - start) / 5;
    start = cpu_time();
    for (int i = 0; i < 5; i++)
        password_pretend("wrong");
    gint64 unknown = (cpu_time() - start) / 5;
    g_test_message("one verification %.1f ms, of an unknown user %.1f ms", (double)known / 1000,
                   (double)unknown / 1000);
    /* Nobody can tell by the time whether a user exists. Roughly: caches and clocks of processors
     * differ. */
    g_assert_cmpint(known, >, 1000);
    g_assert_cmpint(unknown, >, known / 3);
    g_assert_cmpint(unknown, <, known * 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/password/forms", test_forms);
    g_test_add_func("/password/digest", test_digest);
    g_test_add_func("/password/time", test_time);
    return g_test_run();
}
