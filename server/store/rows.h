/*
 * Rows and statements: how writes become SQL, prepared once for each table, and how a
 * table is read. Used by the one thread that holds the connection at the time.
 */
#pragma once

#include "server/core/store.h"
#include <sqlite3.h>

typedef struct Rows Rows;

/* The connection stays the caller's and must outlive this. (owned) */
Rows *rows_new(sqlite3 *db);
void rows_free(Rows *rows);

/* Applies the writes in one transaction. Of several writes to one row only the last is done.
 * `writes` holds StoreWrite *. On failure nothing of it is in the database. `applied` is raised by
 * the number of rows touched. */
gboolean rows_commit(Rows *rows, GPtrArray *writes, guint64 *applied, GError **error);
/* Whether the last failure was for want of room: it can be tried again when there is some. */
gboolean rows_lacked_room(const Rows *rows);
/* Reads a table in the order of its key. See store.h. */
gboolean rows_load(sqlite3 *db, const StoreTable *table, StoreRow row, gpointer data,
                   GError **error);
