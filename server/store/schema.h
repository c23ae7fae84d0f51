/*
 * The shape of the database: numbered files of server/store/schema, compiled in, each of
 * which brings a database from the version before it to its own (PRAGMA user_version).
 */
#pragma once

#include "server/core/store.h"
#include <sqlite3.h>

/* The newest version that this program knows. */
gint schema_version(void);
/* Brings an open database to that version, all steps in one transaction; refuses a newer one. */
gboolean schema_upgrade(sqlite3 *db, const char *path, GError **error);
/* Refuses a version that differs from this program's own; for those who only read. */
gboolean schema_check_version(sqlite3 *db, const char *path, GError **error);
/* Compares a descriptor with the columns and the key that the database has. */
gboolean schema_compare(sqlite3 *db, const StoreTable *table, GError **error);
