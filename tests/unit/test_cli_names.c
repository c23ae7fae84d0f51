#include "client/cli/names.h"
#include "client/cli/args.h"
#include "client/cli/kinds.h"
#include "client/cli/xml.h"

#include <string.h>

static const char pool[] =
    "<VM_POOL>"
    "<VM><ID>3</ID><NAME>xen01</NAME><UNAME>ann</UNAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE></"
    "VM>"
    "<VM><ID>4</ID><NAME>web</NAME><UNAME>ann</UNAME><STATE>1</STATE><LCM_STATE>0</LCM_STATE></VM>"
    "<VM><ID>7</ID><NAME>web</NAME><UNAME>bob</UNAME><STATE>8</STATE><LCM_STATE>0</LCM_STATE></VM>"
    "<VM><ID>9</ID><NAME>a b</NAME><UNAME>bob</UNAME><STATE>1</STATE><LCM_STATE>0</LCM_STATE></VM>"
    "</VM_POOL>";

/* A run that knows the pool already: no server is asked. */
static void with_pool(Cli *cli, const char *text)
{
    cli_init(cli, &cli_vm);
    g_hash_table_insert(cli->pools, (gpointer)cli_vm.word, cli_xml_parse(text, NULL));
}

static void test_lists(void)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"3", "3-3"},           {"0,3,5..9", "0-0 3-3 5-9"},    {"2..2", "2-2"}, {"web", "web"},
        {"1, 2 ,,", "1-1 2-2"}, {"a b,4", "a b 4-4"},           {"..5", "..5"},  {"x..y", "x..y"},
        {"007", "7-7"},         {"99999999999", "99999999999"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) picks = cli_picks_of(cases[i].text, NULL);
        g_autoptr(GString) text = g_string_new(NULL);
        for (guint j = 0; j < picks->len; j++) {
            const CliPick *pick = picks->pdata[j];
            g_string_append(text, j > 0 ? " " : "");
            if (pick->name != NULL)
                g_string_append(text, pick->name);
            else
                g_string_append_printf(text, "%d-%d", pick->first, pick->last);
        }
        g_assert_cmpstr(text->str, ==, cases[i].expected);
    }
}

static void test_wrong_lists(void)
{
    static const char *const cases[] = {"", ",", "9..3", "5..", "0..200000"};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(cli_picks_of(cases[i], &error));
        g_assert_true(g_error_matches(error, CLI_ERROR, CLI_ERROR_USAGE));
    }
}

static void test_distance(void)
{
    g_assert_cmpuint(cli_distance("xen01", "xen01"), ==, 0);
    g_assert_cmpuint(cli_distance("xen1", "xen01"), ==, 1);
    g_assert_cmpuint(cli_distance("xne01", "xen01"), ==, 1);
    g_assert_cmpuint(cli_distance("", "abc"), ==, 3);
    g_autofree char *long_name = g_strnfill(500, 'a');
    g_assert_cmpuint(cli_distance(long_name, "a"), ==, G_MAXUINT);
}

static void find(const char *text, const char *answer, const char *list)
{
    g_auto(Cli) cli;
    g_autoptr(GError) error = NULL;
    gint32 id = -1;
    with_pool(&cli, list);
    if (cli_find_id(&cli, &cli_vm, text, &id, &error)) {
        g_autofree char *number = g_strdup_printf("%d", id);
        g_assert_cmpstr(number, ==, answer);
    } else {
        g_assert_true(g_error_matches(error, CLI_ERROR, CLI_ERROR_NO_OBJECT));
        g_assert_cmpstr(error->message, ==, answer);
    }
}

static void test_find(void)
{
    find("12", "12", pool);
    find("xen01", "3", pool);
    find("a b", "9", pool);
    find("xen1", "no machine is called 'xen1'; close: xen01 (id 3)", pool);
    find("zebra", "no machine is called 'zebra'; `onevm list` shows which there are", pool);
    find("web", "2 machines are called 'web': 4 (ann, PENDING), 7 (bob, POWEROFF). Use the id",
         pool);
    find("web", "no machine is called 'web': there are no machines that you may use", "<VM_POOL/>");
}

static void test_find_all(void)
{
    g_auto(Cli) cli;
    char *argv[] = {g_strdup("onevm"), g_strdup("hold"), g_strdup("1..3,xen01,9,a b"), NULL};
    with_pool(&cli, pool);
    cli.command = NULL;
    g_assert_true(cli_read_arguments(&cli, 3, argv, NULL));
    g_assert_true(cli_find_all(&cli, NULL));
    const gint32 expected[] = {1, 2, 3, 9}; /* each once, though xen01 is 3 */
    g_assert_cmpuint(cli.ids->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < cli.ids->len; i++)
        g_assert_cmpint(g_array_index(cli.ids, gint32, i), ==, expected[i]);
    g_assert_true(g_hash_table_contains(cli.gaps, GINT_TO_POINTER(2)));
    g_assert_false(g_hash_table_contains(cli.gaps, GINT_TO_POINTER(9)));
    g_assert_cmpstr(cli_known_name(&cli, &cli_vm, 3), ==, "xen01");
    for (guint i = 0; argv[i] != NULL; i++)
        g_free(argv[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/names/lists", test_lists);
    g_test_add_func("/cli/names/wrong-lists", test_wrong_lists);
    g_test_add_func("/cli/names/distance", test_distance);
    g_test_add_func("/cli/names/find", test_find);
    g_test_add_func("/cli/names/find-all", test_find_all);
    return g_test_run();
}
