/*
 * The embedded store: SQLite in WAL mode with synchronous=FULL, one connection in a
 * thread of its own. The schema is share/schema/sql: numbered files that bring a
 * database from one version to the next, compiled in. See server/core/store.h.
 */
#pragma once

#include "server/core/store.h"

/* Opens or makes the database, upgrades it in one transaction, refuses one written by a
 * newer version. `tables` ends with NULL: each is compared with the database's own columns.
 * A hot WAL left by kill -9 is recovered; a stale lock cannot stop the start. (owned) */
Store *store_sqlite_open(const char *path, const StoreTable *const *tables, GError **error);
/* Consistent copy of the database at `path` into a new file, also while oned runs. */
gboolean store_sqlite_backup(const char *path, const char *copy, GError **error);
/* SQLite's own integrity check. Returns FALSE with what is wrong. */
gboolean store_sqlite_verify(const char *path, GError **error);
/* The newest version of the schema that this program knows. */
gint store_sqlite_version(void);

/* Monitoring samples: a database of its own with relaxed durability (synchronous=OFF, WAL), bounded
 * by age. Thread of its own; a lost sample is no loss. */
typedef struct History History;
typedef enum { HISTORY_HOST = 0, HISTORY_VM = 1 } HistoryKind;
/* Samples older than keep_seconds are dropped; keep_seconds 0 keeps nothing. (owned) */
History *history_open(const char *path, gint64 keep_seconds, GError **error);
void history_close(History *history);
/* Adds a sample: ready XML text (a <MONITORING> element). Any thread, returns at once. */
void history_add(History *history, HistoryKind kind, gint32 id, gint64 time, const char *xml);
/* Forgets an object. */
void history_forget(History *history, HistoryKind kind, gint32 id);
/* Reads samples of these ids (NULL: all) with time >= since, ordered by id and time, and joins them.
 * Called in a worker thread, never in the core. (owned, never NULL) */
GString *history_read(History *history, HistoryKind kind, const gint32 *ids, guint count,
                      gint64 since);
/* Only the newest sample of each. */
GString *history_read_last(History *history, HistoryKind kind, const gint32 *ids, guint count);
