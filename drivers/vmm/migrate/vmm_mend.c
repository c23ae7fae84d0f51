/*
 * A migration whose link broke after the switch to post-copy: QEMU keeps half of the memory on each
 * host, and can go on with the rest, once the source reaches the destination again.
 *
 * Whether it does cannot be known before. QEMU 7.2 on the destination stops to answer when a thread
 * of it waits for a missing page with QEMU's great lock held: one that plays a device, and in
 * software emulation that of a processor, in the first moments after the switch mostly. Then the
 * call of libvirt 9.0 never returns, and a thread of ours would be lost to it. So an attempt is a
 * process of its own (vmm_resume.c), ended when nothing moves any more; none is made after that.
 */
#include "drivers/common/program.h"
#include "drivers/vmm/check/check_facts.h"
#include "drivers/vmm/migrate/vmm_migrate.h"
#include "drivers/vmm/migrate/vmm_resume.h"

#include <string.h>

#define PAUSE_MS 2000
/* An attempt of whose memory nothing has moved for that long is ended. */
#define STILL_SECONDS 30
#define LOOK_SECONDS  2
#define ATTEMPTS_MAX  8
/* Of what an attempt said. */
#define SAID_MAX 500

gboolean migration_is_torn(const VmmSight *sight)
{
    return (sight->presence == VMM_PAUSED && sight->reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED) ||
           (sight->presence == VMM_RUNNING && sight->reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED);
}

/* Over a new connection, if the one that was there is dead. */
static VmmSight see(Migration *migration, const char *host, virConnectPtr *connection)
{
    VmmSight sight = {VMM_UNKNOWN};
    libvirt_pool_release(g_steal_pointer(connection));
    *connection = libvirt_pool_get(host, &sight.error);
    if (*connection)
        sight = vmm_look(migration->action, *connection);
    return sight;
}

/* libvirt may not have seen it yet. A host that cannot be asked is not waited for: it may be gone,
 * and its machine has to be told about. */
static gboolean may_be_torn(const VmmSight *sight)
{
    return migration_is_torn(sight) ||
           (sight->presence == VMM_PAUSED && sight->reason == VIR_DOMAIN_PAUSED_POSTCOPY) ||
           (sight->presence == VMM_RUNNING && sight->reason == VIR_DOMAIN_RUNNING_POSTCOPY);
}

/* ---- the link ---- */

/* Of the network that the memory takes. (owned) */
static char *address(const Migration *migration)
{
    char *host = NULL;
    if (migration->options.uri)
        (void)g_uri_split(migration->options.uri, G_URI_FLAGS_NONE, NULL, NULL, &host, NULL, NULL,
                          NULL, NULL, NULL);
    return host ? host : g_strdup(migration->action->destination);
}

static gboolean reaches(const Migration *migration)
{
    const VmmAction *action = migration->action;
    g_autofree char *to = address(migration);
    return libvirt_host_is_local(to) || check_link_is_up(action->host, to, NULL);
}

/* ---- an attempt ---- */

typedef struct Attempt {
    Migration *migration;
    virDomainPtr domain; /* at the source */
    gint64 looked, moved_at;
    unsigned long long moved; /* bytes, by the source's word */
} Attempt;

static void measure(Attempt *attempt)
{
    virTypedParameterPtr parameters = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0;
    unsigned long long moved = 0;
    if (virDomainGetJobStats(attempt->domain, &type, &parameters, &count, 0) == 0 &&
        type != VIR_DOMAIN_JOB_NONE) {
        migrate_figures_take(&attempt->migration->figures, parameters, count);
        (void)virTypedParamsGetULLong(parameters, count, VIR_DOMAIN_JOB_MEMORY_PROCESSED, &moved);
    }
    virTypedParamsFree(parameters, count);
    if (moved != attempt->moved)
        attempt->moved_at = g_get_monotonic_time();
    attempt->moved = moved;
}

