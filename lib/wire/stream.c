#include "lib/wire/stream.h"

#include "lib/base/error.h"
#include "lib/wire/client_private.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Longest head of an answer that is understood. */
#define HEAD_BYTES 8192
/* How long the answer to the request may take, and a write may stall, in milliseconds. */
#define WAIT_MSEC 30000

struct WireStream {
    CURL *curl;
    int fd;
    GString *early; /* came right behind the head of the answer */
};

void wire_stream_close(WireStream *stream)
{
    if (stream == NULL)
        return;
    if (stream->curl != NULL)
        curl_easy_cleanup(stream->curl);
    g_string_free(stream->early, TRUE);
    g_free(stream);
}

int wire_stream_fd(const WireStream *stream)
{
    return stream->fd;
}

static gboolean wait_for(int fd, short events)
{
    struct pollfd wait = {fd, events, 0};
    int ready;
    do
        ready = poll(&wait, 1, WAIT_MSEC);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

gssize wire_stream_read(WireStream *stream, char *bytes, gsize room)
{
    if (stream->early->len > 0) {
        gsize count = MIN(room, stream->early->len);
        memcpy(bytes, stream->early->str, count);
        g_string_erase(stream->early, 0, (gssize)count);
        return (gssize)count;
    }
    size_t count = 0;
    CURLcode code = curl_easy_recv(stream->curl, bytes, room, &count);
    if (code == CURLE_AGAIN)
        return -1;
    return code == CURLE_OK ? (gssize)count : 0;
}

gboolean wire_stream_write(WireStream *stream, const char *bytes, gsize count)
{
    while (count > 0) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(stream->curl, bytes, count, &sent);
        if (code == CURLE_AGAIN && wait_for(stream->fd, POLLOUT))
            continue;
        if (code != CURLE_OK)
            return FALSE;
        bytes += sent;
        count -= sent;
    }
    return TRUE;
}

/* ---- the upgrade ---- */

static gboolean unreachable(GError **error, WireClient *client, const char *why)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "no connection to %s: %s",
                wire_client_endpoint(client), why);
    return FALSE;
}

static gboolean connect_to(WireStream *stream, WireClient *client, GError **error)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    stream->curl = curl_easy_duphandle(wire_client_curl(client));
    curl_easy_setopt(stream->curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(stream->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(stream->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(stream->curl, CURLOPT_POST, 0L);
    curl_easy_setopt(stream->curl, CURLOPT_TIMEOUT, 0L);
    curl_easy_setopt(stream->curl, CURLOPT_ERRORBUFFER, NULL);
    CURLcode code = curl_easy_perform(stream->curl);
    if (code != CURLE_OK)
        return unreachable(error, client, curl_easy_strerror(code));
    curl_easy_getinfo(stream->curl, CURLINFO_ACTIVESOCKET, &fd);
    stream->fd = fd;
    return TRUE;
}

static gboolean send_request(WireStream *stream, WireClient *client, const char *path,
                             const char *protocol, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(wire_client_endpoint(client), G_URI_FLAGS_NONE, error);
    if (uri == NULL)
        return FALSE;
    const char *host = g_uri_get_host(uri);
    gboolean bracket = host != NULL && strchr(host, ':') != NULL;
    g_autofree char *port =
        g_uri_get_port(uri) > 0 ? g_strdup_printf(":%d", g_uri_get_port(uri)) : g_strdup("");
    g_autofree char *head =
        g_strdup_printf("GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nConnection: Upgrade\r\n"
                        "Upgrade: %s\r\nUser-Agent: globule/" GLOBULE_VERSION "\r\n\r\n",
                        path, bracket ? "[" : "", host, bracket ? "]" : "", port, protocol);
    return wire_stream_write(stream, head, strlen(head)) ||
           unreachable(error, client, "it was closed");
}

/* Reads the head of the answer; what came behind it is kept. NULL: none came. (owned) */
static char *read_head(WireStream *stream)
{
    g_autoptr(GString) head = g_string_new(NULL);
    char block[1024];
    while (head->len < HEAD_BYTES) {
        const char *end = strstr(head->str, "\r\n\r\n");
        if (end != NULL) {
            gsize length = (gsize)(end - head->str) + 4;
            g_string_append_len(stream->early, head->str + length, (gssize)(head->len - length));
            return g_strndup(head->str, length);
        }
        gsize count = 0;
        CURLcode code = curl_easy_recv(stream->curl, block, sizeof block, &count);
        if (code == CURLE_AGAIN && wait_for(stream->fd, POLLIN))
            continue;
        if (code != CURLE_OK || count == 0)
            return NULL;
        g_string_append_len(head, block, (gssize)count);
    }
    return NULL;
}

/* The server says in its body why not. */
static gboolean refused(WireStream *stream, const char *head, GError **error)
{
    const char *length = strcasestr(head, "\r\nContent-Length:");
    gsize wanted =
        length != NULL ? g_ascii_strtoull(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    char block[1024];
    while (stream->early->len < MIN(wanted, HEAD_BYTES)) {
        gsize count = 0;
        CURLcode code = curl_easy_recv(stream->curl, block, sizeof block, &count);
        if (code == CURLE_AGAIN && wait_for(stream->fd, POLLIN))
            continue;
        if (code != CURLE_OK || count == 0)
            break;
        g_string_append_len(stream->early, block, (gssize)count);
    }
    g_autofree char *line = g_strndup(head, strcspn(head, "\r\n"));
    g_autofree char *body = g_utf8_make_valid(stream->early->str, (gssize)stream->early->len);
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "the server answered \"%s\": %s", line,
                g_strstrip(body));
    return FALSE;
}

WireStream *wire_stream_open(WireClient *client, const char *path, const char *protocol,
                             GError **error)
{
    g_autoptr(WireStream) stream = g_new0(WireStream, 1);
    stream->fd = -1;
    stream->early = g_string_new(NULL);
    if (!connect_to(stream, client, error) || !send_request(stream, client, path, protocol, error))
        return NULL;
    g_autofree char *head = read_head(stream);
    if (head == NULL)
        (void)unreachable(error, client, "no answer came");
    else if (g_str_has_prefix(head, "HTTP/1.1 101"))
        return g_steal_pointer(&stream);
    else
        (void)refused(stream, head, error);
    return NULL;
}
