#include "client/cli/args.h"
#include "client/cli/call.h"
#include "client/cli/kinds.h"
#include "client/cli/options.h"
#include "client/cli/wait.h"

#include <string.h>

/* Reads a command line given as one text. (owned: cli_clear) */
static gboolean read_line(Cli *cli, const CliKind *kind, const char *line, GError **error)
{
    g_auto(GStrv) words = NULL;
    int count;
    cli_init(cli, kind);
    g_assert_true(g_shell_parse_argv(line, &count, &words, NULL));
    return cli_read_arguments(cli, count, words, error);
}

static void test_words_and_options(void)
{
    g_auto(Cli) cli;
    g_assert_true(read_line(&cli, &cli_vm,
                            "onevm migrate --live -e 3,5..9 node02 --wait=poff --wait-timeout 20",
                            NULL));
    g_assert_cmpstr(cli.called, ==, "migrate");
    g_assert_cmpuint(cli.words->len, ==, 2);
    g_assert_cmpstr(cli_word(&cli, 0), ==, "3,5..9");
    g_assert_cmpstr(cli_word(&cli, 1), ==, "node02");
    g_assert_null(cli_word(&cli, 2));
    g_assert_cmpstr(cli_option(&cli, "live"), ==, "");
    g_assert_cmpstr(cli_option(&cli, "enforce"), ==, "");
    g_assert_cmpstr(cli_option(&cli, "wait"), ==, "poff");
    g_assert_cmpstr(cli_option(&cli, "wait-timeout"), ==, "20");
    g_assert_null(cli_option(&cli, "poff"));
}

/* The same letter is another option in another command, and the command's own comes first. */
static void test_letters(void)
{
    g_auto(Cli) host;
    g_assert_true(read_line(&host, &cli_host, "onehost create n1 -i kvm -vkvm -c c1", NULL));
    g_assert_cmpstr(cli_option(&host, "im"), ==, "kvm");
    g_assert_cmpstr(cli_option(&host, "vm"), ==, "kvm");
    g_assert_cmpstr(cli_option(&host, "cluster"), ==, "c1");
    g_assert_null(cli_option(&host, "verbose"));
    g_auto(Cli) vm;
    g_assert_true(read_line(&vm, &cli_vm, "onevm -v list -xn -f STAT=runn", NULL));
    g_assert_nonnull(cli_option(&vm, "verbose"));
    g_assert_nonnull(cli_option(&vm, "xml"));
    g_assert_nonnull(cli_option(&vm, "numeric"));
    g_assert_cmpstr(cli_option(&vm, "filter"), ==, "STAT=runn");
}

static void test_abbreviations(void)
{
    g_auto(Cli) cli;
    g_assert_true(read_line(&cli, &cli_vm, "onevm list --filt NAME=a --endp http://x", NULL));
    g_assert_cmpstr(cli_option(&cli, "filter"), ==, "NAME=a");
    g_assert_cmpstr(cli_option(&cli, "endpoint"), ==, "http://x");
    g_auto(Cli) other;
    g_assert_false(read_line(&other, &cli_vm, "onevm list --no", NULL));
}

/* A value that may be missing: behind "=" only, or the next word unless it is an option. */
static void test_optional_values(void)
{
    g_auto(Cli) cli;
    g_assert_true(read_line(&cli, &cli_vm, "onevm create --wait t.one --ssh --name x", NULL));
    g_assert_cmpstr(cli_option(&cli, "wait"), ==, "");
    g_assert_cmpstr(cli_word(&cli, 0), ==, "t.one");
    g_assert_cmpstr(cli_option(&cli, "ssh"), ==, "");
    g_auto(Cli) named;
    g_assert_true(read_line(&named, &cli_vm, "onevm create --ssh key.pub --name x", NULL));
    g_assert_cmpstr(cli_option(&named, "ssh"), ==, "key.pub");
}

static void test_repeated(void)
{
    g_auto(Cli) cli;
    g_assert_true(read_line(&cli, &cli_vm, "onevm create --disk a --disk b --name=x", NULL));
    g_assert_cmpuint(cli_option_all(&cli, "disk")->len, ==, 2);
    g_assert_cmpstr(cli_option(&cli, "disk"), ==, "b");
}

static void test_end_of_options(void)
{
    g_auto(Cli) cli;
    g_assert_true(read_line(&cli, &cli_vm, "onevm rename 3 -- --odd", NULL));
    g_assert_cmpstr(cli_word(&cli, 1), ==, "--odd");
    g_auto(Cli) minus;
    g_assert_true(read_line(&minus, &cli_user, "oneuser show -1", NULL));
    g_assert_cmpstr(cli_word(&minus, 0), ==, "-1");
}

static void test_mistakes(void)
{
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"onevm lst", "no command \"lst\"; close: list"},
        {"onevm deploy 3", "<host> is missing: onevm deploy <machines> <host> [<datastore>]"},
        {"onevm hold 3 4", "\"4\" is one word too many"},
        {"onevm list --foo", "no option --foo"},
        {"onevm list --foo=bar", "no option --foo; `onevm list -h` explains"},
        {"onevm list -q", "no option -q"},
        {"onevm list --filter", "--filter needs a value"},
        {"onevm list -l", "-l needs a value"},
        {"onevm poweroff 3 --hard=yes", "--hard takes no value"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Cli) cli;
        g_autoptr(GError) error = NULL;
        g_assert_false(read_line(&cli, &cli_vm, cases[i].line, &error));
        g_assert_true(g_error_matches(error, CLI_ERROR, CLI_ERROR_USAGE));
        if (strstr(error->message, cases[i].text) == NULL)
            g_error("%s: \"%s\" is not in \"%s\"", cases[i].line, cases[i].text, error->message);
    }
}

