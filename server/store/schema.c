#include "server/store/schema.h"
#include "lib/base/error.h"
#include "server/store/sqlite.h"

/* The file becomes bytes of this program, with a NUL after them. SConstruct makes the
 * object depend on the files. */
#define EMBED(symbol, file)                                                                        \
    __asm__(".section .rodata\n" #symbol ":\n.incbin \"" file "\"\n.byte 0\n.previous\n");         \
    extern const char symbol[] __attribute__((visibility("hidden")))

EMBED(schema_sql_001, "server/store/schema/001.sql");
EMBED(schema_sql_002, "server/store/schema/002.sql");
EMBED(schema_sql_003, "server/store/schema/003.sql");
EMBED(schema_sql_004, "server/store/schema/004.sql");

/* Step i brings version i to i + 1. */
static const char *const steps[] = {
    schema_sql_001,
    schema_sql_002,
    schema_sql_003,
    schema_sql_004,
};

gint schema_version(void)
{
    return G_N_ELEMENTS(steps);
}

static gboolean is_newer(gint64 version, const char *path, GError **error)
{
    if (version <= schema_version())
        return FALSE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "Database %s has version %" G_GINT64_FORMAT ", this oned knows versions up to %d: "
                "it was written by a newer oned. Start that one, or restore a backup that was made "
                "before the upgrade.",
                path, version, schema_version());
    return TRUE;
}

static gboolean apply_steps(sqlite3 *db, gint64 version, GError **error)
{
    for (gint64 step = version; step < schema_version(); step++) {
        g_autofree char *what = g_strdup_printf("upgrade to version %d", (gint)step + 1);
        if (!sqlite_run(db, steps[step], what, error))
            return FALSE;
    }
    g_autofree char *stamp = g_strdup_printf("PRAGMA user_version = %d", schema_version());
    return sqlite_run(db, stamp, "set the version", error);
}

gboolean schema_upgrade(sqlite3 *db, const char *path, GError **error)
{
    gint64 version = 0;
    if (!sqlite_number(db, "PRAGMA user_version", &version, error) ||
        is_newer(version, path, error))
        return FALSE;
    if (version == schema_version())
        return TRUE;
    if (!sqlite_run(db, "BEGIN IMMEDIATE", "begin the upgrade", error))
        return FALSE;
    /* Asked again inside the transaction: another program may have upgraded meanwhile. */
    if (sqlite_number(db, "PRAGMA user_version", &version, error) &&
        !is_newer(version, path, error) && apply_steps(db, version, error) &&
        sqlite_run(db, "COMMIT", "commit the upgrade", error))
        return TRUE;
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return FALSE;
}

gboolean schema_check_version(sqlite3 *db, const char *path, GError **error)
{
    gint64 version = 0;
    if (!sqlite_number(db, "PRAGMA user_version", &version, error) ||
        is_newer(version, path, error))
        return FALSE;
    if (version == schema_version())
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "Database %s has version %" G_GINT64_FORMAT " and this oned uses version %d: start "
                "oned once, which upgrades it.",
                path, version, schema_version());
    return FALSE;
}

static const char *const type_names[] = {"INTEGER", "TEXT", "REAL"};

/* What is wrong with column `index`, or NULL. (owned) */
static char *column_problem(sqlite3_stmt *row, const StoreTable *table, guint index, guint count)
{
    const char *name = (const char *)sqlite3_column_text(row, 1);
    const char *type = (const char *)sqlite3_column_text(row, 2);
    guint key = sqlite3_column_int(row, 5);
    if (index >= count)
        return g_strdup_printf("the database has one more column, %s", name);
    const StoreColumn *column = &table->columns[index];
    if (!g_str_equal(name, column->name))
        return g_strdup_printf("column %u is %s in the database and %s in the program", index, name,
                               column->name);
    if (!g_str_equal(type, type_names[column->type]))
        return g_strdup_printf("column %s is %s in the database and %s in the program", name, type,
                               type_names[column->type]);
    if (key != (index < table->keys ? index + 1 : 0))
        return g_strdup_printf("column %s %s the key of the database, and the key of the program "
                               "is its first %u columns",
                               name, key ? "belongs to" : "is not in", table->keys);
    return NULL;
}

gboolean schema_compare(sqlite3 *db, const StoreTable *table, GError **error)
{
    g_autofree char *sql = g_strdup_printf("PRAGMA table_info(\"%s\")", table->name);
    sqlite3_stmt *statement = sqlite_prepare(db, sql, error);
    if (!statement)
        return FALSE;
    guint count = store_table_columns(table), found = 0;
    g_autofree char *problem = NULL;
    while (!problem && sqlite3_step(statement) == SQLITE_ROW)
        problem = column_problem(statement, table, found++, count);
    sqlite3_finalize(statement);
    if (!problem && found == 0)
        problem = g_strdup("the database has no such table");
    else if (!problem && found < count)
        problem = g_strdup_printf("the database lacks column %s", table->columns[found].name);
    if (!problem)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Table %s: %s", table->name, problem);
    return FALSE;
}
