/* Over loopback: what is served, the script that runs in guests, pings. */
#include "client/cli/cli.h"
#include "client/evaluate/fetch.h"
#include "client/evaluate/ping.h"
#include "client/evaluate/range.h"
#include "client/evaluate/serve.h"

#include <glib/gstdio.h>
#include <string.h>

#define NEAR "127.0.0.1"

/* All that the script says when it is run as in a guest; `keep` may be NULL. (owned) */
static char *all_said(const char *url, const char *keep)
{
    g_autofree char *out = NULL;
    g_autoptr(GError) error = NULL;
    const char *words[] = {"sh", "share/examples/guest/fetch", url, keep, NULL};
    g_spawn_sync(NULL, (char **)words, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL,
                 &error);
    g_assert_no_error(error);
    return g_strchomp(g_steal_pointer(&out));
}

/* Its last line. (owned) */
static char *fetched(const char *url)
{
    g_autofree char *out = all_said(url, NULL);
    const char *last = strrchr(out, '\n');
    return g_strdup(last != NULL ? last + 1 : out);
}

/* The script's last line, when all of it has come. (owned) */
static char *done_line(const Served *served)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *sum = serve_sum(served, &error);
    g_assert_no_error(error);
    return g_strdup_printf("DONE %" G_GUINT64_FORMAT " %s", serve_size(served), sum);
}

static void check_download(const Served *served)
{
    g_autofree char *expected = done_line(served);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *said = fetched(serve_url(served));
        g_assert_cmpstr(said, ==, expected);
    }
}

static void test_noise(void)
{
    /* Also a size that is no whole number of words and pieces. */
    static const guint64 sizes[] = {1, 65536, 1000003};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Served) served = serve_start(NULL, sizes[i], NEAR, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(serve_size(served), ==, sizes[i]);
        check_download(served);
    }
}

static void test_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Served) served = serve_start("share/doc/evaluate.md", 0, NEAR, &error);
    g_assert_no_error(error);
    check_download(served);
    g_autoptr(Served) none = serve_start("share/doc/none.md", 0, NEAR, &error);
    g_assert_null(none);
    g_assert_nonnull(strstr(error->message, "share/doc/none.md cannot be served"));
    g_clear_error(&error);
    g_autoptr(Served) directory = serve_start("share/doc", 0, NEAR, &error);
    g_assert_null(directory);
}

/* Only who knows the path gets it. */
static void test_secret(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Served) served = serve_start(NULL, 10, NEAR, &error);
    g_assert_no_error(error);
    g_autofree char *host =
        g_strndup(serve_url(served), (gsize)(strrchr(serve_url(served), '/') - serve_url(served)));
    g_autofree char *other = g_strconcat(host, "/etc/passwd", NULL);
    g_autofree char *more = g_strconcat(serve_url(served), "x", NULL);
    const char *const urls[] = {host, other, more};
    for (guint i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autofree char *said = fetched(urls[i]);
        g_assert_true(g_str_has_prefix(said, "FAILED after 0 bytes: "));
    }
    g_autofree char *file = fetched("file:///etc/passwd");
    g_assert_cmpstr(file, ==, "FAILED \"file:///etc/passwd\" is no URL of http, https or ftp");
}

/* ---- Going on ---- */

#define HUGE "99999999999999999999999999"

