#include "server/store/history_db.h"
#include "server/store/sqlite.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VERSION 1
/* Up to so many objects are looked up one by one; more are found by reading everything. */
#define FEW_IDS 20

typedef enum { PUT, PUT_LATEST, FORGET, LATEST, LATEST_ALL, ONE, MINUTE, ALL, STATEMENTS } Which;

static const char *const sql[STATEMENTS] = {
    [PUT] =
        "INSERT OR REPLACE INTO sample (minute, kind, id, time, xml) VALUES (?4/60,?1,?2,?4,?3)",
    [PUT_LATEST] = "INSERT INTO latest (kind, id, time) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) "
                   "DO UPDATE SET time = excluded.time WHERE excluded.time > time",
    [FORGET] = "DELETE FROM latest WHERE kind = ?1 AND id = ?2",
    [LATEST] = "SELECT id, time FROM latest WHERE kind = ?1 AND id = ?2",
    [LATEST_ALL] = "SELECT id, time FROM latest WHERE kind = ?1 ORDER BY id",
    [ONE] = "SELECT xml FROM sample WHERE minute = ?3/60 AND kind = ?1 AND id = ?2 AND time = ?3",
    [MINUTE] = "SELECT xml FROM sample WHERE minute = ?3 AND kind = ?1 AND id = ?2 AND time >= ?4 "
               "ORDER BY time",
    [ALL] = "SELECT id, xml FROM sample WHERE minute >= ?2/60 AND kind = ?1 AND time >= ?2 "
            "ORDER BY minute, kind, id, time",
};

struct HistoryDb {
    sqlite3 *db;
    gboolean damaged;
    sqlite3_stmt *statements[STATEMENTS];
};

static gboolean prepare_all(HistoryDb *db, GError **error)
{
    for (guint i = 0; i < STATEMENTS; i++) {
        if (!(db->statements[i] = sqlite_prepare(db->db, sql[i], error)))
            return FALSE;
    }
    return TRUE;
}

/* Pages of 8 KiB: a sample longer than a quarter of a page would need pages of its own. */
static gboolean make_tables(sqlite3 *db, GError **error)
{
    gint64 version = 0;
    if (!sqlite_run(db,
                    "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; "
                    "PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 16777216",
                    "set up", error) ||
        !sqlite_number(db, "PRAGMA user_version", &version, error))
        return FALSE;
    if (version == VERSION)
        return TRUE;
    return sqlite_run(
        db,
        "BEGIN IMMEDIATE; DROP TABLE IF EXISTS sample; DROP TABLE IF EXISTS latest;"
        "CREATE TABLE sample (minute INTEGER NOT NULL, kind INTEGER NOT NULL, id INTEGER NOT NULL,"
        " time INTEGER NOT NULL, xml TEXT NOT NULL, PRIMARY KEY (minute, kind, id, time))"
        " STRICT, WITHOUT ROWID;"
        "CREATE TABLE latest (kind INTEGER NOT NULL, id INTEGER NOT NULL, time INTEGER NOT NULL,"
        " PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;"
        "PRAGMA user_version = " G_STRINGIFY(VERSION) "; COMMIT",
        "make the tables", error);
}

HistoryDb *history_db_open(const char *path, GError **error)
{
    HistoryDb *db = g_new0(HistoryDb, 1);
    db->db = sqlite_open(path, OPEN_MAKE, error);
    if (db->db && make_tables(db->db, error) && prepare_all(db, error))
        return db;
    history_db_close(db);
    return NULL;
}

void history_db_close(HistoryDb *db)
{
    if (!db)
        return;
    for (guint i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->db);
    g_free(db);
}

void history_db_put_aside(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *from = g_strconcat(path, ends[i], NULL);
        g_autofree char *to = g_strconcat(path, ".damaged", ends[i], NULL);
        unlink(to);
        if (rename(from, to) == -1)
            unlink(from);
    }
}

gboolean history_db_is_damaged(const HistoryDb *db)
{
    return db->damaged;
}

/* ---- writing ---- */

static gboolean step(HistoryDb *db, Which which, GError **error)
{
    gboolean done = sqlite3_step(db->statements[which]) == SQLITE_DONE;
    if (!done)
        sqlite_failed(db->db, "write a sample", error);
    sqlite3_reset(db->statements[which]);
    return done;
}

