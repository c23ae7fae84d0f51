#include "server/store/store_sqlite.h"
#include "lib/base/error.h"
#include "lib/base/linger.h"
#include "lib/base/log.h"
#include "server/store/checkpoint.h"
#include "server/store/rows.h"
#include "server/store/schema.h"
#include "server/store/sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Rows in one transaction at most, so that the first of many waiting batches is not held up. */
#define ROWS_AT_ONCE 5000

/* How long the thread looks for the next batch before it sleeps, in microseconds: longer than the
 * others, since what is to be saved next has all the way from the client before it. */
#define LINGER 100

/* A full disk is waited for so long, and looked at so often, in seconds. What comes meanwhile
 * is kept in memory, hence the end. */
#define ROOM_PATIENCE 600
#define ROOM_INTERVAL 1

typedef struct Batch Batch;
struct Batch {
    guint64 number;
    StoreWrite *writes;
    StoreDone done;
    gpointer data;
};

typedef struct SqliteStore {
    Store store;
    sqlite3 *db;
    GMutex connection; /* the store thread, and load */
    int lock_file;     /* -1: opened to read */
    Rows *rows;
    Checkpoint *checkpoint;
    GThread *thread;
    GMutex lock; /* of what follows */
    GCond arrived, settled;
    GQueue waiting;  /* of Batch * */
    gint arrivals;   /* whether any waits; also read without the lock */
    gboolean asleep; /* the thread waits for `arrived` */
    gboolean busy, stop;
    guint flushing;  /* threads that wait for `settled` */
    GError *failure; /* the first; the store is dead then */
    StoreFigures figures;
} SqliteStore;

static void batch_free(Batch *batch)
{
    while (batch->writes) {
        StoreWrite *next = batch->writes->next;
        store_write_free(batch->writes);
        batch->writes = next;
    }
    g_free(batch);
}

/* ---- the store thread ---- */

static guint add_writes(GPtrArray *writes, const Batch *batch)
{
    guint before = writes->len;
    for (StoreWrite *write = batch->writes; write; write = write->next)
        g_ptr_array_add(writes, write);
    return writes->len - before;
}

/* Takes what waits, up to ROWS_AT_ONCE; called with the lock. */
static void take_waiting(SqliteStore *self, GPtrArray *batches, GPtrArray *writes)
{
    while (!g_queue_is_empty(&self->waiting) && writes->len < ROWS_AT_ONCE) {
        Batch *batch = g_queue_pop_head(&self->waiting);
        add_writes(writes, batch);
        g_ptr_array_add(batches, batch);
    }
    g_atomic_int_set(&self->arrivals, g_queue_is_empty(&self->waiting) ? 0 : 1);
}

static gboolean commit_once(SqliteStore *self, GPtrArray *writes, guint64 *applied, GError **error)
{
    g_mutex_lock(&self->connection);
    gboolean done = rows_commit(self->rows, writes, applied, error);
    g_mutex_unlock(&self->connection);
    return done;
}

/* Waits a little for room. FALSE: somebody waits for the end, which a full disk must not hold up.
 */
static gboolean wait_for_room(SqliteStore *self)
{
    gint64 until = g_get_monotonic_time() + ROOM_INTERVAL * G_USEC_PER_SEC;
    g_mutex_lock(&self->lock);
    while (!self->stop && self->flushing == 0 &&
           g_cond_wait_until(&self->arrived, &self->lock, until))
        ;
    gboolean go_on = !self->stop && self->flushing == 0;
    g_mutex_unlock(&self->lock);
    return go_on;
}

/* A disk that is full gets room again. Until then nothing of what has changed leaves oned: callers
 * that change something are answered, and drivers are asked, when the changes are safe; and who
 * reads what has changed, be it one object of a whole pool, waits with them. Only answers that hold
 * nothing of it go on. */
static gboolean commit_with_patience(SqliteStore *self, GPtrArray *writes, guint64 *applied,
                                     GError **error)
{
    g_autoptr(GError) why = NULL;
    gint64 began = g_get_monotonic_time();
    gboolean done, told = FALSE;
    while (!(done = commit_once(self, writes, applied, &why)) && rows_lacked_room(self->rows) &&
           g_get_monotonic_time() - began < ROOM_PATIENCE * G_USEC_PER_SEC) {
        if (!told)
            log_error("DB",
                      "%s. Is the disk full? Changes, the calls that made them or read what they "
                      "changed, and requests to drivers wait until there is room, %d seconds at "
                      "most",
                      why->message, ROOM_PATIENCE);
        told = TRUE;
        if (!wait_for_room(self))
            break;
        g_clear_error(&why);
        *applied = 0;
    }
    if (done && told)
        log_info("DB", "There is room again: what waited for %d seconds is saved",
                 (gint)((g_get_monotonic_time() - began) / G_USEC_PER_SEC));
    if (!done)
        g_propagate_error(error, g_steal_pointer(&why));
    return done;
}

