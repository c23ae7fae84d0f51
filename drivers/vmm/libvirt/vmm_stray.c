/*
 * Hosts that move a machine among themselves (PEER2PEER) go on when the driver that asked them
 * ends. Whoever then asks for the machine, or for the same migration again, finds it: its end is
 * waited for, the time limit still holds, and both hosts say how it ended.
 */
#include "drivers/vmm/migrate/vmm_migrate.h"

#define LOOK_MS 100

static GMutex lock;
static GHashTable *ours; /* ids of machines, as pointers */

void migration_claim(gint64 vid)
{
    g_mutex_lock(&lock);
    if (!ours)
        ours = g_hash_table_new(NULL, NULL);
    g_hash_table_add(ours, GSIZE_TO_POINTER((gsize)vid));
    g_mutex_unlock(&lock);
}

void migration_release(gint64 vid)
{
    g_mutex_lock(&lock);
    g_hash_table_remove(ours, GSIZE_TO_POINTER((gsize)vid));
    g_mutex_unlock(&lock);
}

static gboolean is_ours(gint64 vid)
{
    g_mutex_lock(&lock);
    gboolean found = ours && g_hash_table_contains(ours, GSIZE_TO_POINTER((gsize)vid));
    g_mutex_unlock(&lock);
    return found;
}

/* The link broke after the switch to post-copy: libvirt's job goes on, but it never ends. */
static gboolean is_torn(virDomainPtr domain)
{
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    return virDomainGetState(domain, &state, &reason, 0) == 0 && state == VIR_DOMAIN_PAUSED &&
           reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED;
}

/* Milliseconds since the domain began to leave its host; -1: it does not leave. */
static gint64 leaving_for(virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    unsigned long long elapsed = 0;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, 0) == 0) {
        (void)virTypedParamsGetInt(parameters, count, VIR_DOMAIN_JOB_OPERATION, &operation);
        (void)virTypedParamsGetULLong(parameters, count, VIR_DOMAIN_JOB_TIME_ELAPSED, &elapsed);
    }
    virTypedParamsFree(parameters, count);
    gboolean leaves =
        type != VIR_DOMAIN_JOB_NONE && operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
    return leaves && !is_torn(domain) ? (gint64)elapsed : -1;
}

gboolean migration_is_stray(gint64 vid, virDomainPtr domain)
{
    return !is_ours(vid) && leaving_for(domain) >= 0;
}

gboolean migration_wait_for_stray(DriverJob *job, virDomainPtr domain, gint64 seconds)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(MigrateOptions) options = {0};
    gint64 until = seconds ? g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND : G_MAXINT64;
    gint64 elapsed;
    gboolean told = FALSE;
    /* Options that cannot be read leave no limit; whoever began the migration had read them. */
    (void)migrate_options_read(action, vmm_libvirt_defaults(), &options, NULL);
    while ((elapsed = leaving_for(domain)) >= 0) {
        gboolean late = options.time_limit_s && elapsed >= options.time_limit_s * 1000;
        if (!told)
            driver_log('W', action->vid,
                       "%s is being moved away from %s by the hosts themselves; nobody waits for "
                       "it any more%s",
                       action->domain, action->host,
                       late ? ", and its time limit is over: the move is stopped" : "");
        told = TRUE;
        if (late || driver_job_cancelled(job))
            (void)virDomainAbortJob(domain);
        if (g_get_monotonic_time() > until)
            return FALSE;
        g_usleep(LOOK_MS * 1000);
    }
    return TRUE;
}
