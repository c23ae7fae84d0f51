/*
 * What TLS_CERT and TLS_KEY hold, looked at before clients do: libmicrohttpd only says that it
 * refuses them.
 */
#pragma once

#include <glib.h>

/* The texts of both files, PEM; their names are for the errors (of ONE_ERROR), which say what is
 * wrong and what to do. A certificate that has ended, will within days, or has not begun is told as
 * a warning in the log: clients that do not verify it go on. */
gboolean certificate_check(const char *certificate_file, const char *certificate,
                           const char *key_file, const char *key, GError **error);
