#include "server/store/history.h"
#include "lib/base/log.h"
#include "server/store/history_db.h"
#include <string.h>

/* How long samples may wait to be written with others. */
#define GATHER_US (1 * G_TIME_SPAN_SECOND)
#define EXPIRE_US (30 * G_TIME_SPAN_SECOND)
/* More than this waiting means that the disk does not keep up: new samples are dropped. */
#define WAITING_MAX 200000

struct History {
    char *path;
    GThread *thread;
    GMutex reading; /* of the connection for readers; taken before `lock` */
    HistoryDb *reader;
    GMutex lock; /* of what follows */
    GCond changed;
    GPtrArray *waiting;   /* of HistoryEntry * */
    guint64 queued, done; /* entries so far */
    gboolean hurry, stop, told_full;
    gint64 keep, limit;
};

static void entry_free(gpointer entry)
{
    g_free(entry);
}

/* ---- the thread that writes ---- */

/* A database that is damaged holds nothing worth repairing. */
static HistoryDb *begin_anew(History *history, HistoryDb *db)
{
    g_mutex_lock(&history->reading);
    history_db_close(db);
    history_db_close(history->reader);
    history->reader = NULL;
    history_db_put_aside(history->path);
    g_autoptr(GError) error = NULL;
    db = history_db_open(history->path, &error);
    if (db)
        history->reader = history_db_open(history->path, &error);
    if (error)
        log_warning("MON", "Monitoring samples are not kept: %s", error->message);
    g_mutex_unlock(&history->reading);
    return db;
}

static HistoryDb *write_entries(History *history, HistoryDb *db, GPtrArray *entries)
{
    g_autoptr(GError) error = NULL;
    if (!db || history_db_write(db, entries, &error))
        return db;
    log_warning("MON", "%u monitoring samples are lost: %s", entries->len, error->message);
    return history_db_is_damaged(db) ? begin_anew(history, db) : db;
}

static void expire(History *history, HistoryDb *db)
{
    g_mutex_lock(&history->lock);
    gint64 keep = history->keep, limit = history->limit;
    g_mutex_unlock(&history->lock);
    g_autoptr(GError) error = NULL;
    gint64 now = g_get_real_time() / G_TIME_SPAN_SECOND;
    if (db && !history_db_expire(db, now - keep, limit, &error))
        log_warning("MON", "Old monitoring samples cannot be dropped: %s", error->message);
}

/* Waits until there is something to write and it has waited long enough. Called with the
 * lock. FALSE: it is time to end. */
static gboolean wait_for_entries(History *history, gint64 next_expiry)
{
    gint64 until = g_get_monotonic_time() + GATHER_US;
    while (!history->stop && !history->hurry && g_get_monotonic_time() < until)
        g_cond_wait_until(&history->changed, &history->lock, until);
    while (!history->stop && !history->waiting->len && g_get_monotonic_time() < next_expiry)
        g_cond_wait_until(&history->changed, &history->lock, next_expiry);
    history->hurry = FALSE;
    return !history->stop || history->waiting->len;
}

static gpointer history_thread(gpointer data)
{
    History *history = data;
    g_autoptr(GError) error = NULL;
    HistoryDb *db = history_db_open(history->path, &error);
    if (!db)
        log_warning("MON", "Monitoring samples are not kept: %s", error->message);
    gint64 next_expiry = 0;
    g_mutex_lock(&history->lock);
    while (wait_for_entries(history, next_expiry)) {
        g_autoptr(GPtrArray) entries = g_steal_pointer(&history->waiting);
        history->waiting = g_ptr_array_new_with_free_func(entry_free);
        g_mutex_unlock(&history->lock);
        if (entries->len)
            db = write_entries(history, db, entries);
        if (g_get_monotonic_time() >= next_expiry) {
            expire(history, db);
            next_expiry = g_get_monotonic_time() + EXPIRE_US;
        }
        g_mutex_lock(&history->lock);
        history->done += entries->len;
        g_cond_broadcast(&history->changed);
    }
    g_mutex_unlock(&history->lock);
    history_db_close(db);
    return NULL;
}

/* ---- for others ---- */

