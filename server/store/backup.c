#include "lib/base/error.h"
#include "server/store/sqlite.h"
#include "server/store/store_sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static gboolean failed(const char *what, const char *name, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Cannot %s %s: %s", what, name,
                g_strerror(errno));
    return FALSE;
}

/* An empty file that only its owner may read; SQLite fills it. */
static gboolean make_empty(const char *name, GError **error)
{
    int file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file == -1)
        return failed("make", name, error);
    close(file);
    return TRUE;
}

static gboolean sync_to_disk(const char *name, GError **error)
{
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file == -1)
        return failed("open", name, error);
    gboolean done = fsync(file) == 0 || failed("sync", name, error);
    close(file);
    return done;
}

/* Reads one moment of the database, as all readers of a WAL do; writers go on meanwhile. */
static gboolean vacuum_into(const char *path, const char *part, GError **error)
{
    sqlite3 *db = sqlite_open(path, OPEN_WRITE, error);
    if (!db)
        return FALSE;
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", part);
    gboolean done = sqlite_run(db, sql, "copy", error);
    sqlite3_free(sql);
    sqlite3_close(db);
    return done;
}

gboolean store_sqlite_backup(const char *path, const char *copy, GError **error)
{
    if (g_file_test(copy, G_FILE_TEST_EXISTS)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s exists already: a backup overwrites nothing, give another name", copy);
        return FALSE;
    }
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "There is no database %s", path);
        return FALSE;
    }
    g_autofree char *part = g_strconcat(copy, ".part", NULL);
    g_autofree char *directory = g_path_get_dirname(copy);
    gboolean done = make_empty(part, error) && vacuum_into(path, part, error) &&
                    sync_to_disk(part, error) &&
                    (rename(part, copy) == 0 || failed("rename to", copy, error)) &&
                    sync_to_disk(directory, error);
    if (!done)
        unlink(part);
    return done;
}

gboolean store_sqlite_verify(const char *path, GError **error)
{
    sqlite3 *db = sqlite_open(path, OPEN_READ, error);
    if (!db)
        return FALSE;
    sqlite3_stmt *statement = sqlite_prepare(db, "PRAGMA integrity_check(10)", error);
    g_autoptr(GString) wrong = g_string_new(NULL);
    int code = SQLITE_OK;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(statement, 0);
        if (!g_str_equal(line, "ok"))
            g_string_append_printf(wrong, "%s%s", wrong->len ? "; " : "", line);
    }
    gboolean sound = statement && wrong->len == 0;
    if (sound && code != SQLITE_DONE)
        sound = sqlite_failed(db, "verify", error);
    else if (wrong->len)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "Database %s is damaged: %s. Restore a backup.", path, wrong->str);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return sound;
}