/* Other users of the computer read argv. */
static void test_passwords_are_hidden(void)
{
    char *argv[] = {g_strdup("oneuser"),
                    g_strdup("create"),
                    g_strdup("bob"),
                    g_strdup("Secret1"),
                    g_strdup("--password"),
                    g_strdup("Other2"),
                    NULL};
    g_auto(Cli) cli;
    cli_init(&cli, &cli_user);
    g_assert_true(cli_read_arguments(&cli, 6, argv, NULL));
    g_assert_cmpstr(argv[3], ==, "xxxxxxx");
    g_assert_cmpstr(argv[5], ==, "xxxxxx");
    g_assert_cmpstr(cli_word(&cli, 1), ==, "Secret1");
    g_assert_cmpstr(cli_option(&cli, "password"), ==, "Other2");
    for (guint i = 0; argv[i] != NULL; i++)
        g_free(argv[i]);
}

/* ---- The tables themselves ---- */

static void check_row(const CliKind *kind, const CliCommand *row)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) args = cli_args_of(row, &error);
    g_assert_no_error(error);
    g_assert_true(row->run != NULL || (row->method != NULL && row->params != NULL));
    g_assert_true(row->help != NULL && g_str_has_suffix(row->help, "."));
    g_assert_true(row->goal == NULL || strcmp(row->goal, CLI_AT_REST) == 0 ||
                  kind->state_named(row->goal) != NULL);
    g_assert_cmpint(row->goal_host, <, (int)args->len + 1);
    gboolean optional = FALSE;
    for (guint i = 0; i < args->len; i++) {
        const CliArg *arg = args->pdata[i];
        g_assert_true(!optional || arg->optional);
        optional = arg->optional;
    }
    if (row->params != NULL) {
        g_autofree char *shape = cli_shape_of(row, &error);
        g_assert_no_error(error);
        if (!cli_shape_known(shape))
            g_error("%s %s: no way to send %s", kind->program, row->names, shape);
    }
    g_auto(GStrv) keys = g_strsplit(row->options != NULL ? row->options : "", " ", -1);
    for (guint i = 0; keys[i] != NULL; i++)
        if (*keys[i] != '\0' && cli_option_row(keys[i]) == NULL)
            g_error("%s %s: no option has the key %s", kind->program, row->names, keys[i]);
}

/* Within a command no letter and no name means two options. */
static void check_letters(const CliKind *kind, const CliCommand *row)
{
    g_autoptr(GPtrArray) options = cli_options_of(row->options);
    for (guint i = 0; i < options->len; i++) {
        const CliOption *one = options->pdata[i];
        for (guint j = i + 1; j < options->len; j++) {
            const CliOption *other = options->pdata[j];
            if ((one->letter != 0 && one->letter == other->letter) ||
                strcmp(one->name, other->name) == 0)
                g_error("%s %s: --%s and --%s are told apart by nothing", kind->program, row->names,
                        one->name, other->name);
        }
    }
}

static void test_rows(void)
{
    for (guint i = 0; cli_kinds[i] != NULL; i++) {
        const CliKind *kind = cli_kinds[i];
        g_assert_true(cli_kind_of_word(kind->word) == kind);
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (const CliCommand *row = kind->commands; row != NULL && row->names != NULL; row++) {
            check_row(kind, row);
            check_letters(kind, row);
            g_auto(GStrv) words = g_strsplit(row->names, " ", -1);
            for (guint j = 0; words[j] != NULL; j++)
                g_assert_true(g_hash_table_add(names, g_strdup(words[j])));
        }
    }
}

static void test_values(void)
{
    g_auto(Cli) cli;
    g_assert_true(read_line(&cli, &cli_vm, "onevm migrate 3 7 --live --poff-hard", NULL));
    cli.numbers[1] = 7;
    GArray *values = cli_values_of(&cli, cli.command->params, 3, NULL);
    const gint32 expected[] = {3, 7, 1, 0, -1, 2};
    g_assert_cmpuint(values->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < values->len; i++)
        g_assert_cmpint(g_array_index(values, CliValue, i).number, ==, expected[i]);
    cli_values_clear(values);

    g_auto(Cli) hard;
    g_assert_true(read_line(&hard, &cli_vm, "onevm poweroff 3 --hard", NULL));
    values = cli_values_of(&hard, hard.command->params, 3, NULL);
    g_assert_cmpstr(g_array_index(values, CliValue, 0).text, ==, "poweroff-hard");
    cli_values_clear(values);

    g_auto(Cli) vague;
    g_autoptr(GError) error = NULL;
    g_assert_true(read_line(&vague, &cli_vm, "onevm recover 3", NULL));
    g_assert_null(cli_values_of(&vague, vague.command->params, 3, &error));
    g_assert_nonnull(strstr(error->message, "--success"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/args/words", test_words_and_options);
    g_test_add_func("/cli/args/letters", test_letters);
    g_test_add_func("/cli/args/abbreviations", test_abbreviations);
    g_test_add_func("/cli/args/optional", test_optional_values);
    g_test_add_func("/cli/args/repeated", test_repeated);
    g_test_add_func("/cli/args/end", test_end_of_options);
    g_test_add_func("/cli/args/mistakes", test_mistakes);
    g_test_add_func("/cli/args/passwords", test_passwords_are_hidden);
    g_test_add_func("/cli/rows/tables", test_rows);
    g_test_add_func("/cli/rows/values", test_values);
    return g_test_run();
}
