/* Tokens and sessions of consoles. */
#include "server/rpc/consoles.h"

#include <poll.h>
#include <string.h>

static gboolean is_cut(const ConsoleSession *session)
{
    struct pollfd wait = {session->cut, POLLIN, 0};
    return poll(&wait, 1, 0) == 1;
}

static void test_once(void)
{
    Consoles *consoles = consoles_new();
    g_autofree char *token = consoles_offer(consoles, 7, "anna", "10.0.0.5", "/run/x");
    g_autofree char *other = consoles_offer(consoles, 7, "anna", "10.0.0.5", "/run/y");
    g_assert_cmpuint(strlen(token), ==, 32);
    g_assert_cmpstr(token, !=, other);
    g_assert_null(consoles_take(consoles, ""));
    g_assert_null(consoles_take(consoles, "00000000000000000000000000000000"));
    ConsoleSession *session = consoles_take(consoles, token);
    g_assert_nonnull(session);
    g_assert_cmpstr(session->socket, ==, "/run/x");
    g_assert_null(consoles_take(consoles, token));
    consoles_end(consoles, session);
    g_assert_null(consoles_take(consoles, token));
    consoles_free(consoles); /* with one that nobody took */
}

static void test_too_late(void)
{
    Consoles *consoles = consoles_new();
    g_autofree char *token = consoles_offer(consoles, 7, "anna", "10.0.0.5", "/run/x");
    g_autofree char *next = consoles_offer(consoles, 8, "anna", "10.0.0.5", "/run/y");
    ConsoleSession *session = consoles_take(consoles, next);
    /* as if it had been offered long ago */
    g_assert_cmpint(session->until, >, g_get_monotonic_time());
    g_assert_cmpint(session->until, <=,
                    g_get_monotonic_time() + CONSOLE_TOKEN_SECONDS * G_TIME_SPAN_SECOND);
    consoles_expire(consoles, G_MAXINT64);
    g_assert_null(consoles_take(consoles, token));
    g_autofree char *holder = consoles_holder(consoles, 8); /* one that is used stays */
    g_assert_nonnull(holder);
    consoles_end(consoles, session);
    consoles_free(consoles);
}

static void test_holder_and_cut(void)
{
    Consoles *consoles = consoles_new();
    g_autofree char *token = consoles_offer(consoles, 7, "anna", "10.0.0.5", "/run/x");
    g_autofree char *second = consoles_offer(consoles, 8, "bert", "::1", "/run/y");
    g_assert_null(consoles_holder(consoles, 7)); /* not yet attached */
    ConsoleSession *session = consoles_take(consoles, token), *other;
    other = consoles_take(consoles, second);
    g_autofree char *holder = consoles_holder(consoles, 7);
    g_assert_true(g_str_has_prefix(holder, "anna from 10.0.0.5 since "));
    consoles_cut(consoles, 7);
    g_assert_true(is_cut(session));
    g_assert_false(is_cut(other));
    consoles_cut(consoles, -1);
    g_assert_true(is_cut(other));
    consoles_end(consoles, session);
    g_assert_null(consoles_holder(consoles, 7));
    consoles_end(consoles, other);
    consoles_free(consoles);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/consoles/once", test_once);
    g_test_add_func("/consoles/too_late", test_too_late);
    g_test_add_func("/consoles/holder_and_cut", test_holder_and_cut);
    return g_test_run();
}