History *history_open(const char *path, gint64 keep_seconds, GError **error)
{
    g_autoptr(GError) problem = NULL;
    HistoryDb *reader = history_db_open(path, &problem);
    if (!reader && g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        log_warning("MON", "%s; it is put aside as %s.damaged and begun anew", problem->message,
                    path);
        history_db_put_aside(path);
        g_clear_error(&problem);
        reader = history_db_open(path, &problem);
    }
    if (!reader) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
    }
    History *history = g_new0(History, 1);
    history->path = g_strdup(path);
    history->reader = reader;
    history->keep = keep_seconds;
    history->limit = G_GINT64_CONSTANT(1) << 30;
    history->waiting = g_ptr_array_new_with_free_func(entry_free);
    g_mutex_init(&history->reading);
    g_mutex_init(&history->lock);
    g_cond_init(&history->changed);
    history->thread = g_thread_new("monitoring", history_thread, history);
    return history;
}

void history_close(History *history)
{
    if (!history)
        return;
    g_mutex_lock(&history->lock);
    history->stop = TRUE;
    g_cond_broadcast(&history->changed);
    g_mutex_unlock(&history->lock);
    g_thread_join(history->thread);
    history_db_close(history->reader);
    g_ptr_array_unref(history->waiting);
    g_mutex_clear(&history->reading);
    g_mutex_clear(&history->lock);
    g_cond_clear(&history->changed);
    g_free(history->path);
    g_free(history);
}

void history_set_limit(History *history, gint64 bytes)
{
    g_mutex_lock(&history->lock);
    history->limit = bytes;
    g_mutex_unlock(&history->lock);
}

void history_set_keep(History *history, gint64 keep_seconds)
{
    g_mutex_lock(&history->lock);
    history->keep = keep_seconds;
    g_mutex_unlock(&history->lock);
}

static void queue_entry(History *history, HistoryEntry *entry)
{
    gboolean full = FALSE;
    g_mutex_lock(&history->lock);
    gboolean taken = (history->keep > 0 || !entry->xml[0]) && history->waiting->len < WAITING_MAX;
    if (taken) {
        g_ptr_array_add(history->waiting, entry);
        history->queued++;
        if (history->waiting->len == 1)
            g_cond_broadcast(&history->changed);
    } else if (history->keep > 0 && !history->told_full) {
        full = history->told_full = TRUE;
    }
    g_mutex_unlock(&history->lock);
    if (full)
        log_warning("MON", "%s cannot be written as fast as samples come: some are dropped",
                    history->path);
    if (!taken)
        entry_free(entry);
}

void history_add(History *history, HistoryKind kind, gint32 id, gint64 time, const char *xml)
{
    gsize length = strlen(xml);
    HistoryEntry *entry = g_malloc(sizeof *entry + length + 1);
    entry->kind = kind;
    entry->id = id;
    entry->time = time;
    memcpy(entry->xml, xml, length + 1);
    if (length)
        queue_entry(history, entry);
    else
        g_free(entry);
}

void history_forget(History *history, HistoryKind kind, gint32 id)
{
    HistoryEntry *entry = g_malloc0(sizeof *entry + 1);
    entry->kind = kind;
    entry->id = id;
    queue_entry(history, entry);
}

/* Waits until what was queued before is written. */
static void settle(History *history)
{
    g_mutex_lock(&history->lock);
    guint64 wanted = history->queued;
    while (history->done < wanted) {
        history->hurry = TRUE;
        g_cond_broadcast(&history->changed);
        g_cond_wait(&history->changed, &history->lock);
    }
    g_mutex_unlock(&history->lock);
}

static GString *read_with(History *history, const HistoryQuery *query)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    settle(history);
    g_mutex_lock(&history->reading);
    if (history->reader && !history_db_read(history->reader, query, out, &error))
        log_warning("MON", "Monitoring samples cannot be read: %s", error->message);
    g_mutex_unlock(&history->reading);
    return out;
}

GString *history_read(History *history, HistoryKind kind, const gint32 *ids, guint count,
                      gint64 since)
{
    g_mutex_lock(&history->lock);
    gint64 oldest = g_get_real_time() / G_TIME_SPAN_SECOND - history->keep;
    g_mutex_unlock(&history->lock);
    return read_with(
        history,
        &(HistoryQuery){.kind = kind, .ids = ids, .count = count, .since = MAX(since, oldest)});
}

GString *history_read_last(History *history, HistoryKind kind, const gint32 *ids, guint count)
{
    return read_with(history,
                     &(HistoryQuery){.kind = kind, .ids = ids, .count = count, .last = TRUE});
}
