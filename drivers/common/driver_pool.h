/*
 * The worker threads of a driver: named queues, each with its own limit, served in turn.
 * Threads are made when they are needed and end when they were idle for a while.
 */
#pragma once

#include <glib.h>

typedef struct DriverPool DriverPool;

typedef struct DriverPoolLimits {
    guint threads;   /* items at once in all */
    guint per_queue; /* items at once of one queue */
    gboolean firm;   /* FALSE: the first item of each queue runs beyond `threads` */
} DriverPoolLimits;

/* `run` is called in a worker thread with each item. (owned) */
DriverPool *driver_pool_new(DriverPoolLimits limits, void (*run)(gpointer item));
void driver_pool_push(DriverPool *pool, const char *queue, gpointer item);
/* Takes back an item that no worker has begun; FALSE: it is running or done. */
gboolean driver_pool_take_back(DriverPool *pool, const char *queue, gpointer item);
/* Ends the workers; waits for those that still run, at most until then. FALSE: some are
 * still busy, and the pool is not freed. `deadline` as g_get_monotonic_time(). */
gboolean driver_pool_stop(DriverPool *pool, gint64 deadline);
