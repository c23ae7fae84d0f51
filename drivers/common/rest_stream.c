#include "drivers/common/rest_stream.h"

#include "drivers/common/rest.h"
#include "lib/base/error.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

#define HEAD_BYTES    16384
#define HEAD_SECONDS  30
#define STALL_SECONDS 60

struct RestStream {
    RestLink *link;
    CURL *curl;
    int fd;
    GString *early;       /* came behind the head of the answer */
    GByteArray *incoming; /* frames of WebSocket that are not complete */
    GString *message;     /* parts of one message so far */
};

void rest_stream_free(RestStream *stream)
{
    if (!stream)
        return;
    rest_link_free(stream->link);
    g_string_free(stream->early, TRUE);
    g_byte_array_unref(stream->incoming);
    g_string_free(stream->message, TRUE);
    g_free(stream);
}

int rest_stream_fd(const RestStream *stream)
{
    return stream->fd;
}

/* ---- bytes ---- */

static gboolean wait_for(int fd, short events, int milliseconds)
{
    struct pollfd wait = {fd, events, 0};
    int ready;
    do
        ready = poll(&wait, 1, milliseconds);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

gssize rest_stream_read(RestStream *stream, char *room, gsize size)
{
    gsize count = MIN(size, stream->early->len);
    if (count > 0) {
        memcpy(room, stream->early->str, count);
        g_string_erase(stream->early, 0, (gssize)count);
        return (gssize)count;
    }
    CURLcode code = curl_easy_recv(stream->curl, room, size, &count);
    if (code == CURLE_AGAIN)
        return 0;
    return code == CURLE_OK && count > 0 ? (gssize)count : -1;
}

gboolean rest_stream_write(RestStream *stream, const char *bytes, gsize count)
{
    while (count > 0) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(stream->curl, bytes, count, &sent);
        if (code == CURLE_AGAIN && wait_for(stream->fd, POLLOUT, STALL_SECONDS * 1000))
            continue;
        if (code != CURLE_OK)
            return FALSE;
        bytes += sent;
        count -= sent;
    }
    return TRUE;
}

void rest_stream_wait(RestStream *stream, guint milliseconds)
{
    if (stream->early->len == 0)
        (void)wait_for(stream->fd, POLLIN, (int)milliseconds);
}

/* ---- opening ---- */

/* Reads the head of the answer; what came behind it is kept. NULL: none came. (owned) */
static char *read_head(RestStream *stream)
{
    gint64 until = g_get_monotonic_time() + HEAD_SECONDS * G_TIME_SPAN_SECOND;
    g_autoptr(GString) head = g_string_new(NULL);
    char block[1024];
    while (head->len < HEAD_BYTES && g_get_monotonic_time() < until) {
        const char *end = strstr(head->str, "\r\n\r\n");
        if (end) {
            gsize length = (gsize)(end - head->str) + 4;
            g_string_append_len(stream->early, head->str + length, (gssize)(head->len - length));
            return g_strndup(head->str, length);
        }
        gsize count = 0;
        CURLcode code = curl_easy_recv(stream->curl, block, sizeof block, &count);
        if (code == CURLE_AGAIN && wait_for(stream->fd, POLLIN, HEAD_SECONDS * 1000))
            continue;
        if (code != CURLE_OK || count == 0)
            return NULL;
        g_string_append_len(head, block, (gssize)count);
    }
    return NULL;
}

/* The service's own words about why not. */
static char *reason_of(RestStream *stream, const char *head)
{
    const char *line = strchr(head, ' ');
    g_autofree char *status = line ? g_strndup(line + 1, strcspn(line + 1, "\r\n")) : NULL;
    g_autofree char *body = g_strndup(stream->early->str, 300);
    g_strdelimit(body, "\r\n", ' ');
    return g_strdup_printf("%s %s", status ? status : "no status", g_strstrip(body));
}

static gboolean upgrade(RestStream *stream, const char *host, const char *method, const char *path,
                        const char *body, const char *protocol, GError **error)
{
    g_autoptr(GString) head = g_string_new(NULL);
    g_string_printf(head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n", method,
                    path);
    g_string_append_printf(head, "Upgrade: %s\r\nUser-Agent: Globule/" GLOBULE_VERSION "\r\n",
                           protocol);
    if (g_str_equal(protocol, "websocket"))
        g_string_append(head, "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: Z2xvYnVsZS1nbG9idWxlLQ==\r\n");
    g_string_append_printf(
        head, "Content-Type: application/json\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
        body ? strlen(body) : 0, body ? body : "");
    g_autofree char *answer =
        rest_stream_write(stream, head->str, head->len) ? read_head(stream) : NULL;
    if (!answer)
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "host %s: %s closed the connection, or did not answer", host, rest_daemon());
    else if (g_str_has_prefix(answer, "HTTP/1.1 101 ") ||
             (g_str_equal(protocol, "tcp") && g_str_has_prefix(answer, "HTTP/1.1 200 ")))
        return TRUE;
    else {
        g_autofree char *reason = reason_of(stream, answer);
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "host %s: %s says: %s", host, rest_daemon(),
                    reason);
    }
    return FALSE;
}