/* After a failure nothing more is written: a later batch must never be saved without an
 * earlier one. */
static void commit_together(SqliteStore *self, GPtrArray *batches, GPtrArray *writes)
{
    guint64 applied = 0;
    GError *error = NULL;
    if (!self->failure && writes->len > 0)
        commit_with_patience(self, writes, &applied, &error);
    g_mutex_lock(&self->lock);
    if (error)
        self->failure = error;
    self->figures.batches += batches->len;
    self->figures.transactions += writes->len > 0;
    self->figures.rows += applied;
    g_mutex_unlock(&self->lock);
    for (guint i = 0; i < batches->len; i++) {
        Batch *batch = batches->pdata[i];
        if (batch->done)
            batch->done(batch->data, batch->number, self->failure);
    }
}

/* Nothing is under way; called with the lock. */
static void settled(SqliteStore *self)
{
    if (self->flushing > 0)
        g_cond_broadcast(&self->settled);
}

/* Called with the lock, which it leaves meanwhile. */
static void linger(SqliteStore *self)
{
    g_mutex_unlock(&self->lock);
    gint64 until = linger_until(LINGER);
    while (!g_atomic_int_get(&self->arrivals) && linger_on(until))
        continue;
    g_mutex_lock(&self->lock);
}

static gpointer store_thread(gpointer data)
{
    SqliteStore *self = data;
    gboolean is_lone = FALSE; /* one batch was all that waited */
    g_autoptr(GPtrArray) batches = g_ptr_array_new_with_free_func((GDestroyNotify)batch_free);
    g_autoptr(GPtrArray) writes = g_ptr_array_new();
    g_mutex_lock(&self->lock);
    while (TRUE) {
        take_waiting(self, batches, writes);
        if (batches->len == 0) {
            self->busy = FALSE;
            settled(self);
            if (self->stop)
                break;
            self->asleep = !is_lone;
            if (is_lone)
                linger(self);
            else
                g_cond_wait(&self->arrived, &self->lock);
            self->asleep = is_lone = FALSE;
            continue;
        }
        is_lone = batches->len == 1;
        self->busy = TRUE;
        g_mutex_unlock(&self->lock);
        commit_together(self, batches, writes);
        g_ptr_array_set_size(batches, 0);
        g_ptr_array_set_size(writes, 0);
        g_mutex_lock(&self->connection);
        checkpoint_after_commit(self->checkpoint);
        g_mutex_unlock(&self->connection);
        g_mutex_lock(&self->lock);
    }
    g_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- the interface ---- */

static void store_commit(Store *store, guint64 number, StoreWrite *writes, StoreDone done,
                         gpointer data)
{
    SqliteStore *self = (SqliteStore *)store;
    Batch *batch = g_new(Batch, 1);
    *batch = (Batch){.number = number, .writes = writes, .done = done, .data = data};
    if (!self->thread) {
        if (done)
            done(data, number, self->failure);
        batch_free(batch);
        return;
    }
    g_mutex_lock(&self->lock);
    g_queue_push_tail(&self->waiting, batch);
    g_atomic_int_set(&self->arrivals, 1);
    gboolean wake = self->asleep;
    g_mutex_unlock(&self->lock);
    if (wake)
        g_cond_signal(&self->arrived);
}

static gboolean store_load(Store *store, const StoreTable *table, StoreRow row, gpointer data,
                           GError **error)
{
    SqliteStore *self = (SqliteStore *)store;
    g_mutex_lock(&self->connection);
    gboolean loaded = rows_load(self->db, table, row, data, error);
    g_mutex_unlock(&self->connection);
    return loaded;
}

static void store_flush(Store *store)
{
    SqliteStore *self = (SqliteStore *)store;
    g_mutex_lock(&self->lock);
    self->flushing++;
    g_cond_signal(&self->arrived); /* it may be waiting for room */
    while (self->busy || !g_queue_is_empty(&self->waiting))
        g_cond_wait(&self->settled, &self->lock);
    self->flushing--;
    g_mutex_unlock(&self->lock);
}

static void store_destroy(Store *store)
{
    SqliteStore *self = (SqliteStore *)store;
    if (self->thread) {
        g_mutex_lock(&self->lock);
        self->stop = TRUE;
        g_cond_signal(&self->arrived);
        g_mutex_unlock(&self->lock);
        g_thread_join(self->thread);
    }
    checkpoint_free(self->checkpoint);
    rows_free(self->rows);
    sqlite3_close(self->db);
    if (self->lock_file != -1)
        close(self->lock_file);
    g_clear_error(&self->failure);
    g_mutex_clear(&self->connection);
    g_mutex_clear(&self->lock);
    g_cond_clear(&self->arrived);
    g_cond_clear(&self->settled);
    g_free(self);
}

StoreFigures store_sqlite_figures(Store *store)
{
    SqliteStore *self = (SqliteStore *)store;
    g_mutex_lock(&self->lock);
    StoreFigures figures = self->figures;
    g_mutex_unlock(&self->lock);
    if (self->checkpoint) {
        figures.wal_pages = checkpoint_wal_pages(self->checkpoint);
        figures.checkpoints = checkpoint_count(self->checkpoint);
    }
    return figures;
}

gint store_sqlite_version(void)
{
    return schema_version();
}

/* ---- opening ---- */

static SqliteStore *sqlite_store_new(void)
{
    SqliteStore *self = g_new0(SqliteStore, 1);
    self->store = (Store){
        .commit = store_commit, .load = store_load, .flush = store_flush, .destroy = store_destroy};
    self->lock_file = -1;
    g_mutex_init(&self->connection);
    g_mutex_init(&self->lock);
    g_cond_init(&self->arrived);
    g_cond_init(&self->settled);
    g_queue_init(&self->waiting);
    return self;
}

/* Who holds the lock wrote its process id into the file; only for the message. (owned) */
static char *holder(int file)
{
    char text[32] = "";
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    return g_strdup(length > 0 ? g_strchomp(text) : "unknown");
}

static gboolean take_lock(SqliteStore *self, const char *path, GError **error)
{
    g_autofree char *name = g_strconcat(path, ".lock", NULL);
    self->lock_file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_file == -1) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "Cannot make %s: %s. The directory must exist and belong to the user that runs "
                    "oned.",
                    name, g_strerror(errno));
        return FALSE;
    }
    if (flock(self->lock_file, LOCK_EX | LOCK_NB) == -1) {
        g_autofree char *process = holder(self->lock_file);
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "Database %s is in use by another oned (process %s): stop that one first.",
                    path, process);
        return FALSE;
    }
    g_autofree char *text = g_strdup_printf("%d\n", (gint)getpid());
    if (ftruncate(self->lock_file, 0) == -1 ||
        pwrite(self->lock_file, text, strlen(text), 0) == -1) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Cannot write %s: %s", name,
                    g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

