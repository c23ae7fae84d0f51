/* lib/wire: answers of every server generation, the transport's errors, where sessions come from.
 */
#include "lib/base/error.h"
#include "lib/wire/client.h"
#include "lib/wire/reply.h"
#include "lib/wire/session.h"
#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse><params><param>"
#define TAIL   "</param></params></methodResponse>\r\n"
#define TUPLE  HEAD "<value><array><data>"
#define END    "</data></array></value>" TAIL
#define TRUTH  "<value><boolean>1</boolean></value>"
#define FALSE_ "<value><boolean>0</boolean></value>"

static const struct {
    const char *name;
    const char *body;
    const char *text; /* expected; NULL: a number */
    gint64 number;
    int code; /* of the expected error, 0 for success */
    const char *message;
} answers[] = {
    {"three elements, text",
     TUPLE TRUTH "<value><string>&lt;A&gt;</string></value>"
                 "<value><i4>0</i4></value>" END,
     "<A>"},
    {"text without a type", TUPLE TRUTH "<value>plain</value><value><i4>0</i4></value>" END,
     "plain"},
    {"number", TUPLE TRUTH "<value><i4>42</i4></value><value><int>0</int></value>" END, NULL, 42},
    {"long number", TUPLE TRUTH "<value><i8>9000000000</i8></value><value><i4>0</i4></value>" END,
     NULL, 9000000000},
    {"1.2: one element", TUPLE TRUTH END, NULL, 0},
    {"1.2: two elements", TUPLE TRUTH "<value><int>7</int></value>" END, NULL, 7},
    {"1.2: refusal", TUPLE FALSE_ "<value><string>wrong state</string></value>" END, NULL, 0,
     ONE_ERROR_INTERNAL, "wrong state"},
    {"1.2: refusal without a text", TUPLE FALSE_ END, NULL, 0, ONE_ERROR_INTERNAL,
     "the server refused and gave no reason"},
    {"3.0: refusal",
     TUPLE FALSE_ "<value><string>no</string></value><value><i4>512</i4></value>" END, NULL, 0,
     ONE_ERROR_AUTHORIZATION, "no"},
    {"five elements",
     TUPLE FALSE_ "<value><string>[one.vm.info] Error</string></value>"
                  "<value><i4>1024</i4></value><value><i4>-1</i4></value>"
                  "<value><i8>-1</i8></value>" END,
     NULL, 0, ONE_ERROR_NO_EXISTS, "[one.vm.info] Error"},
    {"a list",
     TUPLE "<value><string>one.a</string></value><value><string>one.b</string></value>" END,
     "one.a\none.b"},
    {"a bare string", HEAD "<value><string>help</string></value>" TAIL, "help"},
    {"fault",
     "<?xml version=\"1.0\"?><methodResponse><fault><value><struct><member><name>faultCode"
     "</name><value><int>-506</int></value></member><member><name>faultString</name>"
     "<value><string>Method 'x' not defined</string></value></member></struct></value>"
     "</fault></methodResponse>",
     NULL, 0, ONE_ERROR_RPC_API, "fault -506: Method 'x' not defined"},
    {"a web page", "<html><body>hello</body></html>", NULL, 0, ONE_ERROR_UNREACHABLE, NULL},
    {"nothing", "", NULL, 0, ONE_ERROR_UNREACHABLE, NULL},
};

static void test_answers(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_test_message("%s", answers[i].name);
        g_auto(WireReply) reply = {0};
        g_autoptr(GError) error = NULL;
        gint fault = 0;
        gboolean good =
            wire_reply_parse(&reply, answers[i].body, strlen(answers[i].body), &fault, &error);
        if (answers[i].code != 0) {
            g_assert_false(good);
            g_assert_error(error, ONE_ERROR, answers[i].code);
            if (answers[i].message != NULL)
                g_assert_cmpstr(error->message, ==, answers[i].message);
            continue;
        }
        g_assert_no_error(error);
        g_assert_true(good);
        g_assert_cmpstr(reply.text, ==, answers[i].text);
        g_assert_cmpint(reply.number, ==, answers[i].number);
    }
}

