/* scheduler/report.c: the text of messages; what a machine waits for is in test_place.c. */
#include "scheduler/report.h"
#include <string.h>

static void test_message(void)
{
    g_autofree char *message = sched_message("No host: none", 1795307512);
    g_assert_cmpuint(strlen(message), ==, strlen("Sun Nov 22 00:31:52 2026: No host: none"));
    g_assert_true(g_str_has_suffix(message, " 2026: No host: none"));
}

static void test_same(void)
{
    static const struct {
        const char *a, *b;
        gboolean same, but_numbers;
    } cases[] = {
        {"x", "x", TRUE, TRUE},
        {"Sun Nov 22 00:31:52 2026: x 1", "x 1", TRUE, TRUE},
        {"Sun Nov 22 00:31:52 2026: x 1", "Mon Nov 23 10:11:12 2026: x 1", TRUE, TRUE},
        {"Sun Nov 22 00:31:52 2026: x 1", "x 22", FALSE, TRUE},
        {"x 1 of 2", "x 1 of 2 y", FALSE, FALSE},
        {"x 1", "x y", FALSE, FALSE},
        {NULL, NULL, TRUE, TRUE},
        {NULL, "x", FALSE, FALSE},
        {"", "x", FALSE, FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(sched_same_message(cases[i].a, cases[i].b, FALSE), ==, cases[i].same);
        g_assert_cmpint(sched_same_message(cases[i].a, cases[i].b, TRUE), ==, cases[i].but_numbers);
    }
}

static void test_template(void)
{
    g_autofree char *quoted = sched_message_template("A = \"b\"");
    g_autofree char *backslash = sched_message_template("ends in \\");
    g_autofree char *nothing = sched_message_template("");
    g_assert_cmpstr(quoted, ==, "SCHED_MESSAGE=\"A = \\\"b\\\"\"");
    g_assert_cmpstr(backslash, ==, "SCHED_MESSAGE=\"ends in \\ \"");
    g_assert_cmpstr(nothing, ==, "SCHED_MESSAGE=\"\"");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/message", test_message);
    g_test_add_func("/report/same", test_same);
    g_test_add_func("/report/template", test_template);
    return g_test_run();
}
