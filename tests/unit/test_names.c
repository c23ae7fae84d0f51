#include "lib/base/names.h"
#include "tests/unit/cases.h"

static const struct {
    const char *word;
    gboolean (*check)(const char *, GError **);
} checks[] = {
    {"object", name_check},
    {"group", name_check_group},
    {"user", name_check_user},
    {"password", name_check_password},
};

static void test_table(void)
{
    g_autoptr(GPtrArray) cases = cases_load("base/names.txt");

    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        gboolean known = FALSE;

        for (guint k = 0; k < G_N_ELEMENTS(checks); k++) {
            g_autoptr(GError) error = NULL;

            if (strcmp(checks[k].word, one->section))
                continue;
            known = TRUE;
            gboolean good = checks[k].check(one->input, &error);
            g_test_message("%s", one->title);
            g_assert_cmpstr(error ? error->message : "", ==, one->expected);
            g_assert_cmpint(good, ==, !*one->expected);
        }
        g_assert_true(known);
    }
}

static void test_bytes(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(name_check("a\xff", &error));
    g_assert_cmpstr(error->message, ==, "Invalid NAME, it is not UTF-8 text");
    g_assert_false(name_check(NULL, NULL));
    g_assert_false(name_check_user("a\x01", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/names/table", test_table);
    g_test_add_func("/base/names/bytes", test_bytes);
    return g_test_run();
}
