/* Over loopback: what is served, the script that runs in guests, pings. */
#include "client/cli/cli.h"
#include "client/evaluate/fetch.h"
#include "client/evaluate/ping.h"
#include "client/evaluate/serve.h"

#include <string.h>

#define NEAR "127.0.0.1"

/* Runs the script as a guest does: its last line. (owned) */
static char *fetched(const char *url)
{
    g_autofree char *out = NULL;
    g_autoptr(GError) error = NULL;
    const char *words[] = {"sh", "share/examples/guest/fetch", url, NULL};
    g_spawn_sync(NULL, (char **)words, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL,
                 &error);
    g_assert_no_error(error);
    g_strchomp(out);
    const char *last = strrchr(out, '\n');
    return g_strdup(last != NULL ? last + 1 : out);
}

static void check_download(const Served *served)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *sum = serve_sum(served, &error);
    g_assert_no_error(error);
    g_autofree char *expected =
        g_strdup_printf("DONE %" G_GUINT64_FORMAT " %s", serve_size(served), sum);
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
    g_test_add_func("/evaluate/serve/silent_visitor", test_silent_visitor);
    g_test_add_func("/evaluate/fetch/no_way_in", test_no_way_in);
    g_test_add_func("/evaluate/ping", test_pings);
    return g_test_run();
}
