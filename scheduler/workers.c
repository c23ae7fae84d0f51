#include "scheduler/workers.h"

/* Fewer items than this for a thread are not worth starting it. */
#define ITEMS_PER_THREAD 4

struct SchedWorkers {
    char *endpoint, *session;
    guint timeout;
    guint connections;
    WireClient **clients;
};

typedef struct {
    SchedWorkers *workers;
    GArray *items;
    SchedWork work;
    gpointer data;
    gint next; /* taken by atomic additions */
    GMutex lock;
    GError *error; /* the first; guarded by `lock` */
    gint stopped;
} Run;

typedef struct {
    Run *run;
    guint number;
} Share;

SchedWorkers *sched_workers_new(const char *endpoint, const char *session, guint connections,
                                guint timeout)
{
    SchedWorkers *workers = g_new0(SchedWorkers, 1);
    workers->endpoint = g_strdup(endpoint);
    workers->session = g_strdup(session);
    workers->connections = connections;
    workers->timeout = timeout;
    workers->clients = g_new0(WireClient *, connections);
    return workers;
}

void sched_workers_close(SchedWorkers *workers)
{
    for (guint i = 0; i < workers->connections; i++)
        g_clear_pointer(&workers->clients[i], wire_client_free);
}

void sched_workers_free(SchedWorkers *workers)
{
    if (workers == NULL)
        return;
    sched_workers_close(workers);
    g_free(workers->clients);
    g_free(workers->endpoint);
    g_free(workers->session);
    g_free(workers);
}

static void stop(Run *run, GError *error)
{
    g_mutex_lock(&run->lock);
    if (run->error == NULL)
        run->error = g_steal_pointer(&error);
    g_mutex_unlock(&run->lock);
    g_clear_error(&error);
    g_atomic_int_set(&run->stopped, 1);
}

static gpointer work_through(gpointer data)
{
    const Share *share = data;
    Run *run = share->run;
    SchedWorkers *workers = run->workers;
    WireClient **client = &workers->clients[share->number];
    GError *error = NULL;
    if (*client == NULL && (*client = wire_client_new(workers->endpoint, workers->session, &error)))
        wire_client_set_timeout(*client, workers->timeout);
    while (error == NULL && !g_atomic_int_get(&run->stopped)) {
        guint index = g_atomic_int_add(&run->next, 1);
        if (index >= run->items->len)
            return NULL;
        run->work(*client, run->items->data + (gsize)index * g_array_get_element_size(run->items),
                  run->data, &error);
    }
    if (error != NULL)
        stop(run, error);
    return NULL;
}

gboolean sched_workers_run(SchedWorkers *workers, GArray *items, SchedWork work, gpointer data,
                           GError **error)
{
    Run run = {.workers = workers, .items = items, .work = work, .data = data};
    guint threads = CLAMP(items->len / ITEMS_PER_THREAD, 1, workers->connections);
    g_autofree Share *shares = g_new0(Share, threads);
    g_autofree GThread **running = g_new0(GThread *, threads);
    g_mutex_init(&run.lock);
    for (guint i = 0; i < threads; i++)
        shares[i] = (Share){&run, i};
    /* This thread takes the first share. */
    for (guint i = 1; i < threads; i++)
        running[i] = g_thread_new("dispatch", work_through, &shares[i]);
    work_through(&shares[0]);
    for (guint i = 1; i < threads; i++)
        g_thread_join(running[i]);
    g_mutex_clear(&run.lock);
    if (run.error == NULL)
        return TRUE;
    g_propagate_error(error, run.error);
    return FALSE;
}
