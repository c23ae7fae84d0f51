#include "drivers/common/driver_pool.h"

#include "lib/base/log.h"

#define IDLE_SECONDS 30
/* Each thread that waits for a silent host costs a stack, mostly untouched; beyond this
 * many something else is wrong. */
#define THREADS_MAX 1024

/* A queue exists while it has items waiting or running. */
typedef struct PoolQueue {
    char *name;
    GQueue waiting;
    guint running;
    GList turn; /* link in the pool's `turns` while items wait */
} PoolQueue;

struct DriverPool {
    GMutex lock;
    GCond work;  /* an item may be begun */
    GCond ended; /* a thread has ended */
    DriverPoolLimits limits;
    void (*run)(gpointer item);
    GHashTable *queues; /* name -> PoolQueue */
    GQueue turns;       /* queues with waiting items; the next to serve first */
    guint threads, running;
    guint idle, called; /* threads that sleep, and how many of them were woken already */
    gboolean stopping;
};

static void queue_free(gpointer data)
{
    PoolQueue *queue = data;
    g_queue_clear(&queue->waiting);
    g_free(queue->name);
    g_free(queue);
}

DriverPool *driver_pool_new(DriverPoolLimits limits, void (*run)(gpointer item))
{
    DriverPool *pool = g_new0(DriverPool, 1);
    g_mutex_init(&pool->lock);
    g_cond_init(&pool->work);
    g_cond_init(&pool->ended);
    pool->limits = limits;
    pool->run = run;
    pool->queues = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, queue_free);
    return pool;
}

static gboolean may_begin(const DriverPool *pool, const PoolQueue *queue)
{
    if (queue->running >= pool->limits.per_queue || pool->running >= THREADS_MAX)
        return FALSE;
    return pool->running < pool->limits.threads || (!pool->limits.firm && queue->running == 0);
}

/* The next item whose queue may run, or NULL. The queue goes to the end of the row. */
static gpointer take_item(DriverPool *pool, PoolQueue **from)
{
    for (GList *turn = pool->turns.head; turn; turn = turn->next) {
        PoolQueue *queue = turn->data;
        if (!may_begin(pool, queue))
            continue;
        gpointer item = g_queue_pop_head(&queue->waiting);
        g_queue_unlink(&pool->turns, turn);
        if (!g_queue_is_empty(&queue->waiting))
            g_queue_push_tail_link(&pool->turns, turn);
        queue->running++;
        pool->running++;
        *from = queue;
        return item;
    }
    return NULL;
}

static void drop_when_empty(DriverPool *pool, PoolQueue *queue)
{
    if (queue->running == 0 && g_queue_is_empty(&queue->waiting))
        g_hash_table_remove(pool->queues, queue->name);
}

/* Sleeps until there may be work; FALSE: the thread is no longer needed. */
static gboolean wait_for_work(DriverPool *pool)
{
    gint64 until = g_get_monotonic_time() + IDLE_SECONDS * G_TIME_SPAN_SECOND;
    pool->idle++;
    gboolean woken = TRUE;
    while (woken && pool->called == 0 && !pool->stopping)
        woken = g_cond_wait_until(&pool->work, &pool->lock, until);
    pool->idle--;
    if (pool->called == 0)
        return FALSE;
    pool->called--;
    return !pool->stopping;
}

static gpointer worker(gpointer data)
{
    DriverPool *pool = data;
    g_mutex_lock(&pool->lock);
    do {
        PoolQueue *queue;
        gpointer item;
        while (!pool->stopping && (item = take_item(pool, &queue))) {
            g_mutex_unlock(&pool->lock);
            pool->run(item);
            g_mutex_lock(&pool->lock);
            queue->running--;
            pool->running--;
            drop_when_empty(pool, queue);
        }
    } while (!pool->stopping && wait_for_work(pool));
    pool->threads--;
    g_cond_broadcast(&pool->ended);
    g_mutex_unlock(&pool->lock);
    return NULL;
}

/* Wakes or makes a thread for an item that may be begun. */
static void call_worker(DriverPool *pool)
{
    if (pool->idle > pool->called) {
        pool->called++;
        g_cond_signal(&pool->work);
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(GThread) thread = g_thread_try_new("worker", worker, pool, &error);
    if (thread)
        pool->threads++;
    else if (pool->threads == 0)
        log_error("DRV", "No worker thread can be made (%s); the request waits until its time-out",
                  error->message);
}

void driver_pool_push(DriverPool *pool, const char *name, gpointer item)
{
    g_mutex_lock(&pool->lock);
    PoolQueue *queue = g_hash_table_lookup(pool->queues, name);
    if (!queue) {
        queue = g_new0(PoolQueue, 1);
        queue->name = g_strdup(name);
        queue->turn.data = queue;
        g_queue_init(&queue->waiting);
        g_hash_table_insert(pool->queues, queue->name, queue);
    }
    if (g_queue_is_empty(&queue->waiting))
        g_queue_push_tail_link(&pool->turns, &queue->turn);
    g_queue_push_tail(&queue->waiting, item);
    if (may_begin(pool, queue))
        call_worker(pool);
    g_mutex_unlock(&pool->lock);
}

gboolean driver_pool_take_back(DriverPool *pool, const char *name, gpointer item)
{
    g_mutex_lock(&pool->lock);
    PoolQueue *queue = g_hash_table_lookup(pool->queues, name);
    gboolean found = queue && g_queue_remove(&queue->waiting, item);
    if (found) {
        if (g_queue_is_empty(&queue->waiting))
            g_queue_unlink(&pool->turns, &queue->turn);
        drop_when_empty(pool, queue);
    }
    g_mutex_unlock(&pool->lock);
    return found;
}

gboolean driver_pool_stop(DriverPool *pool, gint64 deadline)
{
    g_mutex_lock(&pool->lock);
    pool->stopping = TRUE;
    g_cond_broadcast(&pool->work);
    gboolean in_time = TRUE;
    while (pool->threads > 0 && in_time)
        in_time = g_cond_wait_until(&pool->ended, &pool->lock, deadline);
    gboolean all = pool->threads == 0;
    g_mutex_unlock(&pool->lock);
    if (!all)
        return FALSE;
    g_hash_table_unref(pool->queues);
    g_cond_clear(&pool->work);
    g_cond_clear(&pool->ended);
    g_mutex_clear(&pool->lock);
    g_free(pool);
    return TRUE;
}
