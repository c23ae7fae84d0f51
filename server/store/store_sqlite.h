/*
 * The embedded store: SQLite in WAL mode with synchronous=FULL, one connection in a
 * thread of its own. Batches that wait together share one transaction, and so one
 * fdatasync; a second thread moves the WAL into the database without holding up commits.
 * See server/core/store.h for the interface and server/store/schema for the tables.
 */
#pragma once

#include "server/core/store.h"
#include "server/store/history.h"

/* Opens or makes the database (mode 0600), upgrades it in one transaction, refuses one
 * written by a newer version. `tables` ends with NULL: each is compared with the database's own
 * columns. A WAL left by kill -9 is recovered. Only one oned may have a database open: the lock
 * beside it, `path`.lock, is the kernel's and goes with the process, so none is ever stale.
 * A batch for which the disk has no room waits some minutes for it. An error told to StoreDone is
 * final: every later batch gets it too. (owned) */
Store *store_sqlite_open(const char *path, const StoreTable *const *tables, GError **error);
/* The same for those who only look, such as `oned --check`: also beside a running oned; no
 * upgrade, and a commit fails. (owned) */
Store *store_sqlite_open_read(const char *path, const StoreTable *const *tables, GError **error);
/* Consistent copy of the database at `path` into a new file (mode 0600), also while oned runs.
 * The copy appears under its name when it is complete and on disk. */
gboolean store_sqlite_backup(const char *path, const char *copy, GError **error);
/* SQLite's own integrity check. Returns FALSE with what is wrong. */
gboolean store_sqlite_verify(const char *path, GError **error);
/* The newest version of the schema that this program knows. */
gint store_sqlite_version(void);

/* How the store did. */
typedef struct StoreFigures {
    guint64 batches, transactions, rows, checkpoints;
    guint wal_pages; /* in the WAL after the last commit */
} StoreFigures;
StoreFigures store_sqlite_figures(Store *store);
