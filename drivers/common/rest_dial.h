/*
 * A connection to a Unix socket of another computer: one end of a socket pair, whose other end a
 * thread relays through ssh to a small relay there.
 */
#pragma once

#include <glib.h>

/* The descriptor, or -1 with the error. `paths` are tried in order. What goes wrong later ends
 * the stream; rest_dial_problem() tells why. */
int rest_dial(const char *host, const char *paths, GError **error);
/* Why the connection ended, if ssh or the relay said; forgets it. NULL: not known. (owned) */
char *rest_dial_problem(int descriptor);
/* Ends it. */
void rest_dial_close(int descriptor);