/* The short cut for long answers and the full parser must read the same. */
static void test_long(void)
{
    static const char *const pieces[] = {
        "&lt;VM&gt;&lt;NAME&gt;&lt;![CDATA[a &amp; b &quot;c&quot; "
        "&apos;d&apos;]]&gt;&lt;/NAME&gt;\n",
        "&#60;numeric&#x3e;\n",
        "caf\xc3\xa9 \xe2\x82\xac\n",
    };
    static const char *const read[] = {"<VM><NAME><![CDATA[a & b \"c\" 'd']]></NAME>\n",
                                       "<numeric>\n", "caf\xc3\xa9 \xe2\x82\xac\n"};
    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GString) body = g_string_new(TUPLE "\n " TRUTH "\n<value><string>");
        g_autoptr(GString) expected = g_string_new(NULL);
        for (int n = 0; n < 20000; n++) {
            g_string_append(body, pieces[i]);
            g_string_append(expected, read[i]);
        }
        g_string_append(body, "</string></value><value><i4>0</i4></value>" END);
        g_auto(WireReply) reply = {0};
        g_autoptr(GError) error = NULL;
        gint fault;
        g_assert_true(wire_reply_parse(&reply, body->str, body->len, &fault, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(reply.text, ==, expected->str);
        /* Cut anywhere it is an error, never half an answer. */
        g_assert_false(wire_reply_parse(&reply, body->str, body->len / 2, &fault, &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE);
    }
}

/* ---- A server of one connection at a time, with a fixed answer ---- */

typedef struct {
    int socket;
    int port;
    const char *status;
    const char *body;
    gboolean silent; /* reads the request and never answers */
    guint connections;
    GString *seen; /* the last request */
    GThread *thread;
} FakeServer;

static gsize body_length(const char *head)
{
    const char *field = strcasestr(head, "content-length:");
    return field != NULL ? strtoul(field + 15, NULL, 10) : 0;
}

static gboolean read_request(int connection, GString *request)
{
    char bytes[4096];
    g_string_truncate(request, 0);
    for (;;) {
        const char *blank = strstr(request->str, "\r\n\r\n");
        if (blank != NULL && request->len - (blank + 4 - request->str) >= body_length(request->str))
            return TRUE;
        ssize_t got = read(connection, bytes, sizeof bytes);
        if (got <= 0)
            return FALSE;
        g_string_append_len(request, bytes, got);
    }
}

static gpointer serve(gpointer data)
{
    FakeServer *server = data;
    for (int connection; (connection = accept(server->socket, NULL, NULL)) >= 0;) {
        server->connections++;
        g_autoptr(GString) request = g_string_new(NULL);
        while (read_request(connection, request)) {
            g_string_assign(server->seen, request->str);
            if (server->silent)
                continue;
            g_autofree char *answer = g_strdup_printf(
                "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n%s",
                server->status, strlen(server->body), server->body);
            if (write(connection, answer, strlen(answer)) < 0)
                break;
        }
        close(connection);
    }
    return NULL;
}

static void server_start(FakeServer *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->seen = g_string_new(NULL);
    server->socket = socket(AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint(bind(server->socket, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(server->socket, 5), ==, 0);
    g_assert_cmpint(getsockname(server->socket, (struct sockaddr *)&address, &length), ==, 0);
    server->port = ntohs(address.sin_port);
    server->thread = g_thread_new("server", serve, server);
}

static void server_stop(FakeServer *server)
{
    shutdown(server->socket, SHUT_RDWR);
    g_thread_join(server->thread);
    close(server->socket);
    g_string_free(server->seen, TRUE);
}

static WireClient *client_for(int port)
{
    g_autofree char *endpoint = g_strdup_printf("http://127.0.0.1:%d/RPC2", port);
    g_autoptr(GError) error = NULL;
    WireClient *client = wire_client_new(endpoint, "user:secret", &error);
    g_assert_no_error(error);
    return client;
}

static void test_call(void)
{
    FakeServer server = {.status = "200 OK",
                         .body =
                             TUPLE TRUTH "<value><i4>3</i4></value><value><i4>0</i4></value>" END};
    server_start(&server);
    WireClient *client = client_for(server.port);
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) error = NULL;
    gint32 groups[] = {1, 100};
    for (int i = 0; i < 3; i++)
        g_assert_true(
            wire_call(client, &reply, &error, "one.x.y", "isbA", -2, "<&", TRUE, groups, 2u));
    g_assert_cmpint(reply.number, ==, 3);
    g_assert_cmpuint(server.connections, ==, 1);
    g_assert_nonnull(strstr(server.seen->str, "<string>user:secret</string>"));
    g_assert_nonnull(strstr(server.seen->str, "<i4>-2</i4>"));
    g_assert_nonnull(strstr(server.seen->str, "<string>&lt;&amp;</string>"));
    g_assert_nonnull(strstr(server.seen->str, "<boolean>1</boolean>"));
    g_assert_nonnull(strstr(server.seen->str, "<i4>100</i4>"));
    g_assert_null(strstr(server.seen->str, "Expect:"));
    g_assert_true(wire_call(client, NULL, &error, "system.listMethods", ""));
    g_assert_null(strstr(server.seen->str, "user:secret"));
    g_assert_false(wire_call(client, NULL, &error, "one.x.y", "s", "\xff"));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
    wire_client_free(client);
    server_stop(&server);
}

static void test_fault(void)
{
    FakeServer server = {.status = "200 OK", .body = answers[12].body};
    server_start(&server);
    WireClient *client = client_for(server.port);
    g_autoptr(GError) error = NULL;
    g_assert_false(wire_call(client, NULL, &error, "one.x.y", ""));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
    g_assert_cmpint(wire_fault_code(client), ==, -506);
    wire_client_free(client);
    server_stop(&server);
}

static void expect_failure(FakeServer *server, int code, const char *words)
{
    server_start(server);
    WireClient *client = client_for(server->port);
    wire_client_set_timeout(client, server->silent ? 1 : 60);
    g_autoptr(GError) error = NULL;
    g_assert_false(wire_call(client, NULL, &error, "one.x.y", ""));
    g_assert_error(error, ONE_ERROR, code);
    g_assert_nonnull(strstr(error->message, words));
    wire_client_free(client);
    server_stop(server);
}

static void test_transport_errors(void)
{
    expect_failure(&(FakeServer){.status = "404 Not Found", .body = "no"}, ONE_ERROR_UNREACHABLE,
                   "HTTP status 404");
    expect_failure(&(FakeServer){.status = "200 OK", .body = "<html/>"}, ONE_ERROR_UNREACHABLE,
                   "not XML-RPC");
    expect_failure(&(FakeServer){.silent = TRUE}, ONE_ERROR_TIMEOUT, "no answer from");
    FakeServer gone = {.status = "200 OK", .body = ""};
    server_start(&gone);
    server_stop(&gone);
    WireClient *client = client_for(gone.port);
    g_autoptr(GError) error = NULL;
    g_assert_false(wire_call(client, NULL, &error, "one.x.y", ""));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE);
    g_assert_nonnull(strstr(error->message, "is it running? Start it with `one start`"));
    wire_client_free(client);
}

/* ---- Session and endpoint ---- */

static void put(const char *directory, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void assert_session(const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *session = wire_find_session(&error);
    g_assert_no_error(error);
    g_assert_cmpstr(session, ==, expected);
}

static void test_session(void)
{
    g_autofree char *home = g_dir_make_tmp("globule-XXXXXX", NULL);
    g_autofree char *named = g_build_filename(home, "named", NULL);
    g_autoptr(GError) error = NULL;
    g_setenv("HOME", home, TRUE);
    g_unsetenv("ONE_AUTH");
    g_unsetenv("ONE_XMLRPC");
    g_setenv("ONE_LOCATION", home, TRUE);
    put(home, "var/.one/one_auth", "of:location\r\nsecond line\n");
    assert_session("of:location");
    put(home, ".one/one_auth", "of:home  \n");
    assert_session("of:home");
    put(home, "named", "named:a:b");
    g_setenv("ONE_AUTH", named, TRUE);
    assert_session("named:a:b");
    put(home, "named", "no colon");
    g_assert_null(wire_find_session(&error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION);
    g_clear_error(&error);
    g_remove(named);
    g_assert_null(wire_find_session(&error));
    g_assert_nonnull(strstr(error->message, named));
    g_unsetenv("ONE_AUTH");

    g_autofree char *usual = wire_find_endpoint();
    g_assert_cmpstr(usual, ==, "http://localhost:2633/RPC2");
    put(home, ".one/one_endpoint", "http://other:1/RPC2\n");
    g_autofree char *file = wire_find_endpoint();
    g_assert_cmpstr(file, ==, "http://other:1/RPC2");
    g_setenv("ONE_XMLRPC", "http://env:2/RPC2", TRUE);
    g_autofree char *environment = wire_find_endpoint();
    g_assert_cmpstr(environment, ==, "http://env:2/RPC2");

    static const char *const made[] = {"var/.one/one_auth", "var/.one", "var", ".one/one_auth",
                                       ".one/one_endpoint", ".one",     ""};
    for (guint i = 0; i < G_N_ELEMENTS(made); i++) {
        g_autofree char *path = g_build_filename(home, made[i], NULL);
        g_remove(path);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/answers", test_answers);
    g_test_add_func("/wire/long", test_long);
    g_test_add_func("/wire/call", test_call);
    g_test_add_func("/wire/fault", test_fault);
    g_test_add_func("/wire/transport_errors", test_transport_errors);
    g_test_add_func("/wire/session", test_session);
    return g_test_run();
}
