/*
 * Which names objects may have. The texts of the errors are those that OpenNebula's
 * clients know; their code is ONE_ERROR_INTERNAL, and callers that need another one
 * (a rename answers ONE_ERROR_ACTION) set it.
 */
#pragma once

#include <glib.h>

/* Longest name, in characters. */
#define NAME_LENGTH_MAX 128

/* Objects of any kind but the two below. NULL is an empty name. */
gboolean name_check(const char *name, GError **error);
/* Groups: no blanks either, since names of groups stand in lists. */
gboolean name_check_group(const char *name, GError **error);
/* Users: no blanks and no colon, since "user:password" is one word; the rest is theirs. */
gboolean name_check_user(const char *name, GError **error);
/* Passwords as given by a person: not empty, no blanks. */
gboolean name_check_password(const char *password, GError **error);
