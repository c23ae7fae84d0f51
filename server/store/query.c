#include "server/store/query.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include "server/store/sqlite.h"

#include <string.h>

#define SECONDS   5
#define ANSWER_MB 16
/* Steps of SQLite's machine between two looks at the clock. */
#define STEPS 10000

/* What nobody is shown: it reads as NULL. */
static gboolean is_secret(const char *column)
{
    return column &&
           (!g_ascii_strcasecmp(column, "password") || !g_ascii_strcasecmp(column, "token"));
}

/* Only what reads, and only this file. */
static int authorize(void *data, int action, const char *table, const char *column,
                     const char *database, const char *inner)
{
    if (action == SQLITE_READ && is_secret(column))
        return SQLITE_IGNORE;
    return action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE ||
                   action == SQLITE_FUNCTION
               ? SQLITE_OK
               : SQLITE_DENY;
}

static int is_over(void *data)
{
    const gint64 *deadline = data;
    return g_get_monotonic_time() > *deadline;
}

/* A column such as "count(*)" is no name of an element. (owned) */
static char *element_name(const char *column)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-.";
    char *name = g_strdup(column && *column ? column : "_");
    for (char *at = name; *at; at++)
        if (!strchr(letters, *at) || (at == name && !g_ascii_isalpha(*at)))
            *at = '_';
    return name;
}

static void append_row(sqlite3_stmt *statement, GString *rows)
{
    g_string_append(rows, "<ROW>");
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        gsize length = (gsize)sqlite3_column_bytes(statement, i);
        g_autofree char *name = element_name(sqlite3_column_name(statement, i));
        if (!text)
            continue;
        if (*text != '<') {
            xml_append_element_cdata(rows, name, text);
            continue;
        }
        g_autofree char *base64 = g_base64_encode((const guchar *)text, length);
        g_string_append_printf(rows, "<%s64>%s</%s64>", name, base64, name);
    }
    g_string_append(rows, "</ROW>");
}

static gboolean failed(sqlite3 *db, int code, GError **error)
{
    if (code == SQLITE_INTERRUPT)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "The query takes more than %d s; ask for less, or use sqlite3 on a copy that "
                    "\"oned --backup\" makes",
                    SECONDS);
    else if (code == SQLITE_AUTH || strstr(sqlite3_errmsg(db), "not authorized"))
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Only SELECT is possible: what oned has is changed by its methods");
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "SQL command failed: %s",
                    sqlite3_errmsg(db));
    return FALSE;
}

static gboolean run(sqlite3 *db, const char *sql, GString *rows, GError **error)
{
    sqlite3_stmt *statement = NULL;
    const char *rest = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, &rest);
    if (code != SQLITE_OK)
        return failed(db, code, error);
    gboolean ok = statement && rest[strspn(rest, "; \t\r\n")] == '\0';
    if (!ok)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "One SELECT is needed, and no more");
    while (ok && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        append_row(statement, rows);
        ok = rows->len <= (gsize)ANSWER_MB << 20;
        if (!ok)
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                        "The answer has more than %d MiB; ask for less", ANSWER_MB);
    }
    if (ok && code != SQLITE_DONE)
        ok = failed(db, code, error);
    sqlite3_finalize(statement);
    return ok;
}

GString *store_query(const char *path, const char *sql, GError **error)
{
    sqlite3 *db = sqlite_open(path, OPEN_READ, error);
    gint64 deadline = g_get_monotonic_time() + SECONDS * G_USEC_PER_SEC;
    GString *rows = g_string_new(NULL);
    if (!db) {
        (void)g_string_free(rows, TRUE);
        return NULL;
    }
    sqlite3_busy_timeout(db, 1000);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ANSWER_MB << 20); /* of one value */
    sqlite3_set_authorizer(db, authorize, NULL);
    sqlite3_progress_handler(db, STEPS, is_over, &deadline);
    gboolean ok = run(db, sql, rows, error);
    sqlite3_close(db);
    if (ok)
        return rows;
    (void)g_string_free(rows, TRUE);
    return NULL;
}
