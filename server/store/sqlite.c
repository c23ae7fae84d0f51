#include "server/store/sqlite.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* How long to wait for a lock that another program holds, such as an administrator's sqlite3. */
#define BUSY_MS 10000

gboolean sqlite_failed(sqlite3 *db, const char *what, GError **error)
{
    const char *path = sqlite3_db_filename(db, NULL);
    int code = sqlite3_extended_errcode(db);
    gboolean damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "Database %s: cannot %s: %s (SQLite %d%s%s)%s", path ? path : "?", what,
                sqlite3_errmsg(db), code, sqlite3_system_errno(db) ? ", " : "",
                sqlite3_system_errno(db) ? g_strerror(sqlite3_system_errno(db)) : "",
                damaged ? ". Put a backup in its place (`oned --backup FILE` makes them)" : "");
    return FALSE;
}

/* Made by us and not by SQLite, so that passwords are never readable by others. */
static gboolean make_private(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "Database %s cannot be opened: %s. Its directory must exist and belong to the "
                    "user that runs oned.",
                    path, g_strerror(errno));
        return FALSE;
    }
    close(fd);
    return TRUE;
}

sqlite3 *sqlite_open(const char *path, SqliteOpen how, GError **error)
{
    if (how == OPEN_MAKE && !make_private(path, error))
        return NULL;
    sqlite3 *db = NULL;
    int flags =
        SQLITE_OPEN_NOMUTEX | (how == OPEN_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Database %s cannot be opened: %s", path,
                    db ? sqlite3_errmsg(db) : "no memory");
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_extended_result_codes(db, 1);
    return db;
}

gboolean sqlite_run(sqlite3 *db, const char *sql, const char *what, GError **error)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return TRUE;
    return sqlite_failed(db, what, error);
}

sqlite3_stmt *sqlite_prepare(sqlite3 *db, const char *sql, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        g_autofree char *what = g_strdup_printf("prepare \"%s\"", sql);
        sqlite_failed(db, what, error);
    }
    return statement;
}

gboolean sqlite_number(sqlite3 *db, const char *sql, gint64 *number, GError **error)
{
    sqlite3_stmt *statement = sqlite_prepare(db, sql, error);
    if (!statement)
        return FALSE;
    gboolean found = sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *number = sqlite3_column_int64(statement, 0);
    else
        sqlite_failed(db, sql, error);
    sqlite3_finalize(statement);
    return found;
}
