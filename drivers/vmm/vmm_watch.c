/* Long operations of libvirt block their caller; this looks after them from outside. */
#include "drivers/vmm/vmm_libvirt.h"

#define LOOK_MS 500

struct VmmWatch {
    DriverJob *job;
    virDomainPtr domain;
    VmmWatchOptions options;
    GThread *thread;
    GMutex lock;
    GCond changed;
    gboolean ended;
    const char *why; /* it was interrupted */
};

/* Sleeps a little; FALSE when the operation has ended. */
static gboolean wait_a_little(VmmWatch *watch)
{
    gint64 until = g_get_monotonic_time() + LOOK_MS * 1000;
    g_mutex_lock(&watch->lock);
    while (!watch->ended && g_cond_wait_until(&watch->changed, &watch->lock, until))
        ;
    gboolean go_on = !watch->ended;
    g_mutex_unlock(&watch->lock);
    return go_on;
}

static gpointer look_after(gpointer data)
{
    VmmWatch *watch = data;
    gint64 start = g_get_monotonic_time();
    gboolean downtime_set = watch->options.max_downtime_ms == 0;
    gboolean postcopy_begun = watch->options.postcopy_after == 0;
    while (wait_a_little(watch)) {
        gint64 seconds = (g_get_monotonic_time() - start) / G_TIME_SPAN_SECOND;
        gboolean late = watch->options.timeout_seconds && seconds >= watch->options.timeout_seconds;
        if (late || driver_job_cancelled(watch->job)) {
            /* Again and again until it helps: libvirt refuses it between two phases. */
            if (virDomainAbortJob(watch->domain) == 0)
                watch->why = late ? "it took longer than its time-out" : "it was cancelled";
            continue;
        }
        if (!downtime_set)
            downtime_set =
                virDomainMigrateSetMaxDowntime(
                    watch->domain, (unsigned long long)watch->options.max_downtime_ms, 0) == 0;
        if (!postcopy_begun && seconds >= watch->options.postcopy_after)
            postcopy_begun = virDomainMigrateStartPostCopy(watch->domain, 0) == 0;
    }
    return NULL;
}

VmmWatch *vmm_watch_start(DriverJob *job, virDomainPtr domain, VmmWatchOptions options)
{
    VmmWatch *watch = g_new0(VmmWatch, 1);
    watch->job = job;
    watch->domain = domain;
    watch->options = options;
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->changed);
    watch->thread = g_thread_new("watch", look_after, watch);
    return watch;
}

gboolean vmm_watch_end(VmmWatch *watch, const char **why)
{
    g_mutex_lock(&watch->lock);
    watch->ended = TRUE;
    g_cond_signal(&watch->changed);
    g_mutex_unlock(&watch->lock);
    g_thread_join(watch->thread);
    *why = watch->why;
    g_mutex_clear(&watch->lock);
    g_cond_clear(&watch->changed);
    g_free(watch);
    return *why != NULL;
}