RestStream *rest_stream_open(const char *host, const char *method, const char *path,
                             const char *body, const char *protocol, GError **error)
{
    RestLink *link = rest_link_new(host, error);
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (!link)
        return NULL;
    g_autofree char *url = rest_link_url(link, "/");
    CURL *curl = rest_link_curl(link);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        (void)rest_link_error(link, code, error);
        rest_link_free(link);
        return NULL;
    }
    curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
    RestStream *stream = g_new0(RestStream, 1);
    *stream =
        (RestStream){link, curl, fd, g_string_new(NULL), g_byte_array_new(), g_string_new(NULL)};
    if (upgrade(stream, host, method, path, body, protocol, error))
        return stream;
    rest_stream_free(stream);
    return NULL;
}

/* ---- WebSocket ---- */

gssize socket_parse(const guint8 *bytes, gsize count, SocketKind *kind, gboolean *last,
                    const guint8 **payload, gsize *length)
{
    if (count < 2)
        return 0;
    guint64 size = bytes[1] & 0x7f;
    gsize head = size == 127 ? 10 : size == 126 ? 4 : 2;
    /* Reserved bits, or a mask, which servers do not use. */
    if ((bytes[0] & 0x70) || (bytes[1] & 0x80))
        return -1;
    if (count < head)
        return 0;
    if (head > 2) {
        size = 0;
        for (gsize i = 2; i < head; i++)
            size = size << 8 | bytes[i];
    }
    if (size > SOCKET_BYTES)
        return -1;
    if (count - head < size)
        return 0;
    *kind = bytes[0] & 0x0f;
    *last = (bytes[0] & 0x80) != 0;
    *payload = bytes + head;
    *length = (gsize)size;
    return (gssize)(head + size);
}

GByteArray *socket_frame(SocketKind kind, const char *bytes, gsize count)
{
    GByteArray *frame = g_byte_array_new();
    guint8 head[14] = {(guint8)(0x80 | kind), 0x80};
    guint length = 2;
    guint32 mask = g_random_int();
    if (count < 126) {
        head[1] |= (guint8)count;
    } else {
        guint wide = count < 65536 ? 2 : 8;
        head[1] |= wide == 2 ? 126 : 127;
        for (guint i = 0; i < wide; i++)
            head[length++] = (guint8)((guint64)count >> (8 * (wide - 1 - i)));
    }
    memcpy(head + length, &mask, sizeof mask);
    const guint8 *key = head + length;
    g_byte_array_append(frame, head, length + (guint)sizeof mask);
    for (gsize i = 0; i < count; i++) {
        guint8 byte = (guint8)bytes[i] ^ key[i % 4];
        g_byte_array_append(frame, &byte, 1);
    }
    return frame;
}

gboolean rest_stream_send(RestStream *stream, SocketKind kind, const char *bytes, gsize count)
{
    g_autoptr(GByteArray) frame = socket_frame(kind, bytes, count);
    return rest_stream_write(stream, (const char *)frame->data, frame->len);
}

/* TRUE: a whole message is in `message`. */
static gboolean take_frame(RestStream *stream, SocketKind kind, gboolean last,
                           const guint8 *payload, gsize length, gboolean *ended)
{
    if (kind == SOCKET_PING)
        *ended = !rest_stream_send(stream, SOCKET_PONG, (const char *)payload, length);
    if (kind == SOCKET_CLOSE)
        *ended = TRUE;
    if (kind > SOCKET_BINARY)
        return FALSE;
    *ended = stream->message->len + length > SOCKET_BYTES;
    if (!*ended)
        g_string_append_len(stream->message, (const char *)payload, (gssize)length);
    return last && !*ended;
}

GString *rest_stream_message(RestStream *stream, gboolean *ended)
{
    char block[16384];
    *ended = FALSE;
    while (!*ended) {
        SocketKind kind;
        gboolean last;
        const guint8 *payload;
        gsize length;
        gssize used = socket_parse(stream->incoming->data, stream->incoming->len, &kind, &last,
                                   &payload, &length);
        if (used > 0) {
            gboolean whole = take_frame(stream, kind, last, payload, length, ended);
            g_byte_array_remove_range(stream->incoming, 0, (guint)used);
            if (whole) {
                GString *message = stream->message;
                stream->message = g_string_new(NULL);
                return message;
            }
            continue;
        }
        gssize count = used < 0 ? -1 : rest_stream_read(stream, block, sizeof block);
        if (count == 0)
            return NULL;
        *ended = count < 0;
        if (count > 0)
            g_byte_array_append(stream->incoming, (const guint8 *)block, (guint)count);
    }
    return NULL;
}
