#include "server/store/checkpoint.h"
#include "lib/base/log.h"
#include "server/store/sqlite.h"
#include <fcntl.h>
#include <unistd.h>

/* Pages of 4 KiB that make a checkpoint worth its syncs: 8 MiB, read again in some hundredths
 * of a second after a crash. */
#define WORTH_PAGES 2000
/* Length that the WAL has from the start: those, and what comes while they are copied. */
#define WAL_BYTES (2500 * (4096 + 24))

typedef enum { IDLE, WANTED, COPIED } State;

struct Checkpoint {
    sqlite3 *writer; /* the store's own; used in its thread only */
    sqlite3 *db;     /* of the thread here */
    GThread *thread;
    GMutex lock;
    GCond changed;
    State state;    /* under lock */
    gboolean stop;  /* under lock */
    guint pages;    /* of the WAL; atomic */
    guint ended_at; /* pages when the last one ended with some left: waits until there are more */
    guint count;    /* atomic */
};

/* Called by SQLite in the writer's thread after each commit. */
static int committed(void *data, sqlite3 *db, const char *name, int pages)
{
    Checkpoint *checkpoint = data;
    g_atomic_int_set(&checkpoint->pages, pages);
    return SQLITE_OK;
}

/* Appends zeros, which SQLite reads as "nothing more". A failure (a full disk) only costs speed. */
static void lengthen(const char *wal)
{
    static const char zeros[65536];
    int file = open(wal, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    off_t end = file == -1 ? -1 : lseek(file, 0, SEEK_END);
    while (end >= 0 && end < WAL_BYTES) {
        ssize_t written = pwrite(file, zeros, MIN((off_t)sizeof zeros, WAL_BYTES - end), end);
        end = written <= 0 ? -1 : end + written;
    }
    if (file != -1)
        close(file);
}

gboolean checkpoint_prepare_wal(const char *path, GError **error)
{
    g_autofree char *wal = g_strconcat(path, "-wal", NULL);
    if (!g_file_test(wal, G_FILE_TEST_EXISTS)) {
        /* A database that is new, or a backup put in place, does not say yet that it has a WAL. */
        sqlite3 *db = sqlite_open(path, OPEN_MAKE, error);
        gboolean done = db && sqlite_run(db, "PRAGMA journal_mode = WAL", "set up", error);
        sqlite3_close(db);
        if (!done)
            return FALSE;
    }
    lengthen(wal);
    return TRUE;
}

static void copy_pages(sqlite3 *db)
{
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        log_warning("DB", "checkpoint of %s failed: %s", sqlite3_db_filename(db, NULL),
                    sqlite3_errmsg(db));
}

static gpointer checkpoint_thread(gpointer data)
{
    Checkpoint *checkpoint = data;
    g_mutex_lock(&checkpoint->lock);
    while (!checkpoint->stop) {
        if (checkpoint->state != WANTED) {
            g_cond_wait(&checkpoint->changed, &checkpoint->lock);
            continue;
        }
        g_mutex_unlock(&checkpoint->lock);
        copy_pages(checkpoint->db);
        g_mutex_lock(&checkpoint->lock);
        checkpoint->state = COPIED;
    }
    g_mutex_unlock(&checkpoint->lock);
    return NULL;
}

Checkpoint *checkpoint_new(sqlite3 *writer, const char *path, GError **error)
{
    sqlite3 *db = sqlite_open(path, OPEN_WRITE, error);
    if (!db)
        return NULL;
    if (!sqlite_run(db, "PRAGMA synchronous = FULL; PRAGMA cache_size = -256", "set up", error)) {
        sqlite3_close(db);
        return NULL;
    }
    Checkpoint *checkpoint = g_new0(Checkpoint, 1);
    checkpoint->writer = writer;
    checkpoint->db = db;
    g_mutex_init(&checkpoint->lock);
    g_cond_init(&checkpoint->changed);
    sqlite3_wal_hook(writer, committed, checkpoint); /* takes the place of the automatic one */
    checkpoint->thread = g_thread_new("checkpoint", checkpoint_thread, checkpoint);
    return checkpoint;
}

void checkpoint_free(Checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    g_mutex_lock(&checkpoint->lock);
    checkpoint->stop = TRUE;
    g_cond_signal(&checkpoint->changed);
    g_mutex_unlock(&checkpoint->lock);
    g_thread_join(checkpoint->thread);
    sqlite3_wal_hook(checkpoint->writer, NULL, NULL);
    sqlite3_close(checkpoint->db);
    g_mutex_clear(&checkpoint->lock);
    g_cond_clear(&checkpoint->changed);
    g_free(checkpoint);
}

/* The thread has copied most; copies the rest. What a reader of an old state (a backup) still
 * needs stays in the WAL, and is tried again when that much has been added. */
static void copy_rest(Checkpoint *checkpoint)
{
    int pages = 0, copied = 0;
    sqlite3_wal_checkpoint_v2(checkpoint->writer, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    gboolean whole = pages >= 0 && pages == copied;
    checkpoint->ended_at = whole ? 0 : checkpoint_wal_pages(checkpoint);
    if (whole)
        g_atomic_int_inc(&checkpoint->count);
}

void checkpoint_after_commit(Checkpoint *checkpoint)
{
    guint pages = checkpoint_wal_pages(checkpoint);
    if (pages < checkpoint->ended_at)
        checkpoint->ended_at = 0; /* begun again after all */
    if (pages < checkpoint->ended_at + WORTH_PAGES)
        return;
    g_mutex_lock(&checkpoint->lock);
    State state = checkpoint->state;
    if (state == IDLE)
        checkpoint->state = WANTED;
    else if (state == COPIED)
        checkpoint->state = IDLE;
    g_cond_signal(&checkpoint->changed);
    g_mutex_unlock(&checkpoint->lock);
    if (state == COPIED)
        copy_rest(checkpoint);
}

guint checkpoint_wal_pages(const Checkpoint *checkpoint)
{
    return g_atomic_int_get(&checkpoint->pages);
}

guint64 checkpoint_count(const Checkpoint *checkpoint)
{
    return g_atomic_int_get(&checkpoint->count);
}
