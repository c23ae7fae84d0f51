#include "server/store/rows.h"
#include "lib/base/error.h"
#include "server/store/sqlite.h"
#include <errno.h>

struct Rows {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit;
    GHashTable *puts, *deletes; /* StoreTable -> sqlite3_stmt */
    gboolean lacked_room;
};

static void finalize(gpointer statement)
{
    sqlite3_finalize(statement);
}

Rows *rows_new(sqlite3 *db)
{
    Rows *rows = g_new0(Rows, 1);
    rows->db = db;
    rows->puts = g_hash_table_new_full(NULL, NULL, NULL, finalize);
    rows->deletes = g_hash_table_new_full(NULL, NULL, NULL, finalize);
    return rows;
}

void rows_free(Rows *rows)
{
    if (!rows)
        return;
    g_hash_table_unref(rows->puts);
    g_hash_table_unref(rows->deletes);
    sqlite3_finalize(rows->begin);
    sqlite3_finalize(rows->commit);
    g_free(rows);
}

static void append_names(GString *sql, const StoreTable *table, guint count, const char *separator,
                         const char *after)
{
    for (guint i = 0; i < count; i++)
        g_string_append_printf(sql, "%s\"%s\"%s", i ? separator : "", table->columns[i].name,
                               after);
}

static char *put_sql(const StoreTable *table)
{
    guint count = store_table_columns(table);
    GString *sql = g_string_new(NULL);
    g_string_printf(sql, "INSERT OR REPLACE INTO \"%s\" (", table->name);
    append_names(sql, table, count, ", ", "");
    g_string_append(sql, ") VALUES (");
    for (guint i = 0; i < count; i++)
        g_string_append(sql, i ? ", ?" : "?");
    g_string_append_c(sql, ')');
    return g_string_free(sql, FALSE);
}

static char *delete_sql(const StoreTable *table)
{
    GString *sql = g_string_new(NULL);
    g_string_printf(sql, "DELETE FROM \"%s\" WHERE ", table->name);
    append_names(sql, table, table->keys, " AND ", " = ?");
    return g_string_free(sql, FALSE);
}

static sqlite3_stmt *statement_for(Rows *rows, const StoreWrite *write, GError **error)
{
    gboolean put = write->operation == STORE_PUT;
    GHashTable *known = put ? rows->puts : rows->deletes;
    sqlite3_stmt *statement = g_hash_table_lookup(known, write->table);
    if (statement)
        return statement;
    g_autofree char *sql = put ? put_sql(write->table) : delete_sql(write->table);
    statement = sqlite_prepare(rows->db, sql, error);
    if (statement)
        g_hash_table_insert(known, (gpointer)write->table, statement);
    return statement;
}

static void bind_value(sqlite3_stmt *statement, int place, const StoreValue *value)
{
    switch (value->type) {
    case STORE_INT:
        sqlite3_bind_int64(statement, place, value->number);
        break;
    case STORE_REAL:
        sqlite3_bind_double(statement, place, value->real);
        break;
    case STORE_TEXT:
        /* Not copied: the write outlives the step. NULL binds NULL, which a column that is
         * NOT NULL replaces by its default. */
        sqlite3_bind_text(statement, place, value->text, -1, SQLITE_STATIC);
        break;
    }
}

/* A file system that is full; of a quota or a limit on the size of files SQLite only tells that it
 * could not write, as of a broken disk, for which nobody should wait. What could not be synced is
 * not meant either: it may seem saved the next time. */
static gboolean lacks_room(int code, int cause)
{
    if (code == SQLITE_IOERR_WRITE)
        return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
    return code == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE;
}

/* errno first: SQLite 3.40 does not note it when it is COMMIT that cannot write. */
static int cause_of(sqlite3 *db, int seen)
{
    return seen ? seen : sqlite3_system_errno(db);
}

static gboolean run(Rows *rows, sqlite3_stmt *statement, const char *what, GError **error)
{
    errno = 0;
    int code = sqlite3_step(statement);
    int seen = errno;
    gboolean done = code == SQLITE_DONE || code == SQLITE_ROW;
    if (!done) {
        rows->lacked_room = lacks_room(code, cause_of(rows->db, seen));
        g_autofree char *task = g_strdup_printf("write (%s)", what);
        sqlite_failed(rows->db, task, error);
    }
    sqlite3_reset(statement);
    return done;
}

static gboolean apply(Rows *rows, const StoreWrite *write, GError **error)
{
    sqlite3_stmt *statement = statement_for(rows, write, error);
    if (!statement)
        return FALSE;
    for (guint i = 0; i < write->count; i++)
        bind_value(statement, (int)i + 1, &write->values[i]);
    gboolean done = run(rows, statement, write->table->name, error);
    sqlite3_clear_bindings(statement);
    return done;
}

