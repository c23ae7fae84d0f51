#include "tests/unit/http_peer.h"

#include "lib/base/error.h"

static void test_calls(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    int fd = connect_to(http);
    static const char *const methods[] = {"one.system.version", "one.now", "one.system.version"};
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        ask(fd, "", methods[i]);
        gboolean closed = TRUE;
        g_autofree char *reply = read_reply(fd, &closed);
        g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 200 OK\r\n"));
        g_assert_nonnull(strstr(reply, "\r\nContent-Type: text/xml\r\n"));
        g_assert_nonnull(strstr(reply, "<string>7.4.0</string>"));
        g_assert_true(g_str_has_suffix(reply, "</methodResponse>\n"));
        g_assert_false(closed);
    }
    /* Two requests in one packet are answered in order. */
    g_autofree char *first = request("", "one.echo"), *second = request("", "one.now");
    g_autofree char *both = g_strconcat(first, second, NULL);
    send_all(fd, both, strlen(both));
    g_autofree char *one = read_reply(fd, NULL), *two = read_reply(fd, NULL);
    g_assert_nonnull(strstr(one, "<string>a:b</string>"));
    g_assert_nonnull(strstr(two, "<string>7.4.0</string>"));

    ask(fd, "Connection: close\r\n", "one.system.version");
    gboolean closed = FALSE;
    g_autofree char *last = read_reply(fd, &closed);
    g_assert_nonnull(strstr(last, "7.4.0"));
    g_assert_true(closed);
    g_assert_true(is_closed(fd));
    close(fd);
    g_assert_cmpuint(http_figures(http).calls, ==, 6);
    http_stop(http);
    core_end(core);
}

static void test_large_reply(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    int fd = connect_to(http);
    ask(fd, "", "one.pool");
    g_autofree char *reply = read_reply(fd, NULL);
    g_autoptr(GString) expected = g_string_new("<string>");
    for (guint i = 0; i < OBJECTS; i++)
        g_string_append_printf(expected, "&lt;ID&gt;%u&lt;/ID&gt;", i);
    g_string_append(expected, "</string></value><value><i4>0</i4></value></data></array></value>"
                              "</param></params></methodResponse>\n");
    g_assert_true(g_str_has_suffix(reply, expected->str));
    /* A peer that goes away in the middle harms nobody. */
    ask(fd, "", "one.pool");
    close(fd);
    fd = connect_to(http);
    ask(fd, "", "one.system.version");
    g_autofree char *after = read_reply(fd, NULL);
    g_assert_nonnull(strstr(after, "7.4.0"));
    close(fd);
    http_stop(http);
    core_end(core);
}

/* Stopping answers who waits, and a late answer goes nowhere. */
static void test_stop(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = connect_to(http);
        ask(fds[i], "", "one.never");
    }
    wait_kept(core, 20);
    int idle = connect_to(http);
    http_stop(http);
    for (int i = 0; i < 20; i++) {
        g_autofree char *reply = read_reply(fds[i], NULL);
        g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 503"));
        g_assert_nonnull(strstr(reply, "stopped"));
        g_assert_true(is_closed(fds[i]));
        close(fds[i]);
        answer(core->kept->pdata[i]);
    }
    g_assert_true(is_closed(idle));
    close(idle);
    core_end(core);
}

static void test_stop_waits(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    options.stop_seconds = 5;
    Http *http = start(&options, core);
    int fd = connect_to(http);
    ask(fd, "", "one.pool");
    while (http_figures(http).calls == 0)
        g_usleep(1000);
    http_stop(http);
    g_autofree char *reply = read_reply(fd, NULL);
    g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 200"));
    close(fd);
    core_end(core);
}

typedef struct Load {
    Http *http;
    guint calls, good;
} Load;

static gpointer make_calls(gpointer data)
{
    Load *load = data;
    static const char *const methods[] = {"one.now", "one.system.version", "one.echo"};
    int fd = connect_to(load->http);
    for (guint i = 0; i < load->calls; i++) {
        ask(fd, "", methods[i % G_N_ELEMENTS(methods)]);
        g_autofree char *reply = read_reply(fd, NULL);
        if (strstr(reply, "</methodResponse>"))
            load->good++;
        if (i % 50 == 49) {
            close(fd);
            fd = connect_to(load->http);
        }
    }
    close(fd);
    return NULL;
}

