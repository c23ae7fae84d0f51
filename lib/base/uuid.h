/*
 * UUIDs. Those that the server gives tell machines apart, and are no secret.
 */
#pragma once

#include <glib.h>

/* A random one (version 4 of RFC 4122) in its usual form, of 36 characters. Every new machine gets
 * one, so this is not g_uuid_string_random(), which takes ten times as long to print the same.
 * (owned) */
char *uuid_random(void);
