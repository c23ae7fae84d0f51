/*
 * Questions of administrators to the database file, in SQL: read only, on a connection of their
 * own, with limits of time and size. For any thread.
 */
#pragma once

#include <glib.h>

/* "<ROW><column><![CDATA[value]]></column>...</ROW>..." of one SELECT; a value that begins as XML
 * does is <column64>, in base64; columns that are NULL are left out. NULL with an error of
 * ONE_ERROR_ACTION. (owned) */
GString *store_query(const char *path, const char *sql, GError **error);