/* Of 1000 bytes, what the lines of a head come to. */
static const struct {
    const char *lines;
    RangeKind kind;
    guint64 from, to;
} ranges[] = {
    {"", RANGE_WHOLE},
    {"Range: bytes=0-", RANGE_PART, 0, 1000},
    {"Range: bytes=10-19", RANGE_PART, 10, 20},
    {"rAnGe:bYtes=999-", RANGE_PART, 999, 1000},
    {"Range: \t bytes=10-19 \t", RANGE_PART, 10, 20},
    {"Range: bytes=10-" HUGE, RANGE_PART, 10, 1000},
    {"Range: bytes=0-0", RANGE_PART, 0, 1},
    {"Range: bytes=-1", RANGE_PART, 999, 1000},
    {"Range: bytes=-5000", RANGE_PART, 0, 1000},
    {"Host: x\r\nX-Range: bytes=5-\r\nRange: bytes=7-", RANGE_PART, 7, 1000},
    /* Beyond the end, or nonsense. */
    {"Range: bytes=1000-", RANGE_WRONG},
    {"Range: bytes=" HUGE "-", RANGE_WRONG},
    {"Range: bytes=18446744073709551615-18446744073709551615", RANGE_WRONG},
    {"Range: bytes=20-10", RANGE_WRONG},
    {"Range: bytes=-0", RANGE_WRONG},
    {"Range: bytes=", RANGE_WRONG},
    {"Range: bytes=-", RANGE_WRONG},
    {"Range: bytes=5", RANGE_WRONG},
    {"Range: bytes=1-2-3", RANGE_WRONG},
    {"Range: bytes=--5", RANGE_WRONG},
    {"Range: bytes=+5-", RANGE_WRONG},
    {"Range: bytes=5 - 9", RANGE_WRONG},
    {"Range: bytes=0x5-", RANGE_WRONG},
    {"Range: bytes=%s-%n", RANGE_WRONG},
    {"Range: bytes 5-9", RANGE_WRONG},
    {"Range:", RANGE_WRONG},
    {"Range: bytes=0-1,", RANGE_WRONG},
    {"Range: bytes=0-1,5", RANGE_WRONG},
    {"Range: bytes=1-2\r\nRange: bytes=3-4", RANGE_WRONG},
    /* What need not be heeded. */
    {"Range: bytes=0-1,5-9", RANGE_WHOLE},
    {"Range: lines=5-9", RANGE_WHOLE},
    {"Range : bytes=5-9", RANGE_WHOLE},
    {"Ranges: bytes=5-9", RANGE_WHOLE},
    {"Range: bytes=5-9\r\nIf-Range: \"a\"", RANGE_WHOLE},
    {"Host: x\r\n\r\nRange: bytes=5-9", RANGE_WHOLE},
};

static void test_ranges(void)
{
    guint64 from = 0, to = 0;
    for (guint i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_autofree char *head = g_strdup_printf("GET /x HTTP/1.1\r\n%s\r\n\r\n", ranges[i].lines);
        RangeKind kind = range_read(head, 1000, &from, &to);
        if (kind != ranges[i].kind ||
            (kind == RANGE_PART && (from != ranges[i].from || to != ranges[i].to)))
            g_error("\"%s\" is %d, %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, ranges[i].lines, kind,
                    from, to);
        /* Of nothing there is no part. */
        g_assert_cmpint(range_read(head, 0, &from, &to), !=, RANGE_PART);
    }
    g_assert_cmpint(range_read("", 1000, &from, &to), ==, RANGE_WHOLE);
    g_assert_cmpint(range_read("Range: bytes=5-", 1000, &from, &to), ==, RANGE_WHOLE);
    g_assert_cmpint(range_read("GET\nRange: bytes=5-", 1000, &from, &to), ==, RANGE_PART);
}

/* What the server sends to a request with those lines, all of it. (owned) */
static GByteArray *answer_to(const Served *served, const char *verb, const char *lines)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_uri(client, serve_url(served), 80, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *request = g_strdup_printf("%s %s HTTP/1.1\r\n%s\r\n\r\n", verb,
                                               strrchr(serve_url(served), '/'), lines);
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    g_assert_true(g_output_stream_write_all(out, request, strlen(request), NULL, NULL, NULL));
    GByteArray *all = g_byte_array_new();
    guint8 bytes[4096];
    gssize got;
    while ((got = g_input_stream_read(in, bytes, sizeof bytes, NULL, &error)) > 0)
        g_byte_array_append(all, bytes, (guint)got);
    g_assert_no_error(error);
    return all;
}

/* Where the body begins. */
static guint body_of(const GByteArray *all)
{
    const char *end = g_strstr_len((const char *)all->data, (gssize)all->len, "\r\n\r\n");
    g_assert_nonnull(end);
    return (guint)(end + 4 - (const char *)all->data);
}

