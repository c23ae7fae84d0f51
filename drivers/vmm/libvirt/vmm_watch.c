#include "drivers/vmm/libvirt/vmm_watch.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/vmm/vmm_action.h"

/* A migration is short, and its first seconds decide; what takes long is looked at seldom. */
#define LOOK_MS       100
#define LOOK_LATER_MS 500
#define SOON_SECONDS  5

struct VmmWatch {
    DriverJob *job;
    virDomainPtr domain;
    VmmWatchOptions options;
    GThread *thread;
    GMutex lock;
    GCond changed;
    gboolean ended;
    /* Of the thread, and of whoever joined it. */
    virConnectPtr connection;
    virDomainPtr own; /* the domain over that connection; NULL: not needed yet, or not reached */
    gint64 start;
    gboolean downtime_set;
    unsigned long long downtime_before; /* 0: not changed, or not known */
    VmmWatchEnd result;
};

static gint64 elapsed_s(const VmmWatch *watch)
{
    return (g_get_monotonic_time() - watch->start) / G_TIME_SPAN_SECOND;
}

/* Sleeps a little; FALSE when the operation has ended. */
static gboolean wait_a_little(VmmWatch *watch)
{
    gint64 pause = elapsed_s(watch) < SOON_SECONDS ? LOOK_MS : LOOK_LATER_MS;
    gint64 until = g_get_monotonic_time() + pause * 1000;
    g_mutex_lock(&watch->lock);
    while (!watch->ended && g_cond_wait_until(&watch->changed, &watch->lock, until))
        ;
    gboolean go_on = !watch->ended;
    g_mutex_unlock(&watch->lock);
    return go_on;
}

static void measure(VmmWatch *watch)
{
    virTypedParameterPtr parameters = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0;
    if (virDomainGetJobStats(watch->own, &type, &parameters, &count, 0) == 0 &&
        type != VIR_DOMAIN_JOB_NONE)
        migrate_figures_take(watch->options.figures, parameters, count);
    virTypedParamsFree(parameters, count);
}

static void set_downtime(VmmWatch *watch)
{
    unsigned long long before = 0;
    if (watch->downtime_set)
        return;
    (void)virDomainMigrateGetMaxDowntime(watch->own, &before, 0);
    watch->downtime_set =
        virDomainMigrateSetMaxDowntime(watch->own,
                                       (unsigned long long)watch->options.max_downtime_ms, 0) == 0;
    if (watch->downtime_set)
        watch->downtime_before = before;
}

/* By libvirt's count the first pass is round 1. */
static gboolean is_time_for_postcopy(const VmmWatch *watch)
{
    const VmmWatchOptions *options = &watch->options;
    if (!options->postcopy || watch->result.postcopy)
        return FALSE;
    return options->postcopy_after_s ? elapsed_s(watch) >= options->postcopy_after_s
                                     : options->figures && options->figures->rounds > 1;
}

static const char *reason_to_stop(const VmmWatch *watch)
{
    const VmmWatchOptions *options = &watch->options;
    if (options->time_limit_s && elapsed_s(watch) >= options->time_limit_s)
        return "it took longer than its time limit";
    if (driver_job_cancelled(watch->job))
        return "it was cancelled";
    if (options->destination && libvirt_pool_is_silent(options->destination))
        return "the destination does not answer any more";
    return NULL;
}

/* The operation itself occupies its connection; see libvirt_pool.h. TRUE: there is another. */
static gboolean reach(VmmWatch *watch)
{
    if (!watch->connection)
        watch->connection = libvirt_pool_get(vmm_action_of(watch->job)->host, NULL);
    if (watch->connection && !watch->own)
        watch->own = virDomainLookupByName(watch->connection, virDomainGetName(watch->domain));
    return watch->own != NULL;
}

static void leave(VmmWatch *watch)
{
    libvirt_domain_release(g_steal_pointer(&watch->own));
    libvirt_pool_release(g_steal_pointer(&watch->connection));
}

static gpointer look_after(gpointer data)
{
    VmmWatch *watch = data;
    const VmmWatchOptions *options = &watch->options;
    watch->downtime_set = options->max_downtime_ms == 0;
    do {
        const char *why = reason_to_stop(watch);
        gboolean needed = why || !watch->downtime_set || options->figures || options->postcopy;
        if (!needed || !reach(watch))
            continue;
        if (why) {
            /* Again and again until it helps: libvirt refuses it between two phases, and after a
             * switch to post-copy, from which there is no way back. */
            if (virDomainAbortJob(watch->own) == 0)
                watch->result.why = why;
            continue;
        }
        set_downtime(watch);
        if (options->figures)
            measure(watch);
        if (is_time_for_postcopy(watch))
            watch->result.postcopy = virDomainMigrateStartPostCopy(watch->own, 0) == 0;
    } while (wait_a_little(watch));
    leave(watch);
    return NULL;
}

VmmWatch *vmm_watch_start(DriverJob *job, virDomainPtr domain, VmmWatchOptions options)
{
    VmmWatch *watch = g_new0(VmmWatch, 1);
    watch->job = job;
    watch->domain = domain;
    watch->options = options;
    watch->start = g_get_monotonic_time();
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->changed);
    watch->thread = g_thread_new("watch", look_after, watch);
    return watch;
}

VmmWatchEnd vmm_watch_end(VmmWatch *watch)
{
    g_mutex_lock(&watch->lock);
    watch->ended = TRUE;
    g_cond_signal(&watch->changed);
    g_mutex_unlock(&watch->lock);
    g_thread_join(watch->thread);
    /* A machine that stays keeps what was set, also for migrations that say nothing about it. */
    if (watch->downtime_before)
        (void)virDomainMigrateSetMaxDowntime(watch->domain, watch->downtime_before, 0);
    VmmWatchEnd result = watch->result;
    g_mutex_clear(&watch->lock);
    g_cond_clear(&watch->changed);
    g_free(watch);
    return result;
}
