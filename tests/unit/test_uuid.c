#include "lib/base/uuid.h"

#include <string.h>

#define MANY 1000

static void test_form(void)
{
    for (guint i = 0; i < MANY; i++) {
        g_autofree char *uuid = uuid_random();

        g_assert_true(g_uuid_string_is_valid(uuid));
        g_assert_cmpuint(strspn(uuid, "0123456789abcdef-"), ==, 36);
        g_assert_true(uuid[14] == '4');
        g_assert_nonnull(strchr("89ab", uuid[19]));
    }
}

/* No two are alike, and every digit that may change does. */
static void test_random(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *first = uuid_random();
    gboolean changed[36] = {0};

    for (guint i = 0; i < MANY; i++) {
        char *uuid = uuid_random();

        for (guint j = 0; j < G_N_ELEMENTS(changed); j++)
            changed[j] |= uuid[j] != first[j];
        g_assert_true(g_hash_table_add(seen, uuid));
    }
    for (guint i = 0; i < G_N_ELEMENTS(changed); i++)
        g_assert_cmpint(changed[i], ==, first[i] != '-' && i != 14);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uuid/form", test_form);
    g_test_add_func("/uuid/random", test_random);
    return g_test_run();
}