static void test_parts(void)
{
    static const struct {
        const char *verb, *lines, *first, *range; /* NULL: no such header */
        guint from, to;
    } cases[] = {
        {"GET", "Host: x", "HTTP/1.0 200 OK\r\n", NULL, 0, 200003},
        {"GET", "Range: bytes=70001-", "HTTP/1.0 206 Partial Content\r\n",
         "\r\nContent-Range: bytes 70001-200002/200003\r\n", 70001, 200003},
        {"GET", "Range: bytes=3-70004", "HTTP/1.0 206 Partial Content\r\n",
         "\r\nContent-Range: bytes 3-70004/200003\r\n", 3, 70005},
        {"GET", "Range: bytes=200003-", "HTTP/1.0 416 Range Not Satisfiable\r\n",
         "\r\nContent-Range: bytes */200003\r\n", 0, 0},
        {"GET", "Range: bytes=x", "HTTP/1.0 416 Range Not Satisfiable\r\n",
         "\r\nContent-Range: bytes */200003\r\n", 0, 0},
        {"HEAD", "Range: bytes=5-9", "HTTP/1.0 200 OK\r\n", NULL, 0, 0},
    };
    static const char *const paths[] = {NULL, "noise"};
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("serve-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *file = g_build_filename(directory, paths[1], NULL);
    g_autoptr(GByteArray) whole = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(Served) served =
            serve_start(paths[i] != NULL ? file : NULL, 200003, NEAR, &error);
        g_assert_no_error(error);
        for (guint j = 0; j < G_N_ELEMENTS(cases); j++) {
            g_autoptr(GByteArray) all = answer_to(served, cases[j].verb, cases[j].lines);
            guint body = body_of(all), length = cases[j].to - cases[j].from;
            if (whole == NULL) {
                whole = g_byte_array_append(g_byte_array_new(), all->data + body, all->len - body);
                g_assert_true(
                    g_file_set_contents(file, (const char *)whole->data, whole->len, &error));
            }
            const char *head = (const char *)all->data;
            g_assert_true(g_str_has_prefix(head, cases[j].first));
            const char *range = g_strstr_len(head, body, "Content-Range");
            g_assert_cmpint(range != NULL, ==, cases[j].range != NULL);
            if (cases[j].range != NULL)
                g_assert_true(g_str_has_prefix(range - 2, cases[j].range));
            g_assert_cmpuint(whole->len, ==, 200003);
            g_assert_cmpmem(all->data + body, all->len - body, whole->data + cases[j].from, length);
        }
    }
    g_unlink(file);
    g_rmdir(directory);
}

/* The script goes on with what it has kept, leaves nothing, and adds up all of it. */
static void test_keep(void)
{
    static const struct {
        guint there; /* bytes that are kept already */
        const char *first;
    } cases[] = {{0, "FROM 0\n"},
                 {1, "FROM 0\n"},
                 {4096, "FROM 0\n"},
                 {70001, "FROM 69632\n"},
                 {200003, "FROM 196608\n"}};
    g_autoptr(GError) error = NULL;
    g_autoptr(Served) served = serve_start(NULL, 200003, NEAR, &error);
    g_assert_no_error(error);
    g_autofree char *expected = done_line(served);
    g_autoptr(GByteArray) all = answer_to(served, "GET", "Host: x");
    guint body = body_of(all);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *keep = g_uuid_string_random();
        g_autofree char *directory = g_strconcat("/var/tmp/fetch-", keep, NULL);
        g_autofree char *file = g_build_filename(directory, "file", NULL);
        if (cases[i].there > 0) {
            g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
            g_file_set_contents(file, (const char *)all->data + body, cases[i].there, &error);
            g_assert_no_error(error);
        }
        g_autofree char *said = all_said(serve_url(served), keep);
        g_assert_true(g_str_has_prefix(said, cases[i].first));
        g_assert_cmpstr(strrchr(said, '\n') + 1, ==, expected);
        g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
    }
}

