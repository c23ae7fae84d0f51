/*
 * A guest's serial console on offer to oned: a Unix socket in oned's state directory, which
 * only its user can reach, for one peer and for a short time. After that bytes go both ways
 * as they are, until either side ends.
 */
#pragma once

#include <glib.h>

/* How long an offer waits for its peer, in seconds. */
#define CONSOLE_OFFER_SECONDS 30

typedef struct ConsoleOffer {
    int listening;
    int directory; /* of the socket; an O_PATH descriptor */
    char *name;    /* of the socket there */
} ConsoleOffer;

/* Makes the socket; *path (owned) is what oned is told, in base64. NULL with the reason. (owned) */
ConsoleOffer *console_offer(gint64 vid, char **path, GError **error);
/* The peer, or -1 when none came in time. The socket is gone afterwards. */
int console_accept(ConsoleOffer *offer);
void console_offer_free(ConsoleOffer *offer); /* NULL is fine */
/* Writes all of it. FALSE: the peer is gone, or has taken nothing for long. */
gboolean console_write(int peer, const char *bytes, gsize count);