static gboolean compare_tables(sqlite3 *db, const StoreTable *const *tables, GError **error)
{
    for (; tables && *tables; tables++) {
        if (!schema_compare(db, *tables, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean open_to_write(SqliteStore *self, const char *path, const StoreTable *const *tables,
                              GError **error)
{
    if (!take_lock(self, path, error) || !checkpoint_prepare_wal(path, error) ||
        !(self->db = sqlite_open(path, OPEN_MAKE, error)) ||
        !sqlite_run(self->db,
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                    "PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY",
                    "set up", error) ||
        !schema_upgrade(self->db, path, error) || !compare_tables(self->db, tables, error) ||
        !(self->checkpoint = checkpoint_new(self->db, path, error)))
        return FALSE;
    self->rows = rows_new(self->db);
    self->thread = g_thread_new("store", store_thread, self);
    return TRUE;
}

Store *store_sqlite_open(const char *path, const StoreTable *const *tables, GError **error)
{
    SqliteStore *self = sqlite_store_new();
    if (open_to_write(self, path, tables, error))
        return &self->store;
    store_destroy(&self->store);
    return NULL;
}

Store *store_sqlite_open_read(const char *path, const StoreTable *const *tables, GError **error)
{
    SqliteStore *self = sqlite_store_new();
    self->failure =
        g_error_new(ONE_ERROR, ONE_ERROR_INTERNAL, "Database %s is open to read only", path);
    self->db = sqlite_open(path, OPEN_READ, error);
    if (self->db && schema_check_version(self->db, path, error) &&
        compare_tables(self->db, tables, error))
        return &self->store;
    store_destroy(&self->store);
    return NULL;
}
