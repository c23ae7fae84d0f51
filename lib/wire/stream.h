/*
 * A connection to the server that stops being HTTP: the line to a guest's console. It takes
 * the way of the client's calls: the same server, port, proxy and certificates.
 */
#pragma once

#include "lib/wire/client.h"

typedef struct WireStream WireStream;

/* Asks for GET <path> of the server to be upgraded to that protocol. `path` begins with "/".
 * Errors: ONE_ERROR_UNREACHABLE, and the server's own words as ONE_ERROR_ACTION. (owned) */
WireStream *wire_stream_open(WireClient *client, const char *path, const char *protocol,
                             GError **error);
void wire_stream_close(WireStream *stream); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireStream, wire_stream_close)

/* For poll(): readable when there may be something. */
int wire_stream_fd(const WireStream *stream);
/* Takes what is there: >0 bytes, 0 the other end closed, -1 nothing for now. */
gssize wire_stream_read(WireStream *stream, char *bytes, gsize room);
/* FALSE: the connection is gone. */
gboolean wire_stream_write(WireStream *stream, const char *bytes, gsize count);