static void test_load(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    Load loads[16];
    GThread *threads[16];
    for (int i = 0; i < 16; i++) {
        loads[i] = (Load){http, 300, 0};
        threads[i] = g_thread_new("load", make_calls, &loads[i]);
    }
    for (int i = 0; i < 16; i++) {
        g_thread_join(threads[i]);
        g_assert_cmpuint(loads[i].good, ==, 300);
    }
    http_stop(http);
    core_end(core);
}

static void test_errors(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    Http *http = start(&options, core);
    static const struct {
        const char *address, *certificate, *key, *says;
    } cases[] = {
        {"127.0.0.1", NULL, NULL, "in use"},
        {"nonsense", NULL, NULL, "LISTEN_ADDRESS"},
        {"192.0.2.7", NULL, NULL, "No network of this computer"},
        {"127.0.0.2", "/nonexistent/cert", NULL, "only one"},
        {"127.0.0.2", "/nonexistent/cert", "/nonexistent/key", "/nonexistent/cert"},
        {"127.0.0.2", "/etc/hostname", "/etc/hostname", "holds no certificate"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        options.address = cases[i].address;
        options.port = http_port(http);
        options.tls_certificate = cases[i].certificate;
        options.tls_key = cases[i].key;
        g_autoptr(GError) error = NULL;
        g_assert_null(http_start(&options, dispatch, core, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
        if (!strstr(error->message, cases[i].says))
            g_error("case %zu: %s", i, error->message);
    }
    http_stop(http);
    core_end(core);
}

static void test_ipv6(void)
{
    Core *core = core_start();
    HttpOptions options = test_options();
    options.address = "::1";
    g_autoptr(GError) error = NULL;
    Http *http = http_start(&options, dispatch, core, &error);
    if (!http) {
        g_test_skip("this computer has no IPv6");
        core_end(core);
        return;
    }
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    const struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                         .sin6_port = htons(http_port(http)),
                                         .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    g_assert_cmpint(connect(fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
    ask(fd, "", "one.system.version");
    g_autofree char *reply = read_reply(fd, NULL);
    g_assert_nonnull(strstr(reply, "7.4.0"));
    close(fd);
    http_stop(http);
    core_end(core);
}

/* A call over TLS by curl, with a certificate made for the occasion. */
static void test_tls(void)
{
    g_autofree char *openssl = g_find_program_in_path("openssl");
    g_autofree char *curl = g_find_program_in_path("curl");
    if (!openssl || !curl) {
        g_test_skip("openssl or curl is not installed");
        return;
    }
    g_autofree char *directory = g_dir_make_tmp("http-XXXXXX", NULL);
    g_autofree char *certificate = g_build_filename(directory, "cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "key.pem", NULL);
    char *make[] = {openssl,
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=localhost",
                    "-keyout",
                    key,
                    "-out",
                    certificate,
                    NULL};
    g_assert_true(g_spawn_sync(NULL, make, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                               NULL, NULL));
    Core *core = core_start();
    HttpOptions options = test_options();
    options.tls_certificate = certificate;
    options.tls_key = key;
    Http *http = start(&options, core);
    g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/RPC2", http_port(http));
    static const char *const methods[] = {"one.system.version", "one.pool"};
    static const char *const expected[] = {"7.4.0", "&lt;ID&gt;9999&lt;/ID&gt;</string>"};
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autofree char *body =
            g_strdup_printf("<methodCall><methodName>%s</methodName></methodCall>", methods[i]);
        char *call[] = {curl, "-sk", "-m", "10", "-H", "Content-Type: text/xml",
                        "-d", body,  url,  NULL};
        g_autofree char *output = NULL;
        g_assert_true(g_spawn_sync(NULL, call, NULL, 0, NULL, NULL, &output, NULL, NULL, NULL));
        g_assert_nonnull(strstr(output, expected[i]));
    }
    http_stop(http);
    core_end(core);
    unlink(certificate);
    unlink(key);
    rmdir(directory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_level(LOG_ERROR);
    g_test_add_func("/http/calls", test_calls);
    g_test_add_func("/http/large-reply", test_large_reply);
    g_test_add_func("/http/stop", test_stop);
    g_test_add_func("/http/stop-waits", test_stop_waits);
    g_test_add_func("/http/load", test_load);
    g_test_add_func("/http/errors", test_errors);
    g_test_add_func("/http/ipv6", test_ipv6);
    g_test_add_func("/http/tls", test_tls);
    return g_test_run();
}
