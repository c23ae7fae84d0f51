/* Limits of the listener: what is refused, cut off, or held without harm. */
#include "tests/unit/http_peer.h"

#include <sys/resource.h>

static void test_refusals(void)
{
    static const struct {
        const char *request, *status, *says;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200", "This is oned"},
        {"GET /RPC2 HTTP/1.1\r\nHost: x\r\n\r\n", "405", "sent by POST"},
        {"DELETE /RPC2 HTTP/1.1\r\nHost: x\r\n\r\n", "405", "Allow: POST"},
        {"GET /else HTTP/1.1\r\nHost: x\r\n\r\n", "404", "nothing at /else"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "404", "/RPC2"},
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "200", "<i4>-503</i4>"},
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nOrigin: null\r\nContent-Length: 3\r\n\r\nabc", "415",
         "text/xml"},
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: "
         "3\r\n\r\nabc",
         "415", "text/xml"},
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml; charset=utf-8\r\n"
         "Content-Length: 3\r\n\r\nabc",
         "200", "<i4>-503</i4>"},
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 0\r\n\r\n",
         "200", "<i4>-503</i4>"},
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: "
         "99999999\r\n\r\n",
         "413", "<i4>-509</i4>"},
    };
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fd = connect_to(http);
        send_all(fd, cases[i].request, strlen(cases[i].request));
        g_autofree char *reply = read_reply(fd, NULL);
        if (strncmp(reply + 9, cases[i].status, 3) != 0 || !strstr(reply, cases[i].says))
            g_error("case %zu: %s", i, reply);
        close(fd);
    }
    g_assert_cmpuint(http_figures(http).calls, ==, 0);
    http_stop(http);
    core_end(core);
}

/* Sends much more than is allowed, and still gets to read the answer. */
static void test_large_body(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    options.body_bytes = 100000;
    Http *http = start(&options, core);
    g_autofree char *block = g_strnfill(100000, 'x');
    static const char *const heads[] = {"Content-Length: 20000000\r\n",
                                        "Transfer-Encoding: chunked\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++) {
        int fd = connect_to(http);
        g_autofree char *head = g_strdup_printf(
            "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n%s\r\n", heads[i]);
        send_all(fd, head, strlen(head));
        gboolean sent = TRUE;
        for (int k = 0; k < 200 && sent; k++) {
            if (i == 1)
                sent = send_all(fd, "186a0\r\n", 7);
            sent = sent && send_all(fd, block, 100000);
            if (i == 1)
                sent = sent && send_all(fd, "\r\n", 2);
        }
        g_assert_true(sent);
        g_autofree char *reply = read_reply(fd, NULL);
        g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 413"));
        g_assert_nonnull(strstr(reply, "<i4>-509</i4>"));
        close(fd);
    }
    g_assert_cmpuint(http_figures(http).refused, ==, 2);
    http_stop(http);
    core_end(core);
}

static void test_all_bodies(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    options.bodies_bytes = 60002;
    Http *http = start(&options, core);
    int fds[4];
    static const char head[] = "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                               "Content-Length: 30001\r\n\r\n";
    g_autofree char *most = g_strnfill(30000, 'x');
    for (int i = 0; i < 4; i++) {
        fds[i] = connect_to(http);
        send_all(fds[i], head, strlen(head));
        send_all(fds[i], most, 30000);
        g_usleep(50000);
    }
    guint refused = 0;
    for (int i = 0; i < 4; i++) {
        send_all(fds[i], "x", 1);
        g_autofree char *reply = read_reply(fds[i], NULL);
        if (g_str_has_prefix(reply, "HTTP/1.1 503"))
            refused++;
        close(fds[i]);
    }
    g_assert_cmpuint(refused, ==, 2);
    /* What was refused or is over no longer counts. */
    int fd = connect_to(http);
    send_all(fd, head, strlen(head));
    send_all(fd, most, 30000);
    send_all(fd, "x", 1);
    g_autofree char *reply = read_reply(fd, NULL);
    g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 200"));
    close(fd);
    http_stop(http);
    core_end(core);
}

static void test_in_flight(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    options.in_flight = 3;
    Http *http = start(&options, core);
    int fds[4];
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_to(http);
        ask(fds[i], "", "one.never");
        wait_kept(core, i + 1); /* one after the other, so that it is known which is whose */
    }
    fds[3] = connect_to(http);
    ask(fds[3], "", "one.system.version");
    g_autofree char *busy = read_reply(fds[3], NULL);
    g_assert_true(g_str_has_prefix(busy, "HTTP/1.1 503"));
    g_assert_nonnull(strstr(busy, "Retry-After: 1"));
    answer(core->kept->pdata[0]);
    g_autofree char *done = read_reply(fds[0], NULL);
    g_assert_nonnull(strstr(done, "7.4.0"));
    ask(fds[3], "", "one.system.version");
    g_autofree char *now = read_reply(fds[3], NULL);
    g_assert_nonnull(strstr(now, "7.4.0"));

    /* A peer that has gone while its call was worked on harms nobody. */
    close(fds[1]);
    answer(core->kept->pdata[1]);
    answer(core->kept->pdata[2]);
    for (int i = 0; i < 4; i++)
        if (i != 1)
            close(fds[i]);
    http_stop(http);
    core_end(core);
}

