#include "drivers/vmm/libvirt/vmm_herd.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/vmm/libvirt/vmm_libvirt.h"

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

gboolean vmm_herd_wants(DriverJob *job, virConnectPtr connection)
{
    if (!(vmm_libvirt_flavour()->abilities & VMM_HERDS))
        return FALSE;
    g_mutex_lock(&lock);
    Herd *herd = herd_of(vmm_action_of(job)->host);
    guint others = to_come(herd) - 1, processors = herd->processors;
    g_mutex_unlock(&lock);
    if (others > 0 && !processors)
        processors = processors_of(connection);
    g_mutex_lock(&lock);
    herd->processors = processors;
    g_mutex_unlock(&lock);
    return others > 0 && others >= processors;
}

/* ---- letting go ---- */

static gboolean let_run(const VmmAction *action, GError **error)
{
    g_auto(virConnectPtr) connection = libvirt_pool_get(action->host, error);
    if (!connection)
        return FALSE;
    g_auto(virDomainPtr) domain = virDomainLookupByName(connection, action->domain);
    if (domain && virDomainResume(domain) == 0)
        return TRUE;
    libvirt_error(error, "let %s run, which was started on %s", action->domain, action->host);
    if (domain && !vmm_destroy(action, domain, action->host, NULL))
        driver_log('W', action->vid, "%s is left paused on %s", action->domain, action->host);
    return FALSE;
}

static void end_held(Held *held)
{
    g_autoptr(GError) error = NULL;
    const VmmAction *action = vmm_action_of(held->job);
    if (let_run(action, &error))
        driver_job_succeed(held->job, action->domain);
    else
        driver_job_fail(held->job, "%s", error->message);
    driver_job_release(held->job);
    g_free(held);
}

/* The next one that may run now; NULL: none. Called with the lock. */
static Held *next_free(Herd *herd)
{
    Held *first = g_queue_peek_head(&herd->held);
    if (!first || (to_come(herd) > 0 && g_get_monotonic_time() < first->until &&
                   !driver_job_cancelled(first->job)))
        return NULL;
    return g_queue_pop_head(&herd->held);
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
        g_mutex_unlock(&lock);
        end_held(held);
        g_mutex_lock(&lock);
    }
    herd->has_thread = FALSE;
    g_mutex_unlock(&lock);
    return NULL;
}

/* ---- the interface ---- */

void vmm_herd_hold(DriverJob *job)
{
    Held *held = g_new0(Held, 1);
    held->job = driver_job_keep(job);
    held->until = g_get_monotonic_time() + HERD_SECONDS * G_TIME_SPAN_SECOND;
    g_mutex_lock(&lock);
    Herd *herd = herd_of(vmm_action_of(job)->host);
    g_queue_push_tail(&herd->held, held);
    if (!herd->has_thread)
        g_thread_unref(g_thread_new("herd", herd_thread, herd));
    herd->has_thread = TRUE;
    g_mutex_unlock(&lock);
}

void vmm_herd_look(const char *host)
{
    g_mutex_lock(&lock);
    Herd *herd = herd_of(host);
    if (herd->has_thread)
        g_cond_signal(&herd->changed);
    g_mutex_unlock(&lock);
}
