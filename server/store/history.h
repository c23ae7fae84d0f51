/*
 * Monitoring samples: a database of its own with relaxed durability (WAL, synchronous=OFF),
 * bounded by age and by size. A thread of its own writes about once a second; a lost sample is
 * no loss, so a database that is damaged (after a loss of power) is put aside and begun anew.
 */
#pragma once

#include <glib.h>

typedef struct History History;
typedef enum { HISTORY_HOST = 0, HISTORY_VM = 1 } HistoryKind;

/* Samples older than keep_seconds are dropped; keep_seconds 0 keeps nothing. (owned) */
History *history_open(const char *path, gint64 keep_seconds, GError **error);
void history_close(History *history); /* NULL is fine */
/* Largest size of the samples in bytes; the oldest go first. Default 1 GiB. */
void history_set_limit(History *history, gint64 bytes);
/* Age may be changed while it runs. */
void history_set_keep(History *history, gint64 keep_seconds);
/* Adds a sample: ready XML text (a <MONITORING> element). Any thread, returns at once. */
void history_add(History *history, HistoryKind kind, gint32 id, gint64 time, const char *xml);
/* Forgets an object. */
void history_forget(History *history, HistoryKind kind, gint32 id);
/* Reads samples of these ids (NULL: all) with time >= since, ordered by id and time, and joins
 * them. Samples added before are seen. Called in a worker thread, never in the core.
 * (owned, never NULL) */
GString *history_read(History *history, HistoryKind kind, const gint32 *ids, guint count,
                      gint64 since);
/* Only the newest sample of each. */
GString *history_read_last(History *history, HistoryKind kind, const gint32 *ids, guint count);
