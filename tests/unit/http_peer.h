/*
 * What the tests of the listener share: a stand-in for the core that answers calls, and a
 * client that speaks HTTP by hand.
 */
#pragma once

#include "lib/base/log.h"
#include "server/http/http.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
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

static inline RpcReply *pool_reply(void)
{
    FragmentList *list = fragment_list_new(OBJECTS);
    for (guint i = 0; i < OBJECTS; i++) {
        g_autofree char *text = g_strdup_printf("&lt;ID&gt;%u&lt;/ID&gt;", i);
        fragment_list_add_text(list, text);
    }
    return rpc_reply_text(list);
}

static inline void answer(RpcCall *call)
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

static inline gpointer run_core(gpointer data)
{
    Core *core = data;
    for (gpointer item; (item = g_async_queue_pop(core->calls)) != core;)
        answer(item);
    return NULL;
}

static inline void dispatch(RpcCall *call, gpointer data)
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

static inline guint kept(Core *core)
{
    g_mutex_lock(&core->lock);
    guint count = core->kept->len;
    g_mutex_unlock(&core->lock);
    return count;
}

static inline Core *core_start(void)
{
    Core *core = g_new0(Core, 1);
    core->calls = g_async_queue_new();
    core->kept = g_ptr_array_new();
    core->thread = g_thread_new("core", run_core, core);
    return core;
}

static inline void core_end(Core *core)
{
    g_async_queue_push(core->calls, core);
    g_thread_join(core->thread);
    g_async_queue_unref(core->calls);
    g_ptr_array_unref(core->kept);
    g_free(core);
}

/* ---- a client ---- */

static inline HttpOptions test_options(void)
{
    HttpOptions options = http_options_default();
    options.port = 0;
    options.threads = 2;
    options.stop_seconds = 0;
    return options;
}

static inline Http *start(const HttpOptions *options, Core *core)
{
    g_autoptr(GError) error = NULL;
    Http *http = http_start(options, dispatch, core, &error);
    if (!http)
        g_error("%s", error->message);
    return http;
}

static inline int connect_to(const Http *http)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(http_port(http)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        g_error("cannot connect: %s", g_strerror(errno));
    return fd;
}

static inline gboolean send_all(int fd, const char *text, gsize length)
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
static inline char *read_reply(int fd, gboolean *closed)
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

static inline char *request(const char *head, const char *method)
{
    g_autofree char *body = g_strdup_printf(
        "<methodCall><methodName>%s</methodName><params><param><value><string>a:b</string>"
        "</value></param></params></methodCall>",
        method);
    return g_strdup_printf("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n%s"
                           "Content-Length: %zu\r\n\r\n%s",
                           head, strlen(body), body);
}

static inline void ask(int fd, const char *head, const char *method)
{
    g_autofree char *text = request(head, method);
    g_assert_true(send_all(fd, text, strlen(text)));
}

/* Nothing more comes, and the other side has closed. */
static inline gboolean is_closed(int fd)
{
    char byte;
    struct pollfd wait = {fd, POLLIN, 0};
    return poll(&wait, 1, 120000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static inline void wait_kept(Core *core, guint count)
{
    for (int i = 0; i < 120000 && kept(core) < count; i++)
        g_usleep(1000);
    g_assert_cmpuint(kept(core), ==, count);
}
