/*
 * Live migration. Whatever libvirt answers, both hosts are asked at the end, and what they
 * say decides: success only if the machine runs on the destination and is gone from the
 * source. A machine is destroyed only where it does not run.
 */
#include "drivers/vmm/vmm_libvirt.h"

#include "lib/base/error.h"
#include <libvirt/virterror.h>
#include <string.h>

/* After a failure hosts are asked for that long: a libvirtd that was restarted comes back. */
#define ASK_SECONDS   30
#define STRAY_SECONDS 10

/* ---- which are ours ---- */

static GMutex lock;
static GHashTable *ours; /* ids of machines, as pointers */

static void add_ours(gint64 vid)
{
    g_mutex_lock(&lock);
    if (!ours)
        ours = g_hash_table_new(NULL, NULL);
    g_hash_table_add(ours, GSIZE_TO_POINTER((gsize)vid));
    g_mutex_unlock(&lock);
}

static void remove_ours(gint64 vid)
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

static gboolean is_leaving(virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, 0) == 0)
        (void)virTypedParamsGetInt(parameters, count, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(parameters, count);
    return type != VIR_DOMAIN_JOB_NONE && operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
}

gboolean vmm_stop_stray_migration(const VmmAction *action, virDomainPtr domain)
{
    gint64 until = g_get_monotonic_time() + STRAY_SECONDS * G_TIME_SPAN_SECOND;
    gboolean stray = FALSE;
    while (!is_ours(action->vid) && is_leaving(domain) && g_get_monotonic_time() < until) {
        if (!stray)
            driver_log('W', action->vid,
                       "%s is being moved away from %s, and nobody waits for it any more: the move "
                       "is stopped",
                       action->domain, action->host);
        stray = TRUE;
        (void)virDomainAbortJob(domain);
        g_usleep(200 * 1000);
    }
    return stray;
}

typedef struct Migration {
    DriverJob *job;
    const VmmAction *action;
    virConnectPtr source, destination;
    GError *error;   /* libvirt's, when the call failed */
    const char *why; /* it was interrupted on purpose */
} Migration;