/* Called by program_run() all the time. */
static gboolean stands_still(gpointer data)
{
    Attempt *attempt = data;
    gint64 now = g_get_monotonic_time();
    if (driver_job_cancelled(attempt->migration->job))
        return TRUE;
    if (now - attempt->looked < LOOK_SECONDS * G_TIME_SPAN_SECOND)
        return FALSE;
    attempt->looked = now;
    measure(attempt);
    return g_get_monotonic_time() - attempt->moved_at > STILL_SECONDS * G_TIME_SPAN_SECOND;
}

static void tell_end(const Migration *migration, const SshResult *result, const GError *error)
{
    const VmmAction *action = migration->action;
    g_autofree char *said = g_strndup(result->errors ? result->errors->str : "", SAID_MAX);
    g_strstrip(g_strdelimit(said, "\r\n", ' '));
    if (error && !driver_job_cancelled(migration->job))
        driver_log('W', action->vid,
                   "nothing moved for %d s, and the attempt was ended: QEMU on %s does not answer, "
                   "since it waits for memory of the guest itself",
                   STILL_SECONDS, action->destination);
    else if (error)
        driver_log('W', action->vid, "the attempt was cancelled");
    else if (result->status != 0)
        driver_log('W', action->vid, "the attempt failed: %s", said);
    else
        driver_log('I', action->vid, "the rest of the memory of %s is on %s", action->domain,
                   action->destination);
}

/* TRUE: another attempt may help. */
static gboolean go_on(Migration *migration, const VmmSight *here)
{
    const VmmAction *action = migration->action;
    gint64 now = g_get_monotonic_time();
    Attempt attempt = {migration, here->domain, now, now, 0};
    const SshWatch watch = {.cancelled = stands_still, .data = &attempt};
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = vmm_resume_words(migration, virDomainIsPersistent(here->domain) == 1);
    driver_log('W', action->vid, "%s reaches %s again: the rest of the memory of %s goes on",
               action->host, action->destination, action->domain);
    migration->figures.resumes = MAX(migration->figures.resumes, 0) + 1;
    migration->watched.postcopy = TRUE;
    migration_claim(action->vid);
    (void)program_run((const char *const *)words, -1, -1, &watch, &result, &error);
    migration_release(action->vid);
    tell_end(migration, &result, error);
    if (!error && result.status == 0)
        g_clear_error(&migration->error);
    return !error && result.status != 0;
}

/* One look at both hosts. FALSE: there is nothing more to wait for. */
static gboolean look(Migration *migration, gboolean *told)
{
    const VmmAction *action = migration->action;
    gint64 limit = migration->options.postcopy_resume_s;
    g_auto(VmmSight) there = see(migration, action->destination, &migration->destination);
    g_auto(VmmSight) here = see(migration, action->host, &migration->source);
    gboolean torn = migration_is_torn(&here) || migration_is_torn(&there);
    if ((!torn && !*told) || !may_be_torn(&here) || !may_be_torn(&there))
        return FALSE;
    if (!*told)
        driver_log('W', action->vid,
                   "the link between %s and %s broke after the switch to post-copy: %s stands "
                   "still; for %" G_GINT64_FORMAT " s it is looked whether it can go on",
                   action->host, action->destination, action->domain, limit);
    *told = TRUE;
    return !migration_is_torn(&here) || !migration_is_torn(&there) || !reaches(migration) ||
           go_on(migration, &here);
}

void migration_mend(Migration *migration)
{
    gint64 until =
        g_get_monotonic_time() + migration->options.postcopy_resume_s * G_TIME_SPAN_SECOND;
    gboolean told = FALSE;
    if (!migration->error)
        return;
    while (migration->figures.resumes < ATTEMPTS_MAX && g_get_monotonic_time() < until &&
           look(migration, &told))
        if (driver_job_wait(migration->job, PAUSE_MS))
            return;
}