static void bind_object(sqlite3_stmt *statement, HistoryKind kind, gint32 id)
{
    sqlite3_bind_int(statement, 1, kind);
    sqlite3_bind_int(statement, 2, id);
}

static gboolean write_entry(HistoryDb *db, const HistoryEntry *entry, GError **error)
{
    if (!entry->xml[0]) {
        bind_object(db->statements[FORGET], entry->kind, entry->id);
        return step(db, FORGET, error);
    }
    bind_object(db->statements[PUT], entry->kind, entry->id);
    sqlite3_bind_text(db->statements[PUT], 3, entry->xml, -1, SQLITE_STATIC);
    sqlite3_bind_int64(db->statements[PUT], 4, entry->time);
    bind_object(db->statements[PUT_LATEST], entry->kind, entry->id);
    sqlite3_bind_int64(db->statements[PUT_LATEST], 3, entry->time);
    return step(db, PUT, error) && step(db, PUT_LATEST, error);
}

gboolean history_db_write(HistoryDb *db, GPtrArray *entries, GError **error)
{
    gboolean done = sqlite_run(db->db, "BEGIN IMMEDIATE", "begin", error);
    for (guint i = 0; done && i < entries->len; i++)
        done = write_entry(db, entries->pdata[i], error);
    done = done && sqlite_run(db->db, "COMMIT", "commit", error);
    if (done)
        return TRUE;
    int code = sqlite3_errcode(db->db) & 0xff; /* without what extends it */
    db->damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    if (!sqlite3_get_autocommit(db->db))
        sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
    return FALSE;
}

static gboolean used_bytes(HistoryDb *db, gint64 *bytes, GError **error)
{
    gint64 pages = 0, unused = 0, size = 0;
    if (!sqlite_number(db->db, "PRAGMA page_count", &pages, error) ||
        !sqlite_number(db->db, "PRAGMA freelist_count", &unused, error) ||
        !sqlite_number(db->db, "PRAGMA page_size", &size, error))
        return FALSE;
    *bytes = (pages - unused) * size;
    return TRUE;
}

/* A minute a transaction: readers and the WAL never see a large one. */
static gboolean drop_minute(HistoryDb *db, gint64 minute, GError **error)
{
    g_autofree char *text =
        g_strdup_printf("DELETE FROM sample WHERE minute = %" G_GINT64_FORMAT, minute);
    return sqlite_run(db->db, text, "drop old samples", error);
}

gboolean history_db_expire(HistoryDb *db, gint64 oldest, gint64 bytes, GError **error)
{
    gint64 minute, used, dropped = -1;
    while (TRUE) {
        if (!sqlite_number(db->db, "SELECT coalesce(min(minute), -1) FROM sample", &minute,
                           error) ||
            !used_bytes(db, &used, error))
            return FALSE;
        if (minute == -1 || ((minute + 1) * 60 > oldest && used <= bytes))
            break;
        if (!drop_minute(db, minute, error))
            return FALSE;
        dropped = minute;
    }
    if (dropped == -1)
        return TRUE;
    g_autofree char *text =
        g_strdup_printf("DELETE FROM latest WHERE time < %" G_GINT64_FORMAT, (dropped + 1) * 60);
    return sqlite_run(db->db, text, "drop old objects", error);
}

/* ---- reading ---- */

static int compare_ids(const void *left, const void *right)
{
    gint32 a = *(const gint32 *)left, b = *(const gint32 *)right;
    return (a > b) - (a < b);
}

typedef struct Known {
    gint32 id;
    gint64 time; /* of the newest sample */
    GString *text;
} Known;

static void known_clear(gpointer pointer)
{
    Known *known = pointer;
    if (known->text)
        g_string_free(known->text, TRUE);
}

static gboolean add_known(HistoryDb *db, Which which, GArray *known, GError **error)
{
    sqlite3_stmt *statement = db->statements[which];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        Known one = {.id = sqlite3_column_int(statement, 0),
                     .time = sqlite3_column_int64(statement, 1)};
        g_array_append_val(known, one);
    }
    gboolean done = code == SQLITE_DONE || sqlite_failed(db->db, "read samples", error);
    sqlite3_reset(statement);
    return done;
}

