#include "lib/expr/expr.h"
#include "lib/expr/glob.h"
#include "lib/base/error.h"
#include "tests/unit/cases.h"
#include "tests/unit/cpu_time.h"

#include <fnmatch.h>

static const struct {
    const char *name, *value;
} host[] = {
    {"ID", "3"},
    {"/HOST/ID", "3"},
    {"NAME", "node01"},
    {"HYPERVISOR", "kvm"},
    {"EMPTY", ""},
    {"STAR", "*"},
    {"FREE_CPU", "150.5"},
    {"FREE_MEMORY", "1000"},
    {"RUNNING_VMS", "4"},
    {"TEMPERATURE", "-10"},
    {"DIGITS", "12abc"},
    {"NAN", "nan"},
    {"BIG", "99999999999999999999"},
    {"CLUSTER_ID", "100"},
    {"CLUSTERS/ID", "100"},
    {"CLUSTERS/ID", "101"},
};

static guint lookup(const char *name, const char **values, guint room, gpointer data)
{
    guint *calls = data, found = 0;

    if (calls)
        (*calls)++;
    for (guint i = 0; i < G_N_ELEMENTS(host); i++)
        if (found < room && !strcmp(host[i].name, name))
            values[found++] = host[i].value;
    return found;
}

static void check_case(const Case *one, Expr *(*parse)(const char *, GError **))
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Expr) expr = parse(one->input, &error);

    g_test_message("%s", one->title);
    if (!strcmp(one->section, "error")) {
        g_assert_null(expr);
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
        g_assert_cmpstr(error->message, ==, one->expected);
        return;
    }
    g_assert_no_error(error);
    if (!strcmp(one->section, "rank"))
        g_assert_cmpint(expr_rank(expr, lookup, NULL), ==,
                        g_ascii_strtoll(one->expected, NULL, 10));
    else
        g_assert_cmpint(expr_matches(expr, lookup, NULL), ==, !strcmp(one->section, "true"));
}

static void test_requirements(void)
{
    g_autoptr(GPtrArray) cases = cases_load("expr/requirements.txt");

    for (guint i = 0; i < cases->len; i++)
        check_case(cases->pdata[i], expr_parse_requirement);
}

static void test_ranks(void)
{
    g_autoptr(GPtrArray) cases = cases_load("expr/ranks.txt");

    for (guint i = 0; i < cases->len; i++)
        check_case(cases->pdata[i], expr_parse_rank);
}

/* What decides is not asked again. */
static void test_short(void)
{
    g_autoptr(Expr) expr = expr_parse_requirement("ID = 3 | ID = 4 | ID = 5 & ID = 3", NULL);
    guint calls = 0;

    g_assert_true(expr_matches(expr, lookup, &calls));
    g_assert_cmpuint(calls, ==, 2);
    g_assert_true(expr_matches(expr, lookup, NULL));
}

static void test_nothing(void)
{
    g_autoptr(Expr) requirement = expr_parse_requirement(NULL, NULL);
    g_autoptr(Expr) rank = expr_parse_rank(NULL, NULL);

    g_assert_true(expr_matches(requirement, lookup, NULL));
    g_assert_cmpint(expr_rank(rank, lookup, NULL), ==, 0);
    expr_free(NULL);
}

static void check_refused(Expr *(*parse)(const char *, GError **), GString *text,
                          const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(parse(text->str, &error));
    g_assert_nonnull(strstr(error->message, reason));
}

