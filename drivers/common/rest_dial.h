/*
 * Connections to a Unix socket of another computer: a socket here that only this process can use,
 * each connection to which is carried through ssh to a small relay there. (libcurl of Debian 12
 * cannot be given a socket that is connected already.)
 */
#pragma once

#include <glib.h>

typedef struct RestDial RestDial;

/* `paths` ("/one:/other") are tried in order. NULL with the error. (owned) */
RestDial *rest_dial_new(const char *host, const char *paths, GError **error);
/* What a script of /bin/sh prints there. NULL with the error. (owned) */
char *rest_dial_run(const char *host, const char *script, guint seconds, GError **error);
/* Ends it and what goes over it. */
void rest_dial_free(RestDial *dial); /* NULL is fine */
/* The abstract name of the socket here. (borrowed) */
const char *rest_dial_name(const RestDial *dial);
/* Why the latest connection ended, if ssh or the relay said; forgets it. NULL: not known. (owned)
 */
char *rest_dial_problem(RestDial *dial);