static void migration_clear(Migration *migration)
{
    libvirt_pool_release(g_steal_pointer(&migration->source));
    libvirt_pool_release(g_steal_pointer(&migration->destination));
    g_clear_error(&migration->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Migration, migration_clear)

/* ---- before ---- */

/* FALSE ends the job: the hosts are not as they must be, or all is done already. */
static gboolean ready(Migration *migration, VmmSight *there, VmmSight *here)
{
    const VmmAction *action = migration->action;
    g_autoptr(GError) error = NULL;
    if (here->presence == VMM_UNKNOWN || there->presence == VMM_UNKNOWN) {
        driver_job_fail(migration->job, "nothing was begun: %s",
                        (here->error ? here->error : there->error)->message);
    } else if (here->presence == VMM_ABSENT && there->presence == VMM_RUNNING) {
        driver_job_succeed(migration->job, "it ran on the destination already");
    } else if (here->presence != VMM_RUNNING) {
        driver_job_fail(migration->job, "%s %s on %s: only a running machine can be moved live",
                        action->domain, vmm_presence_text(here->presence), action->host);
    } else if (there->presence == VMM_OTHER || there->presence == VMM_RUNNING) {
        driver_job_fail(migration->job,
                        "nothing was begun: on %s there is a domain %s already that %s; it goes on "
                        "running on %s",
                        action->destination, action->domain, vmm_presence_text(there->presence),
                        action->host);
    } else if (there->domain && !vmm_destroy(action, there->domain, action->destination, &error)) {
        driver_job_fail(migration->job, "nothing was begun: what an earlier attempt left stays: %s",
                        error->message);
    } else {
        return TRUE;
    }
    return FALSE;
}

/* ---- the call ---- */

static unsigned int flags_for(const VmmAction *action, virDomainPtr domain)
{
    unsigned int flags = VIR_MIGRATE_LIVE;
    /* Our domains are transient: they leave no definition behind. Imported ones take theirs along.
     */
    if (virDomainIsPersistent(domain) == 1)
        flags |= VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE;
    if (!(vmm_libvirt_flavour()->dialect->traits & DOMAIN_QEMU))
        return flags;
    flags |= VIR_MIGRATE_ABORT_ON_ERROR;
    if (vmm_setting_bool(action, "MIGRATE", "AUTO_CONVERGE", TRUE))
        flags |= VIR_MIGRATE_AUTO_CONVERGE;
    if (vmm_setting_bool(action, "MIGRATE", "POSTCOPY", FALSE))
        flags |= VIR_MIGRATE_POSTCOPY;
    /* The administrator vouches for the directory by SHARED=YES; libvirt knows only NFS and
     * a few others. Else the disks, which wait on the destination, are filled on the way. */
    return flags | (action->shared ? VIR_MIGRATE_UNSAFE : VIR_MIGRATE_NON_SHARED_DISK);
}

/* How the source's libvirtd calls the destination. "localhost" would be itself there. (owned) */
static char *peer_uri(const Migration *migration)
{
    const char *host = migration->action->destination;
    if (!libvirt_host_is_local(host))
        return libvirt_uri_of(host);
    char *own = virConnectGetHostname(migration->destination);
    g_auto(GStrv) parts = g_strsplit(vmm_libvirt_flavour()->libvirt.remote, "%h", -1);
    char *uri = g_strjoinv(own ? own : host, parts);
    free(own);
    return uri;
}

static gboolean call_peer(Migration *migration, virDomainPtr domain,
                          virTypedParameterPtr parameters, int count, unsigned int flags)
{
    g_autofree char *uri = peer_uri(migration);
    return virDomainMigrateToURI3(domain, uri, parameters, (unsigned int)count,
                                  flags | VIR_MIGRATE_PEER2PEER) == 0 ||
           libvirt_error(&migration->error, "move %s from %s to %s", migration->action->domain,
                         migration->action->host, migration->action->destination);
}

static gboolean call_direct(Migration *migration, virDomainPtr domain,
                            virTypedParameterPtr parameters, int count, unsigned int flags)
{
    g_auto(virDomainPtr) moved =
        virDomainMigrate3(domain, migration->destination, parameters, (unsigned int)count, flags);
    return moved ||
           libvirt_error(&migration->error, "move %s from %s to %s", migration->action->domain,
                         migration->action->host, migration->action->destination);
}

/* The hosts cannot reach each other's libvirtd, but this driver reaches both: nothing has
 * begun then, and it can lead the migration itself. */
static gboolean peers_are_strangers(const Migration *migration)
{
    return migration->error &&
           strstr(migration->error->message, "connect to remote libvirt URI") != NULL;
}

/* Of a failure between two hosts libvirt sometimes passes on nothing but the end of their
 * connection. When the machine still runs and nothing of it is on the destination, leading the
 * migration from here does no harm, and tells the reason if it fails too. */
static gboolean reason_is_lost(const Migration *migration, virDomainPtr domain)
{
    if (!migration->error || !strstr(migration->error->message, "End of file while reading data") ||
        driver_job_cancelled(migration->job) || virConnectIsAlive(migration->source) != 1 ||
        virDomainIsActive(domain) != 1)
        return FALSE;
    g_auto(VmmSight) there = vmm_look(migration->action, migration->destination);
    return there.presence == VMM_ABSENT;
}

static void move(Migration *migration, virDomainPtr domain)
{
    const VmmAction *action = migration->action;
    virTypedParameterPtr parameters = NULL;
    int count = 0, room = 0;
    unsigned int flags = flags_for(action, domain);
    gint64 bandwidth = vmm_setting_int(action, "MIGRATE", "BANDWIDTH", 0);
    g_autofree char *uri = vmm_action_option(action, "MIGRATE", "URI");
    VmmWatchOptions options = {
        .timeout_seconds = vmm_setting_int(action, "MIGRATE", "TIMEOUT", 600),
        .max_downtime_ms = vmm_setting_int(action, "MIGRATE", "MAX_DOWNTIME", 0),
        .postcopy_after = flags & VIR_MIGRATE_POSTCOPY ? 3 : 0,
    };
    if (bandwidth)
        (void)virTypedParamsAddULLong(&parameters, &count, &room, VIR_MIGRATE_PARAM_BANDWIDTH,
                                      (unsigned long long)bandwidth);
    if (uri)
        (void)virTypedParamsAddString(&parameters, &count, &room, VIR_MIGRATE_PARAM_URI, uri);
    VmmWatch *watch = vmm_watch_start(migration->job, domain, options);
    /* Led from here, a migration ends safely with this process: the destination destroys what
     * it had received, and the machine goes on at the source. Between the hosts alone it would
     * go on unseen; and the hosts would have to trust each other's ssh. */
    gboolean direct = !vmm_setting_bool(action, "MIGRATE", "PEER2PEER", FALSE);
    if (!direct && !call_peer(migration, domain, parameters, count, flags) &&
        (peers_are_strangers(migration) || reason_is_lost(migration, domain))) {
        driver_log('W', action->vid,
                   "the migration between the hosts failed (%s); once more, led "
                   "from here",
                   migration->error->message);
        g_clear_error(&migration->error);
        direct = TRUE;
    }
    if (direct)
        (void)call_direct(migration, domain, parameters, count, flags);
    (void)vmm_watch_end(watch, &migration->why);
    virTypedParamsFree(parameters, count);
}

/* ---- afterwards ---- */

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
            driver_job_wait(migration->job, 1000))
            return sight;
        vmm_sight_clear(&sight);
    }
}