/* What is not whole stays until it is to be forgotten; only names of that form are taken. */
static void test_forget(void)
{
    g_autofree char *keep = g_uuid_string_random();
    g_autofree char *directory = g_strconcat("/var/tmp/fetch-", keep, NULL);
    g_autofree char *failed = all_said("http://" NEAR ":1/none", keep);
    g_assert_true(g_str_has_prefix(failed, "FROM 0\nFAILED after 0 bytes: "));
    g_assert_true(g_file_test(directory, G_FILE_TEST_IS_DIR));
    g_autofree char *nothing = all_said("forget:", NULL);
    g_assert_cmpstr(nothing, ==, "FORGOTTEN");
    g_assert_true(g_file_test(directory, G_FILE_TEST_IS_DIR));
    g_autofree char *forgotten = all_said("forget:", keep);
    g_assert_cmpstr(forgotten, ==, "FORGOTTEN");
    g_assert_false(g_file_test(directory, G_FILE_TEST_EXISTS));
    static const char *const names[] = {"../../etc", "a b", "$(id)", "A", "x;y"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *said = all_said("forget:", names[i]);
        g_assert_true(g_str_has_prefix(said, "FAILED \""));
    }
}

/* A visitor who reads nothing does not hold the end up. */
static void test_silent_visitor(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Served) served = serve_start(NULL, G_GUINT64_CONSTANT(1) << 40, NEAR, &error);
    g_assert_no_error(error);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_uri(client, serve_url(served), 80, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *request =
        g_strdup_printf("GET %s HTTP/1.0\r\n\r\n", strrchr(serve_url(served), '/'));
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_assert_true(g_output_stream_write_all(out, request, strlen(request), NULL, NULL, NULL));
    char byte;
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    g_assert_cmpint(g_input_stream_read(in, &byte, 1, NULL, NULL), ==, 1);
}

static void test_no_way_in(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(fetch_find_way("127.9.8.7", "nobody-here", &error));
    g_assert_nonnull(strstr(error->message, "127.9.8.7"));
    g_assert_nonnull(strstr(error->message, "port 8010"));
    g_assert_nonnull(strstr(error->message, "nobody-here"));
}

static void test_pings(void)
{
    static const guint paces[] = {10, 50};
    g_autoptr(GError) error = NULL;
    GArray *traces[2];
    gint64 epoch = g_get_monotonic_time();
    Pinger *pinger = pinger_start(NEAR, paces, 2, epoch, &error);
    if (pinger == NULL) {
        g_assert_nonnull(strstr(error->message, "ping_group_range"));
        g_test_skip("this user may not ping");
        return;
    }
    while (pinger_answers(pinger) < 20 && g_get_monotonic_time() - epoch < 60 * G_USEC_PER_SEC)
        g_usleep(10000);
    pinger_stop(pinger, 500, traces);
    for (guint i = 0; i < 2; i++) {
        PingSummary summary = ping_summary(traces[i], 0, 100);
        g_assert_cmpuint(summary.sent, >, 1);
        g_assert_cmpuint(summary.lost, ==, 0);
        for (guint j = 1; j < traces[i]->len; j++)
            g_assert_cmpfloat(g_array_index(traces[i], Ping, j).sent, >,
                              g_array_index(traces[i], Ping, j - 1).sent);
        g_array_unref(traces[i]);
    }
    g_assert_null(pinger_start("not an address", paces, 1, 0, &error));
    g_assert_true(g_error_matches(error, CLI_ERROR, CLI_ERROR_USAGE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evaluate/serve/noise", test_noise);
    g_test_add_func("/evaluate/serve/file", test_file);
    g_test_add_func("/evaluate/serve/secret", test_secret);
    g_test_add_func("/evaluate/serve/ranges", test_ranges);
    g_test_add_func("/evaluate/serve/parts", test_parts);
    g_test_add_func("/evaluate/fetch/keep", test_keep);
    g_test_add_func("/evaluate/fetch/forget", test_forget);
    g_test_add_func("/evaluate/serve/silent_visitor", test_silent_visitor);
    g_test_add_func("/evaluate/fetch/no_way_in", test_no_way_in);
    g_test_add_func("/evaluate/ping", test_pings);
    return g_test_run();
}
