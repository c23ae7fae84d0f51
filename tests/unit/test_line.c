#include "lib/mad/line.h"

#include "lib/base/error.h"
#include <string.h>

typedef gboolean (*Parser)(const char *text, MadLine *line, GError **error);

static char status_letter(const MadLine *line)
{
    if (line->severity)
        return line->severity;
    return line->status == MAD_SUCCESS ? 'S' : line->status == MAD_FAILURE ? 'F' : '-';
}

static char *describe(Parser parse, const char *text)
{
    g_auto(MadLine) line = {0};
    g_autoptr(GError) error = NULL;
    if (!parse(text, &line, &error)) {
        g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
        g_assert_null(line.action);
        return g_strdup("error");
    }
    return g_strdup_printf(
        "%s | %c | %" G_GINT64_FORMAT " | %s | %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT,
        line.action, status_letter(&line), line.id, line.payload, line.epoch, line.request);
}

/* Rows are "line | what it is read as"; the first bar separates. */
static void check_table(const char *file, Parser parse)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "mad", file, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_free(path);
        path = g_build_filename("tests", "unit", "data", "mad", file, NULL);
    }
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) rows = g_strsplit(text, "\n", -1);
    guint checked = 0;
    for (char **row = rows; *row; row++) {
        if (**row == '\0' || g_str_has_prefix(*row, "# "))
            continue;
        char *bar = strstr(*row, " | ");
        g_assert_nonnull(bar);
        *bar = '\0';
        g_autofree char *got = describe(parse, *row);
        g_assert_cmpstr(got, ==, bar + 3);
        checked++;
    }
    g_assert_cmpuint(checked, >, 10);
}

static void test_results(void)
{
    check_table("results.txt", mad_parse_result);
}

static void test_requests(void)
{
    check_table("requests.txt", mad_parse_request);
}

static void test_print(void)
{
    static const struct {
        const char *action;
        gint64 id;
        const char *payload;
        guint64 epoch, request;
        const char *want;
    } requests[] = {
        {"INIT", -1, NULL, 0, 0, "INIT\n"},
        {"FINALIZE", -1, "", 0, 0, "FINALIZE\n"},
        {"DEPLOY", 12, "PHZtPg==", 0, 0, "DEPLOY 12 PHZtPg==\n"},
        {"DEPLOY", 12, "PHZtPg==", 3, 9, "DEPLOY 12 PHZtPg== #3.9\n"},
        {"EXECUTE", -1, "x", 0, 0, "EXECUTE - x\n"},
        {"MONITOR", 0, "two\nlines", 0, 0, "MONITOR 0 two lines\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autofree char *got =
            mad_print_request(requests[i].action, requests[i].id, requests[i].payload,
                              requests[i].epoch, requests[i].request);
        g_assert_cmpstr(got, ==, requests[i].want);
    }
    g_autofree char *init = mad_print_result("INIT", MAD_SUCCESS, -1, "TAGGED", 0, 0);
    g_assert_cmpstr(init, ==, "INIT SUCCESS TAGGED\n");
    g_autofree char *empty = mad_print_result("SAVE", MAD_SUCCESS, 3, NULL, 1, 2);
    g_assert_cmpstr(empty, ==, "SAVE SUCCESS 3 - #1.2\n");
    g_autofree char *failure = mad_print_result("SAVE", MAD_FAILURE, 3, "no\r\nroom", 0, 0);
    g_assert_cmpstr(failure, ==, "SAVE FAILURE 3 no  room\n");
    g_autofree char *log = mad_print_log('W', -1, "a\nb");
    g_assert_cmpstr(log, ==, "LOG W - a b\n");
}

/* What one side prints the other reads, whatever the text. */
static void test_round_trip(void)
{
    static const char *const texts[] = {"one-12", "a  b", "#1.2", "x #1.2", "-x", "k=v k2=v2"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *printed = mad_print_result("SAVE", MAD_FAILURE, 7, texts[i], 5, 6);
        printed[strlen(printed) - 1] = '\0';
        g_auto(MadLine) line = {0};
        g_assert_true(mad_parse_result(printed, &line, NULL));
        g_assert_cmpstr(line.payload, ==, texts[i]);
        g_assert_cmpint(line.id, ==, 7);
        g_assert_cmpuint(line.epoch, ==, 5);
        g_assert_cmpuint(line.request, ==, 6);
    }
}

static void test_unclean_text(void)
{
    g_auto(MadLine) line = {0};
    g_assert_true(mad_parse_result("SAVE FAILURE 3 bad\xff byte\x1b[31m\r", &line, NULL));
    g_assert_true(g_utf8_validate(line.payload, -1, NULL));
    g_assert_null(strchr(line.payload, '\x1b'));
    g_assert_true(g_str_has_suffix(line.payload, "[31m"));
}

static void test_too_long(void)
{
    g_autofree char *text = g_malloc(MAD_LINE_MAX + 2);
    memset(text, 'A', MAD_LINE_MAX + 1);
    text[MAD_LINE_MAX + 1] = '\0';
    g_auto(MadLine) line = {0};
    g_autoptr(GError) error = NULL;
    g_assert_false(mad_parse_request(text, &line, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mad/line/results", test_results);
    g_test_add_func("/mad/line/requests", test_requests);
    g_test_add_func("/mad/line/print", test_print);
    g_test_add_func("/mad/line/round_trip", test_round_trip);
    g_test_add_func("/mad/line/unclean_text", test_unclean_text);
    g_test_add_func("/mad/line/too_long", test_too_long);
    return g_test_run();
}
