/*
 * The database behind history.h. Rows lie in the order in which they come, a minute at a
 * time and by object within it: writing and dropping a minute's samples touches few pages,
 * and one object is found in each minute by its key.
 */
#pragma once

#include "server/store/history.h"

/* A sample, or without text: the object is forgotten. */
typedef struct HistoryEntry {
    HistoryKind kind;
    gint32 id;
    gint64 time;
    char xml[];
} HistoryEntry;

typedef struct HistoryQuery {
    HistoryKind kind;
    const gint32 *ids; /* NULL: all */
    guint count;
    gint64 since;
    gboolean last; /* only the newest of each */
} HistoryQuery;

typedef struct HistoryDb HistoryDb;

/* Opens or makes it; one of another version is emptied. For one thread at a time. (owned) */
HistoryDb *history_db_open(const char *path, GError **error);
void history_db_close(HistoryDb *db); /* NULL is fine */
/* Renames the file to `path`.damaged, in the place of an older one. */
void history_db_put_aside(const char *path);
/* The last failure says that the file is not a sound database. */
gboolean history_db_is_damaged(const HistoryDb *db);

/* Writes entries (of HistoryEntry *) in one transaction. */
gboolean history_db_write(HistoryDb *db, GPtrArray *entries, GError **error);
/* Drops samples older than `oldest`, then the oldest until at most `bytes` are used. */
gboolean history_db_expire(HistoryDb *db, gint64 oldest, gint64 bytes, GError **error);
/* Appends the samples in the order of ids and times. */
gboolean history_db_read(HistoryDb *db, const HistoryQuery *query, GString *out, GError **error);