static void test_limits(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Expr *expr;

    for (int i = 0; i < 101; i++)
        g_string_append_c(text, '(');
    check_refused(expr_parse_requirement, text, "nested too deep");
    check_refused(expr_parse_rank, text, "nested too deep");
    g_string_assign(text, "");
    for (int i = 0; i < 101; i++)
        g_string_append(text, "- ");
    check_refused(expr_parse_rank, text, "nested too deep");

    /* The deepest that is allowed, with the fullest stack. */
    g_string_assign(text, "");
    for (int i = 0; i < 100; i++)
        g_string_append(text, "1 + 1 * (");
    g_string_append(text, "1 + 1 * 1");
    for (int i = 0; i < 100; i++)
        g_string_append_c(text, ')');
    expr = expr_parse_rank(text->str, &error);
    g_assert_no_error(error);
    g_assert_cmpint(expr_rank(expr, lookup, NULL), ==, 102);
    expr_free(expr);

    g_string_assign(text, "ID = 3");
    for (int i = 0; i < 20000; i++)
        g_string_append(text, " & ID = 3");
    expr = expr_parse_requirement(text->str, &error);
    g_assert_no_error(error);
    g_assert_true(expr_matches(expr, lookup, NULL));
    expr_free(expr);

    for (int i = 0; i < 20000; i++)
        g_string_append(text, " & ID = 3");
    check_refused(expr_parse_requirement, text, "longer than");
    g_string_assign(text, "NAME = \"");
    for (int i = 0; i < 65; i++)
        g_string_append(text, "[a-z]");
    g_string_append_c(text, '"');
    check_refused(expr_parse_requirement, text, "too many [...]");
    g_string_assign(text, "NAME = \"\xff\"");
    check_refused(expr_parse_requirement, text, "UTF-8 at line 1, columns 9:10");
}

/* A "[" that no "]" closes is an ordinary character; glibc forgets that behind a "*" and
 * before a "-". */
static gboolean is_doubtful(const char *pattern)
{
    const char *open = strrchr(pattern, '[');

    return open && strpbrk(pattern, "*-") && (strlen(open) < 4 || !strchr(open + 3, ']'));
}

/* The patterns are those of the C library. */
static void test_glob(void)
{
    static const char alphabet[] = "ab-]![^*?\\:c";

    GRand *random = g_rand_new_with_seed(1);

    for (int i = 0; i < 200000; i++) {
        char pattern[8] = "", text[6] = "";
        int length = g_rand_int_range(random, 0, 8);

        for (int k = 0; k < length; k++)
            pattern[k] = alphabet[g_rand_int_range(random, 0, 12)];
        length = g_rand_int_range(random, 0, 6);
        for (int k = 0; k < length; k++)
            text[k] = alphabet[g_rand_int_range(random, 0, 12)];
        if (is_doubtful(pattern))
            continue;
        Glob *glob = glob_new(pattern);
        if (glob_matches(glob, text) != !fnmatch(pattern, text, 0))
            g_error("pattern \"%s\" and text \"%s\": fnmatch() says %d", pattern, text,
                    !fnmatch(pattern, text, 0));
        glob_free(glob);
    }
    g_rand_free(random);
}

static void test_glob_words(void)
{
    static const struct {
        const char *pattern, *text;
        gboolean matches;
    } table[] = {
        {"[[:digit:]]x", "7x", TRUE},
        {"[[:digit:]]x", "ax", FALSE},
        {"[]a]", "]", TRUE},
        {"[!]a]", "b", TRUE},
        {"[a", "[a", TRUE},
        {"a\\*", "a*", TRUE},
        {"a\\", "a", FALSE},
        {"?", "ä", TRUE},
        {"gr?ße", "größe", TRUE},
        {"*ö*", "größe", TRUE},
        {"", "", TRUE},
        {"**", "", TRUE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        Glob *glob = glob_new(table[i].pattern);

        g_test_message("%s", table[i].pattern);
        g_assert_cmpint(glob_matches(glob, table[i].text), ==, table[i].matches);
        glob_free(glob);
    }
}

/* A pattern that keeps fnmatch() busy for ages. */
static void test_glob_time(void)
{
    g_autofree char *text = g_strnfill(5000, 'a');
    Glob *glob = glob_new("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
    gint64 start = cpu_time();

    g_assert_false(glob_matches(glob, text));
    g_assert_cmpint(cpu_time() - start, <, G_USEC_PER_SEC);
    glob_free(glob);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/expr/requirements", test_requirements);
    g_test_add_func("/expr/ranks", test_ranks);
    g_test_add_func("/expr/short", test_short);
    g_test_add_func("/expr/nothing", test_nothing);
    g_test_add_func("/expr/limits", test_limits);
    g_test_add_func("/expr/glob", test_glob);
    g_test_add_func("/expr/glob/words", test_glob_words);
    g_test_add_func("/expr/glob/time", test_glob_time);
    return g_test_run();
}
