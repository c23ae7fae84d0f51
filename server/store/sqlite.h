/*
 * The few things that all parts of server/store do with SQLite: open, run, prepare, and
 * say what went wrong. Errors are of domain ONE_ERROR, code ONE_ERROR_INTERNAL.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

typedef enum {
    OPEN_MAKE,  /* read and write; made, mode 0600, when it is not there */
    OPEN_WRITE, /* read and write; must be there */
    OPEN_READ,
} SqliteOpen;

/* Opens without a mutex: a connection belongs to one thread, or to one lock. (owned; sqlite3_close)
 */
sqlite3 *sqlite_open(const char *path, SqliteOpen how, GError **error);
/* Fills the error from what SQLite says of the connection; always FALSE. */
gboolean sqlite_failed(sqlite3 *db, const char *what, GError **error);
/* Runs statements that give no rows (rows are passed over). `what` is for the error. */
gboolean sqlite_run(sqlite3 *db, const char *sql, const char *what, GError **error);
/* A statement, or NULL with the error set. (owned; sqlite3_finalize) */
sqlite3_stmt *sqlite_prepare(sqlite3 *db, const char *sql, GError **error);
/* The one number that a query gives. */
gboolean sqlite_number(sqlite3 *db, const char *sql, gint64 *number, GError **error);
