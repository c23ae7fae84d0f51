/*
 * A connection to a container daemon that was asked to speak another protocol than HTTP: bytes as
 * they are (Docker), or messages of WebSocket (RFC 6455; LXD). One thread at a time uses it.
 */
#pragma once

#include <glib.h>

typedef struct RestStream RestStream;

/* Asks for it: `method` "GET" or "POST" with a JSON `body` (NULL: none), `protocol` "websocket" or
 * "tcp". NULL with the error. (owned) */
RestStream *rest_stream_open(const char *host, const char *method, const char *path,
                             const char *body, const char *protocol, GError **error);
void rest_stream_free(RestStream *stream); /* NULL is fine */
/* For poll(). What was read already is only to be had by reading until nothing is left. */
int rest_stream_fd(const RestStream *stream);

/* What is there: its length, 0 when nothing is for now, -1 when it has ended. */
gssize rest_stream_read(RestStream *stream, char *room, gsize size);
/* Waits until all is sent, at most a minute for a piece. FALSE: it has ended. */
gboolean rest_stream_write(RestStream *stream, const char *bytes, gsize count);
/* Waits until there is something to read, at most that long. */
void rest_stream_wait(RestStream *stream, guint milliseconds);

/* ---- WebSocket ---- */

/* A message may have so many bytes. */
#define SOCKET_BYTES ((gsize)4 << 20)

typedef enum {
    SOCKET_MORE = 0x0,
    SOCKET_TEXT = 0x1,
    SOCKET_BINARY = 0x2,
    SOCKET_CLOSE = 0x8,
    SOCKET_PING = 0x9,
    SOCKET_PONG = 0xa,
} SocketKind;

/* One frame at the beginning of `bytes`: its length, 0 when not all of it is there, -1 when it is
 * none that a server may send. */
gssize socket_parse(const guint8 *bytes, gsize count, SocketKind *kind, gboolean *last,
                    const guint8 **payload, gsize *length);
/* A frame as clients send it, masked. (owned) */
GByteArray *socket_frame(SocketKind kind, const char *bytes, gsize count);

/* The next message, NULL when none is complete yet, or *ended. Questions whether we are there are
 * answered on the way. (owned) */
GString *rest_stream_message(RestStream *stream, gboolean *ended);
gboolean rest_stream_send(RestStream *stream, SocketKind kind, const char *bytes, gsize count);
