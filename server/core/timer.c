#include "server/core/timer.h"

typedef struct Timer {
    gint64 when;
    guint64 id;
    void (*fire)(Core *core, gpointer data);
    gpointer data;
    GDestroyNotify destroy;
} Timer;

struct Timers {
    GTree *by_time;    /* Timer -> itself */
    GHashTable *by_id; /* id -> Timer */
    guint64 last_id;
};

static gint compare_timers(gconstpointer a, gconstpointer b, gpointer data)
{
    const Timer *first = a, *second = b;
    if (first->when != second->when)
        return first->when < second->when ? -1 : 1;
    return first->id < second->id ? -1 : first->id > second->id;
}

static void timer_free(gpointer data)
{
    Timer *timer = data;
    if (timer->destroy)
        timer->destroy(timer->data);
    g_free(timer);
}

Timers *timers_new(void)
{
    Timers *timers = g_new0(Timers, 1);
    timers->by_time = g_tree_new_full(compare_timers, NULL, timer_free, NULL);
    timers->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    return timers;
}

void timers_free(Timers *timers)
{
    if (!timers)
        return;
    g_hash_table_unref(timers->by_id);
    g_tree_unref(timers->by_time);
    g_free(timers);
}

guint64 timers_add(Timers *timers, gint64 when, void (*fire)(Core *, gpointer), gpointer data,
                   GDestroyNotify destroy)
{
    Timer *timer = g_new0(Timer, 1);
    timer->when = when;
    timer->id = ++timers->last_id;
    timer->fire = fire;
    timer->data = data;
    timer->destroy = destroy;
    g_tree_insert(timers->by_time, timer, timer);
    g_hash_table_insert(timers->by_id, &timer->id, timer);
    return timer->id;
}

void timers_cancel(Timers *timers, guint64 id)
{
    Timer *timer = g_hash_table_lookup(timers->by_id, &id);
    if (!timer)
        return;
    g_hash_table_remove(timers->by_id, &id);
    g_tree_remove(timers->by_time, timer);
}

gint64 timers_next(const Timers *timers)
{
    GTreeNode *node = g_tree_node_first(timers->by_time);
    return node ? ((Timer *)g_tree_node_key(node))->when : -1;
}

gboolean timers_fire(Timers *timers, Core *core, gint64 now)
{
    GTreeNode *node = g_tree_node_first(timers->by_time);
    Timer *timer = node ? g_tree_node_key(node) : NULL;
    if (!timer || timer->when > now)
        return FALSE;
    g_hash_table_remove(timers->by_id, &timer->id);
    g_tree_steal(timers->by_time, timer);
    timer->fire(core, timer->data);
    timer_free(timer);
    return TRUE;
}
