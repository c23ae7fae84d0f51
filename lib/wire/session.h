/*
 * Where a client finds the server and who it is: environment, then the files that
 * OpenNebula's own clients read. Used by lib/wire/client.c alone.
 */
#pragma once

#include <glib.h>

/* ONE_XMLRPC, ~/.one/one_endpoint, /var/lib/one/.one/one_endpoint,
 * http://localhost:2633/RPC2. (owned) */
char *wire_find_endpoint(void);

/* "user:secret", the first line of the file that ONE_AUTH names or of the usual
 * places. A login token's file has the same form, so ONE_AUTH may name one.
 * Error: ONE_ERROR_AUTHENTICATION, with every place that was tried. (owned) */
char *wire_find_session(GError **error);
