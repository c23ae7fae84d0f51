/*
 * After a live migration: whatever libvirt answered, both hosts are asked, and what they say
 * decides. Success only if the machine runs on the destination and is gone from the source; a
 * machine is destroyed only where it does not run.
 */
#include "drivers/vmm/check/check_facts.h"
#include "drivers/vmm/migrate/vmm_carry.h"
#include "drivers/vmm/migrate/vmm_migrate.h"

#include "lib/base/error.h"
#include <libvirt/virterror.h>

/* After a failure hosts are asked for that long: a libvirtd that was restarted comes back. A host
 * that fell silent is left to oned, which hears of it when it is back. */
#define ASK_SECONDS 30

/* Asks a host anew, also over a new connection, until it answers or time is up. */
static VmmSight ask(Migration *migration, const char *host, virConnectPtr *connection, gint64 until)
{
    for (;;) {
        VmmSight sight = {VMM_UNKNOWN};
        libvirt_pool_release(g_steal_pointer(connection));
        *connection = libvirt_pool_get(host, &sight.error);
        if (*connection)
            sight = vmm_look(migration->action, *connection);
        if (sight.presence != VMM_UNKNOWN || g_get_monotonic_time() > until ||
            libvirt_pool_is_silent(host) || driver_job_wait(migration->job, 1000))
            return sight;
        vmm_sight_clear(&sight);
    }
}

/* The destination knows the figures best, but not what was seen only while it went on. */
static void take_completed(Migration *migration, virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, VIR_DOMAIN_JOB_STATS_COMPLETED) ==
        0)
        migrate_figures_take(&migration->figures, parameters, count);
    virTypedParamsFree(parameters, count);
}

static void succeed(Migration *migration, const VmmSight *there)
{
    take_completed(migration, there->domain);
    /* A limit or a tunnel says nothing about the network. */
    if (!migration->options.bandwidth_mibs && !migration->options.tunnel)
        check_link_remember(migration->action->host, migration->action->destination,
                            migration->figures.memory_rate);
    g_autofree char *text = migrate_figures_text(&migration->figures, migration->watched.postcopy,
                                                 migration->storage == MIGRATE_SHARED);
    if (migration->error)
        driver_log('W', migration->action->vid,
                   "libvirt reported a failure (%s), but %s runs on %s and is gone from %s",
                   migration->error->message, migration->action->domain,
                   migration->action->destination, migration->action->host);
    vmm_carry_give(migration->action, there->domain);
    driver_job_succeed(migration->job, text);
}

/* `where` is what is true now. */
static void fail(Migration *migration, const char *where)
{
    const char *reason =
        migration->error ? migration->error->message : "libvirt reported no failure";
    const char *why = migration->watched.why;
    driver_job_fail(migration->job, "%s%s%s; %s", why ? why : "", why ? ": " : "", reason, where);
}

/* The machine is paused at one host and nowhere else: let it run there. */
static gboolean resume(const VmmSight *sight)
{
    return sight->presence == VMM_RUNNING ||
           (sight->presence == VMM_PAUSED && virDomainResume(sight->domain) == 0);
}

static void settle_at_source(Migration *migration, const VmmSight *here, const VmmSight *there)
{
    const VmmAction *action = migration->action;
    g_autoptr(GError) error = NULL;
    g_autofree char *where = NULL;
    gboolean leftover = there->domain && there->presence != VMM_OTHER;
    if (leftover && !vmm_destroy(action, there->domain, action->destination, &error))
        where = g_strdup_printf("it is on %s; on %s a copy that does not run could not be removed "
                                "(%s): remove it before anything else",
                                action->host, action->destination, error->message);
    else if (!resume(here))
        where = g_strdup_printf("it is paused on %s and does not resume: %s", action->host,
                                virGetLastErrorMessage());
    else
        where = g_strdup_printf("%s goes on running on %s, and nothing of it is on %s",
                                action->domain, action->host, action->destination);
    vmm_carry_give(action, here->domain);
    fail(migration, where);
}

static void settle_at_destination(Migration *migration, const VmmSight *here, const VmmSight *there)
{
    const VmmAction *action = migration->action;
    g_autoptr(GError) error = NULL;
    if (!here->domain || vmm_destroy(action, here->domain, action->host, &error)) {
        succeed(migration, there);
        return;
    }
    g_autofree char *where =
        g_strdup_printf("it runs on %s; on %s a copy that does not run could not be removed (%s)",
                        action->destination, action->host, error->message);
    fail(migration, where);
}