/* The numbers of SIGHUP: each holds for the next request, in connections that were open before. */
static void test_changed(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    int kept_fd = connect_to(http), fd = connect_to(http), large = connect_to(http);
    ask(kept_fd, "", "one.never");
    wait_kept(core, 1);

    options.in_flight = 1;
    http_change_limits(http, &options);
    ask(fd, "", "one.system.version");
    g_autofree char *busy = read_reply(fd, NULL);
    g_assert_true(g_str_has_prefix(busy, "HTTP/1.1 503"));
    options.in_flight = 2;
    http_change_limits(http, &options);
    ask(fd, "", "one.system.version");
    g_autofree char *taken = read_reply(fd, NULL);
    g_assert_nonnull(strstr(taken, "7.4.0"));

    options.body_bytes = 50;
    http_change_limits(http, &options);
    ask(large, "", "one.system.version");
    g_autofree char *refused = read_reply(large, NULL);
    g_assert_true(g_str_has_prefix(refused, "HTTP/1.1 413"));
    g_assert_nonnull(strstr(refused, "larger than 50 bytes"));

    answer(core->kept->pdata[0]); /* what was at work before is not harmed */
    g_autofree char *done = read_reply(kept_fd, NULL);
    g_assert_nonnull(strstr(done, "7.4.0"));
    close(kept_fd);
    close(fd);
    close(large);
    http_stop(http);
    core_end(core);
}

static gpointer drip(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    while (send_all(fd, "X", 1))
        g_usleep(100000);
    return NULL;
}

/* Seconds until a peer that sends a byte ten times a second is cut off. */
static double cut_after(const Http *http, const char *begin)
{
    int fd = connect_to(http);
    gint64 start_time = g_get_monotonic_time();
    send_all(fd, begin, strlen(begin));
    GThread *thread = g_thread_new("drip", drip, GINT_TO_POINTER(fd));
    g_thread_join(thread);
    close(fd);
    return (double)(g_get_monotonic_time() - start_time) / G_USEC_PER_SEC;
}

static void test_slow(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    options.request_seconds = 1;
    Http *http = start(&options, core);
    int fd = connect_to(http);
    ask(fd, "", "one.system.version");
    g_free(read_reply(fd, NULL));

    g_assert_cmpfloat(cut_after(http, "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                                      "Content-Length: 10000\r\n\r\n"),
                      <, 60);
    g_assert_cmpfloat(cut_after(http, "POST /RPC2 HTTP/1.1\r\nX-Head: "), <, 60);
    g_assert_cmpuint(http_figures(http).cut, ==, 2);

    /* One that is only silent is not. */
    ask(fd, "", "one.system.version");
    g_autofree char *reply = read_reply(fd, NULL);
    g_assert_nonnull(strstr(reply, "7.4.0"));
    close(fd);
    http_stop(http);
    core_end(core);
}

static void test_many_idle(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    guint count = (guint)MIN(files.rlim_cur / 3, 5000);
    Core *core = core_start();
    HttpOptions options = test_options();
    options.idle_seconds = 60;
    Http *http = start(&options, core);
    g_autofree int *fds = g_new(int, count);
    for (guint i = 0; i < count; i++)
        fds[i] = connect_to(http);
    int fd = connect_to(http);
    gint64 before = g_get_monotonic_time();
    ask(fd, "", "one.system.version");
    g_autofree char *reply = read_reply(fd, NULL);
    gint64 took = g_get_monotonic_time() - before;
    g_assert_nonnull(strstr(reply, "7.4.0"));
    g_test_message("%u idle connections, a new call answered in %.1f ms", count,
                   (double)took / 1000);
    g_assert_cmpint(took, <, 30 * G_USEC_PER_SEC);
    /* The last may still be in the queue of the other thread. */
    for (int i = 0; i < 120000 && http_figures(http).connections < count + 1; i++)
        g_usleep(1000);
    g_assert_cmpuint(http_figures(http).connections, ==, count + 1);
    for (guint i = 0; i < count; i++)
        close(fds[i]);
    close(fd);
    http_stop(http);
    core_end(core);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_level(LOG_ERROR);
    g_test_add_func("/http-limits/refusals", test_refusals);
    g_test_add_func("/http-limits/large-body", test_large_body);
    g_test_add_func("/http-limits/all-bodies", test_all_bodies);
    g_test_add_func("/http-limits/in-flight", test_in_flight);
    g_test_add_func("/http-limits/changed", test_changed);
    g_test_add_func("/http-limits/slow", test_slow);
    g_test_add_func("/http-limits/many-idle", test_many_idle);
    return g_test_run();
}
