/*
 * The JSON route, POST /api/<method>: what its requests have beside those of XML-RPC. The coding
 * itself is server/rpc/json.h.
 */
#pragma once

#include <glib.h>

#define API_PREFIX "/api/"
#define API_TYPE   "application/json"

/* The method that a path names, or NULL: it is another path, or no such name can be. (owned) */
char *api_method(const char *path);
/* "user:password" of an Authorization header, or NULL: it is missing or not of the kind Basic.
 * (owned) */
char *api_session(const char *authorization);