/* It did not go on by itself, if it was to (vmm_mend.c). */
static void tell_torn(Migration *migration, const VmmSight *there)
{
    const VmmAction *action = migration->action;
    g_autofree char *tried =
        migration->figures.resumes > 0
            ? g_strdup_printf(" (to go on was tried in vain, %" G_GINT64_FORMAT " times)",
                              migration->figures.resumes)
            : g_strdup("");
    g_autofree char *where =
        there->presence == VMM_ABSENT
            ? g_strdup_printf(
                  "the link broke at the switch to post-copy: %s has nothing of it, and "
                  "what is on %s lacks what had gone, so its memory is lost; onevm "
                  "recover --delete-recreate starts it anew, --delete removes it",
                  action->destination, action->host)
            : g_strdup_printf(
                  "the link broke after the switch to post-copy: half of the memory is on %s and "
                  "half on %s, and nothing was destroyed%s. When the hosts reach each other again, "
                  "on %s `virsh migrate --live --postcopy --postcopy-resume %s "
                  "qemu+ssh://%s/system` may go on with it; else the memory is lost: onevm recover "
                  "--delete-recreate, or --delete",
                  action->host, action->destination, tried, action->host, action->domain,
                  action->destination);
    fail(migration, where);
}

static void settle(Migration *migration, const VmmSight *here, const VmmSight *there)
{
    gboolean at_source = here->presence == VMM_RUNNING || here->presence == VMM_PAUSED;
    gboolean torn = migration_is_torn(here) || migration_is_torn(there);
    if (torn)
        tell_torn(migration, there);
    else if (there->presence == VMM_RUNNING &&
             (here->presence == VMM_ABSENT || here->presence == VMM_PAUSED))
        settle_at_destination(migration, here, there);
    else if (at_source && there->presence != VMM_RUNNING && there->presence != VMM_UNKNOWN)
        settle_at_source(migration, here, there);
    else if (here->presence == VMM_ABSENT && there->presence == VMM_PAUSED && resume(there))
        succeed(migration, there);
    else {
        g_autofree char *where = g_strdup_printf(
            "the machine %s on %s (%s) and %s on %s (%s); nothing was destroyed: look at both "
            "hosts",
            vmm_presence_text(here->presence), migration->action->host,
            here->error ? here->error->message : "it answered", vmm_presence_text(there->presence),
            migration->action->destination, there->error ? there->error->message : "it answered");
        fail(migration, where);
    }
}

void migration_settle(Migration *migration)
{
    const VmmAction *action = migration->action;
    gint64 until = g_get_monotonic_time() + ASK_SECONDS * G_TIME_SPAN_SECOND;
    g_auto(VmmSight) there = ask(migration, action->destination, &migration->destination, until);
    g_auto(VmmSight) here = ask(migration, action->host, &migration->source, until);
    settle(migration, &here, &there);
}

/* ---- SETTLE ---- */

/* A copy on HOST goes only when it stands still and the machine is seen running on MIGR_HOST. */
static void remove_still_copy(Migration *migration, const VmmSight *here, const VmmSight *there)
{
    const VmmAction *action = migration->action;
    g_autoptr(GError) error = NULL;
    gboolean still = (here->presence == VMM_PAUSED || here->presence == VMM_BROKEN) &&
                     !migration_is_torn(here) && !migration_is_torn(there);
    if (here->presence == VMM_ABSENT && !here->domain)
        driver_job_succeed(migration->job, NULL);
    else if ((still || here->presence == VMM_ABSENT) && there->presence == VMM_RUNNING &&
             vmm_destroy(action, here->domain, action->host, &error))
        driver_job_succeed(migration->job, NULL);
    else
        driver_job_fail(migration->job,
                        "%s %s on %s and %s on %s%s%s: it is left alone; look at both hosts",
                        action->domain, vmm_presence_text(here->presence), action->host,
                        vmm_presence_text(there->presence), action->destination, error ? "; " : "",
                        error ? error->message : "");
}

void vmm_settle(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(Migration) migration = {.job = job, .action = action, .figures = MIGRATE_FIGURES_NONE};
    g_autoptr(GError) error = NULL;
    if (!action->destination)
        g_set_error(&error, ONE_ERROR, ONE_ERROR_RPC_API, "the request names no MIGR_HOST");
    else if ((migration.source = libvirt_pool_get(action->host, &error)))
        migration.destination = libvirt_pool_get(action->destination, &error);
    if (error) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_auto(VmmSight) here = vmm_look(action, migration.source);
    g_auto(VmmSight) there = vmm_look(action, migration.destination);
    remove_still_copy(&migration, &here, &there);
}
