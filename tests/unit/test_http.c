#include "server/http/http.h"

#include "lib/base/error.h"
#include "lib/base/log.h"
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a stand-in for the core ---- */

/* one.system.version is answered by another thread, one.now in the thread that dispatches,
 * one.pool by 10,000 fragments, one.never not before the test says so, one.echo with its
 * first argument. */
typedef struct Core {
    GAsyncQueue *calls;
    GThread *thread;
    GMutex lock;
    GPtrArray *kept; /* calls of one.never */
} Core;

#define OBJECTS 10000

static RpcReply *pool_reply(void)
{
    FragmentList *list = fragment_list_new(OBJECTS);
    for (guint i = 0; i < OBJECTS; i++) {
        g_autofree char *text = g_strdup_printf("&lt;ID&gt;%u&lt;/ID&gt;", i);
        fragment_list_add_text(list, text);
    }
    return rpc_reply_text(list);
}

static void answer(RpcCall *call)
{
    RpcReply *reply = NULL;
    if (strcmp(call->method, "one.pool") == 0) {
        reply = pool_reply();
    } else {
        RpcValue *tuple = rpc_value_array();
        const RpcValue *first = call->arguments->len ? call->arguments->pdata[0] : NULL;
        rpc_value_add(tuple, rpc_value_bool(TRUE));
        rpc_value_add(
            tuple,
            rpc_value_text(strcmp(call->method, "one.echo") == 0 && first ? first->text : "7.4.0"));
        reply = rpc_reply_result(tuple);
    }
    call->finish(call, reply);
}

static gpointer run_core(gpointer data)
{
    Core *core = data;
    for (gpointer item; (item = g_async_queue_pop(core->calls)) != core;)
        answer(item);
    return NULL;
}

static void dispatch(RpcCall *call, gpointer data)
{
    Core *core = data;
    if (strcmp(call->method, "one.now") == 0) {
        answer(call);
    } else if (strcmp(call->method, "one.never") == 0) {
        g_mutex_lock(&core->lock);
        g_ptr_array_add(core->kept, call);
        g_mutex_unlock(&core->lock);
    } else {
        g_async_queue_push(core->calls, call);
    }
}

static guint kept(Core *core)
{
    g_mutex_lock(&core->lock);
    guint count = core->kept->len;
    g_mutex_unlock(&core->lock);
    return count;
}

static Core *core_start(void)
{
    Core *core = g_new0(Core, 1);
    core->calls = g_async_queue_new();
    core->kept = g_ptr_array_new();
    core->thread = g_thread_new("core", run_core, core);
    return core;
}

static void core_end(Core *core)
{
    g_async_queue_push(core->calls, core);
    g_thread_join(core->thread);
    g_async_queue_unref(core->calls);
    g_ptr_array_unref(core->kept);
    g_free(core);
}

/* ---- a client ---- */

static HttpOptions test_options(void)
{
    HttpOptions options = http_options_default();
    options.port = 0;
    options.threads = 2;
    options.stop_seconds = 0;
    return options;
}

static Http *start(const HttpOptions *options, Core *core)
{
    g_autoptr(GError) error = NULL;
    Http *http = http_start(options, dispatch, core, &error);
    if (!http)
        g_error("%s", error->message);
    return http;
}

static int connect_to(const Http *http)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(http_port(http)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        g_error("cannot connect: %s", g_strerror(errno));
    return fd;
}

static gboolean send_all(int fd, const char *text, gsize length)
{
    while (length > 0) {
        gssize sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return FALSE;
        text += sent;
        length -= (gsize)sent;
    }
    return TRUE;
}

/* Reads one reply, as its Content-Length says; an empty text when the connection ends
 * before. `*closed` when the head says that it will. (owned) */
static char *read_reply(int fd, gboolean *closed)
{
    GString *got = g_string_new(NULL);
    char buffer[65536];
    gsize wanted = 0;
    while (wanted == 0 || got->len < wanted) {
        gssize count = recv(fd, buffer, wanted ? MIN(sizeof buffer, wanted - got->len) : 1, 0);
        if (count <= 0) {
            g_string_truncate(got, 0);
            break;
        }
        g_string_append_len(got, buffer, count);
        if (wanted == 0 && g_str_has_suffix(got->str, "\r\n\r\n")) {
            const char *length = strstr(got->str, "Content-Length: ");
            g_assert_nonnull(length);
            wanted = got->len + g_ascii_strtoull(length + 16, NULL, 10);
        }
    }
    if (closed)
        *closed = strstr(got->str, "Connection: close") != NULL;
    return g_string_free(got, FALSE);
}

static char *request(const char *head, const char *method)
{
    g_autofree char *body = g_strdup_printf(
        "<methodCall><methodName>%s</methodName><params><param><value><string>a:b</string>"
        "</value></param></params></methodCall>",
        method);
    return g_strdup_printf("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n%s"
                           "Content-Length: %zu\r\n\r\n%s",
                           head, strlen(body), body);
}

static void ask(int fd, const char *head, const char *method)
{
    g_autofree char *text = request(head, method);
    g_assert_true(send_all(fd, text, strlen(text)));
}

/* Nothing more comes, and the other side has closed. */
static gboolean is_closed(int fd)
{
    char byte;
    struct pollfd wait = {fd, POLLIN, 0};
    return poll(&wait, 1, 5000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* ---- tests ---- */

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
        {"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "415", "text/xml"},
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

static void wait_kept(Core *core, guint count)
{
    for (int i = 0; i < 5000 && kept(core) < count; i++)
        g_usleep(1000);
    g_assert_cmpuint(kept(core), ==, count);
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
    }
    wait_kept(core, 3);
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
                      <, 4);
    g_assert_cmpfloat(cut_after(http, "POST /RPC2 HTTP/1.1\r\nX-Head: "), <, 6);
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
    g_assert_cmpint(took, <, G_USEC_PER_SEC);
    g_assert_cmpuint(http_figures(http).connections, ==, count + 1);
    for (guint i = 0; i < count; i++)
        close(fds[i]);
    close(fd);
    http_stop(http);
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
        {"127.0.0.2", "/etc/hostname", "/etc/hostname", "certificate and key"},
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
    g_test_add_func("/http/refusals", test_refusals);
    g_test_add_func("/http/large-body", test_large_body);
    g_test_add_func("/http/all-bodies", test_all_bodies);
    g_test_add_func("/http/in-flight", test_in_flight);
    g_test_add_func("/http/stop", test_stop);
    g_test_add_func("/http/stop-waits", test_stop_waits);
    g_test_add_func("/http/slow", test_slow);
    g_test_add_func("/http/many-idle", test_many_idle);
    g_test_add_func("/http/load", test_load);
    g_test_add_func("/http/errors", test_errors);
    g_test_add_func("/http/tls", test_tls);
    return g_test_run();
}
