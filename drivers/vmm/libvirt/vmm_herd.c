#include "drivers/vmm/libvirt/vmm_herd.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/vmm/libvirt/vmm_libvirt.h"
#include "lib/base/error.h"

/* Starts end without a word here, too (cancelled in the queue, timed out): so often is looked. */
#define LOOK_MS 100

typedef struct Held {
    DriverJob *job; /* a reference */
    gint64 until;
} Held;

/* One host's. */
typedef struct Herd {
    char *host;
    guint processors;    /* 0: not asked yet */
    GQueue held;         /* of Held * */
    gboolean has_thread; /* while any is held */
    gint64 releasing;    /* since when one is being let go; 0: none is */
    GCond changed;
} Herd;

static GMutex lock;
static GHashTable *herds; /* host -> Herd, for as long as the process lives; under lock */

/* Called with the lock. */
static Herd *herd_of(const char *host)
{
    if (!herds)
        herds = g_hash_table_new(g_str_hash, g_str_equal);
    Herd *herd = g_hash_table_lookup(herds, host);
    if (herd)
        return herd;
    herd = g_new0(Herd, 1);
    herd->host = g_strdup(host);
    g_cond_init(&herd->changed);
    g_hash_table_insert(herds, herd->host, herd);
    return herd;
}

/* Starts on the host that are not through, besides those that are held. Called with the lock. */
static guint to_come(const Herd *herd)
{
    guint open = driver_jobs_open("DEPLOY", herd->host);
    return open - MIN(open, herd->held.length);
}

static guint processors_of(virConnectPtr connection)
{
    virNodeInfo info;
    return virNodeGetInfo(connection, &info) == 0 ? MAX(info.cpus, 1) : G_MAXINT;
}

/* A host on which it takes long to let one go holds no more. Called with the lock. */
static gboolean is_stuck(const Herd *herd)
{
    return herd->releasing &&
           g_get_monotonic_time() - herd->releasing > HERD_SECONDS * G_TIME_SPAN_SECOND;
}

gboolean vmm_herd_wants(DriverJob *job, virConnectPtr connection)
{
    if (!(vmm_libvirt_flavour()->abilities & VMM_HERDS))
        return FALSE;
    g_mutex_lock(&lock);
    Herd *herd = herd_of(vmm_action_of(job)->host);
    guint starts = is_stuck(herd) ? 0 : to_come(herd); /* with this one */
    guint processors = herd->processors;
    g_mutex_unlock(&lock);
    if (starts < 2)
        return FALSE;
    if (!processors)
        processors = processors_of(connection);
    g_mutex_lock(&lock);
    herd->processors = processors;
    g_mutex_unlock(&lock);
    return starts > processors;
}

/* ---- letting go ---- */

/* Somebody else may have let it run meanwhile. A guest that will not is left as it is: DEPLOY again
 * lets it run, CANCEL ends it. */
static gboolean let_run(const VmmAction *action, GError **error)
{
    g_auto(virConnectPtr) connection = libvirt_pool_get(action->host, error);
    if (!connection)
        return FALSE;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (sight.presence == VMM_RUNNING)
        return TRUE;
    if (sight.presence == VMM_UNKNOWN) {
        g_propagate_error(error, g_steal_pointer(&sight.error));
        return FALSE;
    }
    if (sight.presence == VMM_PAUSED && virDomainResume(sight.domain) == 0)
        return TRUE;
    g_autoptr(GError) reason = NULL;
    libvirt_error(&reason, "let it run");
    g_auto(VmmSight) after = vmm_look(action, connection);
    if (after.presence == VMM_RUNNING)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "it %s; %s",
                vmm_presence_text(after.presence), reason->message);
    return FALSE;
}

static void end_held(Held *held)
{
    g_autoptr(GError) error = NULL;
    const VmmAction *action = vmm_action_of(held->job);
    if (let_run(action, &error))
        driver_job_succeed(held->job, action->domain);
    else
        driver_job_fail(held->job, "%s was started on %s, paused, and was then to go on: %s",
                        action->domain, action->host, error->message);
    driver_job_release(held->job);
    g_free(held);
}

/* One that may run now; NULL: none. Called with the lock. */
static Held *next_free(Herd *herd)
{
    gboolean through = to_come(herd) == 0;
    gint64 time = g_get_monotonic_time();
    for (GList *at = herd->held.head; at; at = at->next) {
        Held *held = at->data;
        if (through || time >= held->until || driver_job_cancelled(held->job)) {
            g_queue_delete_link(&herd->held, at);
            return held;
        }
    }
    return NULL;
}

static gpointer herd_thread(gpointer data)
{
    Herd *herd = data;
    g_mutex_lock(&lock);
    while (!g_queue_is_empty(&herd->held)) {
        Held *held = next_free(herd);
        if (!held) {
            g_cond_wait_until(&herd->changed, &lock, g_get_monotonic_time() + LOOK_MS * 1000);
            continue;
        }
        herd->releasing = g_get_monotonic_time();
        g_mutex_unlock(&lock);
        end_held(held);
        g_mutex_lock(&lock);
        herd->releasing = 0;
    }
    herd->has_thread = FALSE;
    g_mutex_unlock(&lock);
    return NULL;
}

/* ---- the interface ---- */

void vmm_herd_hold(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    Held *held = g_new0(Held, 1);
    held->job = driver_job_keep(job);
    held->until = g_get_monotonic_time() + HERD_SECONDS * G_TIME_SPAN_SECOND;
    g_mutex_lock(&lock);
    Herd *herd = herd_of(vmm_action_of(job)->host);
    GThread *thread = herd->has_thread ? NULL : g_thread_try_new("herd", herd_thread, herd, &error);
    if (thread)
        g_thread_unref(thread);
    herd->has_thread = !error;
    if (!error)
        g_queue_push_tail(&herd->held, held);
    g_mutex_unlock(&lock);
    if (error)
        end_held(held); /* no thread can be made: it runs at once */
}

void vmm_herd_look(const char *host)
{
    g_mutex_lock(&lock);
    Herd *herd = herd_of(host);
    if (herd->has_thread)
        g_cond_signal(&herd->changed);
    g_mutex_unlock(&lock);
}