/* The objects asked for that have samples and are not forgotten, by id. */
static gboolean find_known(HistoryDb *db, const HistoryQuery *query, GArray *known, GError **error)
{
    if (!query->ids) {
        sqlite3_bind_int(db->statements[LATEST_ALL], 1, query->kind);
        return add_known(db, LATEST_ALL, known, error);
    }
    g_autofree gint32 *ids = g_memdup2(query->ids, query->count * sizeof *ids);
    if (query->count)
        qsort(ids, query->count, sizeof *ids, compare_ids);
    for (guint i = 0; i < query->count; i++) {
        if (i && ids[i] == ids[i - 1])
            continue;
        bind_object(db->statements[LATEST], query->kind, ids[i]);
        if (!add_known(db, LATEST, known, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean append_samples(HistoryDb *db, Which which, GString *out, GError **error)
{
    sqlite3_stmt *statement = db->statements[which];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        g_string_append_len(out, (const char *)sqlite3_column_text(statement, 0),
                            sqlite3_column_bytes(statement, 0));
    gboolean done = code == SQLITE_DONE || sqlite_failed(db->db, "read samples", error);
    sqlite3_reset(statement);
    return done;
}

static gboolean read_last(HistoryDb *db, const HistoryQuery *query, GArray *known, GString *out,
                          GError **error)
{
    for (guint i = 0; i < known->len; i++) {
        const Known *one = &g_array_index(known, Known, i);
        bind_object(db->statements[ONE], query->kind, one->id);
        sqlite3_bind_int64(db->statements[ONE], 3, one->time);
        if (!append_samples(db, ONE, out, error))
            return FALSE;
    }
    return TRUE;
}

/* Minute by minute: each is one look by key. */
static gboolean read_few(HistoryDb *db, const HistoryQuery *query, GArray *known, GString *out,
                         GError **error)
{
    gint64 first = 0;
    if (!sqlite_number(db->db, "SELECT coalesce(min(minute), 0) FROM sample", &first, error))
        return FALSE;
    first = MAX(first, query->since / 60);
    for (guint i = 0; i < known->len; i++) {
        const Known *one = &g_array_index(known, Known, i);
        sqlite3_stmt *statement = db->statements[MINUTE];
        bind_object(statement, query->kind, one->id);
        sqlite3_bind_int64(statement, 4, query->since);
        for (gint64 minute = first; minute <= one->time / 60; minute++) {
            sqlite3_bind_int64(statement, 3, minute);
            if (!append_samples(db, MINUTE, out, error))
                return FALSE;
        }
    }
    return TRUE;
}

static Known *find_id(GArray *known, gint32 id)
{
    guint low = 0, high = known->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        Known *one = &g_array_index(known, Known, middle);
        if (one->id == id)
            return one;
        if (one->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* One pass in the order of time, dealt out to the objects. */
static gboolean read_many(HistoryDb *db, const HistoryQuery *query, GArray *known, GString *out,
                          GError **error)
{
    sqlite3_stmt *statement = db->statements[ALL];
    sqlite3_bind_int(statement, 1, query->kind);
    sqlite3_bind_int64(statement, 2, query->since);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        Known *one = find_id(known, sqlite3_column_int(statement, 0));
        if (!one)
            continue;
        if (!one->text)
            one->text = g_string_new(NULL);
        g_string_append_len(one->text, (const char *)sqlite3_column_text(statement, 1),
                            sqlite3_column_bytes(statement, 1));
    }
    gboolean done = code == SQLITE_DONE || sqlite_failed(db->db, "read samples", error);
    sqlite3_reset(statement);
    for (guint i = 0; done && i < known->len; i++) {
        const Known *one = &g_array_index(known, Known, i);
        if (one->text)
            g_string_append_len(out, one->text->str, one->text->len);
    }
    return done;
}

gboolean history_db_read(HistoryDb *db, const HistoryQuery *query, GString *out, GError **error)
{
    g_autoptr(GArray) known = g_array_new(FALSE, TRUE, sizeof(Known));
    g_array_set_clear_func(known, known_clear);
    if (!find_known(db, query, known, error))
        return FALSE;
    if (query->last)
        return read_last(db, query, known, out, error);
    if (known->len <= FEW_IDS)
        return read_few(db, query, known, out, error);
    return read_many(db, query, known, out, error);
}