/* ---- of several writes to one row, only the last ---- */

static guint key_hash(gconstpointer pointer)
{
    const StoreWrite *write = pointer;
    guint hash = g_direct_hash(write->table);
    for (guint i = 0; i < write->table->keys; i++) {
        const StoreValue *value = &write->values[i];
        guint part = value->type == STORE_TEXT ? g_str_hash(value->text ? value->text : "")
                                               : g_int64_hash(&value->number);
        hash = hash * 31 + part;
    }
    return hash;
}

static gboolean key_equal(gconstpointer left, gconstpointer right)
{
    const StoreWrite *a = left, *b = right;
    if (a->table != b->table)
        return FALSE;
    for (guint i = 0; i < a->table->keys; i++) {
        if (a->values[i].type == STORE_TEXT ? g_strcmp0(a->values[i].text, b->values[i].text) != 0
                                            : a->values[i].number != b->values[i].number)
            return FALSE;
    }
    return TRUE;
}

/* A set of the last write to each row. */
static GHashTable *last_writes(GPtrArray *writes)
{
    GHashTable *last = g_hash_table_new(key_hash, key_equal);
    for (guint i = 0; i < writes->len; i++)
        g_hash_table_replace(last, writes->pdata[i], writes->pdata[i]);
    return last;
}

static gboolean apply_all(Rows *rows, GPtrArray *writes, guint64 *applied, GError **error)
{
    g_autoptr(GHashTable) last = last_writes(writes);
    for (guint i = 0; i < writes->len; i++) {
        const StoreWrite *write = writes->pdata[i];
        if (g_hash_table_lookup(last, write) != write)
            continue;
        if (!apply(rows, write, error))
            return FALSE;
        (*applied)++;
    }
    return TRUE;
}

static gboolean prepare_transaction(Rows *rows, GError **error)
{
    if (!rows->begin)
        rows->begin = sqlite_prepare(rows->db, "BEGIN IMMEDIATE", error);
    if (rows->begin && !rows->commit)
        rows->commit = sqlite_prepare(rows->db, "COMMIT", error);
    return rows->begin && rows->commit;
}

/* One statement is a transaction of its own. */
static gboolean commit_one(Rows *rows, const StoreWrite *write, guint64 *applied, GError **error)
{
    if (!apply(rows, write, error))
        return FALSE;
    (*applied)++;
    return TRUE;
}

gboolean rows_commit(Rows *rows, GPtrArray *writes, guint64 *applied, GError **error)
{
    rows->lacked_room = FALSE;
    if (writes->len == 1)
        return commit_one(rows, writes->pdata[0], applied, error);
    if (!prepare_transaction(rows, error) || !run(rows, rows->begin, "begin", error))
        return FALSE;
    if (apply_all(rows, writes, applied, error) && run(rows, rows->commit, "commit", error))
        return TRUE;
    if (!sqlite3_get_autocommit(rows->db))
        sqlite3_exec(rows->db, "ROLLBACK", NULL, NULL, NULL);
    return FALSE;
}

gboolean rows_lacked_room(const Rows *rows)
{
    return rows->lacked_room;
}

/* ---- reading ---- */

static char *select_sql(const StoreTable *table)
{
    GString *sql = g_string_new("SELECT ");
    append_names(sql, table, store_table_columns(table), ", ", "");
    g_string_append_printf(sql, " FROM \"%s\" ORDER BY ", table->name);
    append_names(sql, table, table->keys, ", ", "");
    return g_string_free(sql, FALSE);
}

static void read_values(sqlite3_stmt *statement, const StoreTable *table, StoreValue *values)
{
    for (int i = 0; table->columns[i].name; i++) {
        values[i].type = table->columns[i].type;
        switch (values[i].type) {
        case STORE_INT:
            values[i].number = sqlite3_column_int64(statement, i);
            break;
        case STORE_REAL:
            values[i].real = sqlite3_column_double(statement, i);
            break;
        case STORE_TEXT:
            values[i].text = (char *)sqlite3_column_text(statement, i);
            break;
        }
    }
}

gboolean rows_load(sqlite3 *db, const StoreTable *table, StoreRow row, gpointer data,
                   GError **error)
{
    g_autofree char *sql = select_sql(table);
    sqlite3_stmt *statement = sqlite_prepare(db, sql, error);
    if (!statement)
        return FALSE;
    g_autofree StoreValue *values = g_new0(StoreValue, store_table_columns(table));
    gboolean going = TRUE;
    int code;
    while (going && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        read_values(statement, table, values);
        going = row(values, data, error);
    }
    if (going && code != SQLITE_DONE) {
        g_autofree char *task = g_strdup_printf("read table %s", table->name);
        going = sqlite_failed(db, task, error);
    }
    sqlite3_finalize(statement);
    return going;
}