/* "total time 912 ms, downtime 21 ms"; what libvirt does not tell is left out. (owned) */
static char *figures(virDomainPtr domain)
{
    static const struct {
        const char *field, *text, *unit;
        guint64 divisor;
    } rows[] = {
        {VIR_DOMAIN_JOB_TIME_ELAPSED, "total time", "ms", 1},
        {VIR_DOMAIN_JOB_DOWNTIME, "downtime", "ms", 1},
        {VIR_DOMAIN_JOB_MEMORY_PROCESSED, "memory sent", "KiB", 1024},
        {VIR_DOMAIN_JOB_DISK_PROCESSED, "disks sent", "KiB", 1024},
    };
    GString *text = g_string_new(NULL);
    virTypedParameterPtr parameters = NULL;
    int type, count = 0;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, VIR_DOMAIN_JOB_STATS_COMPLETED) ==
        0)
        for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
            unsigned long long value;
            if (virTypedParamsGetULLong(parameters, count, rows[i].field, &value) == 1 &&
                (value || i < 2))
                g_string_append_printf(text, "%s%s %llu %s", text->len ? ", " : "", rows[i].text,
                                       (unsigned long long)(value / rows[i].divisor), rows[i].unit);
        }
    virTypedParamsFree(parameters, count);
    return g_string_free(text, FALSE);
}

static void succeed(Migration *migration, const VmmSight *there)
{
    g_autofree char *text = figures(there->domain);
    if (migration->error)
        driver_log('W', migration->action->vid,
                   "libvirt reported a failure (%s), but %s runs on %s and is gone from %s",
                   migration->error->message, migration->action->domain,
                   migration->action->destination, migration->action->host);
    driver_job_succeed(migration->job, text);
}

/* `where` is what is true now. */
static void fail(Migration *migration, const char *where)
{
    const char *reason = migration->error ? migration->error->message : "libvirt reported success";
    driver_job_fail(migration->job, "%s%s%s; %s", migration->why ? migration->why : "",
                    migration->why ? ": " : "", reason, where);
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

static gboolean failed_postcopy(const VmmSight *sight)
{
    return sight->presence == VMM_PAUSED && sight->reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED;
}

/* What both hosts say decides; see the table in share/doc/drivers.md. */
static void settle(Migration *migration, const VmmSight *here, const VmmSight *there)
{
    gboolean at_source = here->presence == VMM_RUNNING || here->presence == VMM_PAUSED;
    gboolean torn = failed_postcopy(here) || failed_postcopy(there);
    if (there->presence == VMM_RUNNING && !torn &&
        (here->presence == VMM_ABSENT || here->presence == VMM_PAUSED))
        settle_at_destination(migration, here, there);
    else if (at_source && !torn && there->presence != VMM_RUNNING && there->presence != VMM_UNKNOWN)
        settle_at_source(migration, here, there);
    else if (here->presence == VMM_ABSENT && there->presence == VMM_PAUSED && !torn &&
             resume(there))
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

void vmm_migrate(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(Migration) migration = {.job = job, .action = action};
    g_autoptr(GError) error = NULL;
    if (!(vmm_libvirt_flavour()->abilities & VMM_MIGRATES) || !action->destination) {
        driver_job_fail(job, action->destination
                                 ? "machines of this hypervisor cannot be moved live by libvirt; "
                                   "migrate without --live stops and starts them"
                                 : "the request names no MIGR_HOST");
        return;
    }
    migration.source = libvirt_pool_get(action->host, &error);
    if (migration.source)
        migration.destination = libvirt_pool_get(action->destination, &error);
    if (!migration.destination) {
        driver_job_fail(job, "nothing was begun: %s", error->message);
        return;
    }
    g_auto(VmmSight) before = vmm_look(action, migration.source);
    if (before.presence == VMM_RUNNING)
        (void)vmm_stop_stray_migration(action, before.domain);
    g_auto(VmmSight) other = vmm_look(action, migration.destination);
    if (!ready(&migration, &other, &before))
        return;
    add_ours(action->vid);
    move(&migration, before.domain);
    remove_ours(action->vid);
    gint64 until = g_get_monotonic_time() + ASK_SECONDS * G_TIME_SPAN_SECOND;
    g_auto(VmmSight) there = ask(&migration, action->destination, &migration.destination, until);
    g_auto(VmmSight) here = ask(&migration, action->host, &migration.source, until);
    settle(&migration, &here, &there);
}
