/*
 * Live migration. Whatever libvirt answers, both hosts are asked at the end (vmm_settle.c).
 */
#include "drivers/vmm/migrate/vmm_migrate.h"

#include "drivers/vmm/migrate/vmm_carry.h"
#include "lib/base/error.h"
#include <libvirt/virterror.h>
#include <string.h>

void migration_clear(Migration *migration)
{
    libvirt_pool_release(g_steal_pointer(&migration->source));
    libvirt_pool_release(g_steal_pointer(&migration->destination));
    migrate_options_clear(&migration->options);
    g_clear_error(&migration->error);
}

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

/* Parameters for virDomainMigrate3(); free with virTypedParamsFree(). */
static virTypedParameterPtr make_parameters(const Migration *migration, int *count)
{
    const MigrateOptions *options = &migration->options;
    virTypedParameterPtr parameters = NULL;
    int room = 0;
    if (options->bandwidth_mibs)
        (void)virTypedParamsAddULLong(&parameters, count, &room, VIR_MIGRATE_PARAM_BANDWIDTH,
                                      (unsigned long long)options->bandwidth_mibs);
    if (options->bandwidth_mibs && options->postcopy)
        (void)virTypedParamsAddULLong(&parameters, count, &room,
                                      VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY,
                                      (unsigned long long)options->bandwidth_mibs);
    if (options->uri)
        (void)virTypedParamsAddString(&parameters, count, &room, VIR_MIGRATE_PARAM_URI,
                                      options->uri);
    /* The name in the destination's certificate; else QEMU would look for the address in it. */
    if (options->tls && !libvirt_host_is_local(migration->action->destination))
        (void)virTypedParamsAddString(&parameters, count, &room, VIR_MIGRATE_PARAM_TLS_DESTINATION,
                                      migration->action->destination);
    return parameters;
}

/*
 * Led from here, a migration ends safely with this process: the destination destroys what it had
 * received, and the machine goes on at the source. It is also the faster way, since both
 * connections are open. Between the hosts alone it outlives this process (vmm_stray.c), but they
 * have to trust each other's ssh.
 */
static void lead(Migration *migration, virDomainPtr domain, unsigned int flags)
{
    const MigrateOptions *options = &migration->options;
    int count = 0;
    virTypedParameterPtr parameters = make_parameters(migration, &count);
    gboolean direct = !options->peer2peer && !options->tunnel;
    /* Who asked for a tunnel wants no other way. */
    if (!direct && !call_peer(migration, domain, parameters, count, flags) && !options->tunnel &&
        (peers_are_strangers(migration) || reason_is_lost(migration, domain))) {
        driver_log('W', migration->action->vid,
                   "the migration between the hosts failed (%s); once more, led "
                   "from here",
                   migration->error->message);
        g_clear_error(&migration->error);
        direct = TRUE;
    }
    if (direct)
        (void)call_direct(migration, domain, parameters, count, flags);
    virTypedParamsFree(parameters, count);
}

static void move(Migration *migration, virDomainPtr domain)
{
    const MigrateOptions *options = &migration->options;
    gboolean qemu = vmm_libvirt_flavour()->dialect->traits & DOMAIN_QEMU;
    unsigned int flags = migrate_options_flags(options, qemu, migration->storage,
                                               virDomainIsPersistent(domain) == 1);
    VmmWatchOptions watching = {
        .time_limit_s = options->time_limit_s,
        .max_downtime_ms = options->max_downtime_ms,
        .postcopy = options->postcopy,
        .postcopy_after_s = options->postcopy_after_s,
        .figures = &migration->figures,
        .destination = migration->action->destination,
    };
    migration_claim(migration->action->vid);
    VmmWatch *watch = vmm_watch_start(migration->job, domain, watching);
    lead(migration, domain, flags);
    migration->watched = vmm_watch_end(watch);
    migration_release(migration->action->vid);
}

/* What can be said without asking a host. */
static gboolean can_migrate(Migration *migration, GError **error)
{
    const VmmAction *action = migration->action;
    const VmmFlavour *flavour = vmm_libvirt_flavour();
    gboolean qemu = flavour->dialect->traits & DOMAIN_QEMU;
    if (!action->destination) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "the request names no MIGR_HOST");
        return FALSE;
    }
    if (!(flavour->abilities & VMM_MIGRATES)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "machines of this hypervisor cannot be moved live by libvirt; migrate without "
                    "--live stops and starts them");
        return FALSE;
    }
    migration->storage = action->shared ? MIGRATE_SHARED : MIGRATE_MIRRORED;
    return migrate_options_read(action, vmm_libvirt_defaults(), &migration->options, error) &&
           migrate_options_fit(&migration->options, qemu, action->shared, flavour->name, error);
}

/* Nobody led an earlier migration to its end: there is nothing to move, only to settle. */
static gboolean left_in_the_middle(Migration *migration, const VmmSight *here,
                                   const VmmSight *there)
{
    gboolean leaving =
        here->presence == VMM_PAUSED && (here->reason == VIR_DOMAIN_PAUSED_MIGRATION ||
                                         here->reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED);
    gboolean arriving = here->presence == VMM_ABSENT && there->presence == VMM_PAUSED;
    if (there->presence == VMM_UNKNOWN || there->presence == VMM_OTHER || (!leaving && !arriving))
        return FALSE;
    g_set_error(&migration->error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "an earlier migration from %s to %s was left in the middle",
                migration->action->host, migration->action->destination);
    return TRUE;
}

/* Disks that are copied arrive without the snapshots in them. */
static gboolean take_snapshots(Migration *migration, virDomainPtr domain, GError **error)
{
    int count = virDomainSnapshotNum(domain, 0);
    if (count <= 0 || migration->storage == MIGRATE_SHARED)
        return vmm_carry_take(migration->action, domain, error);
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "%s has %d snapshots in its disks, which would be lost, since the disks are copied "
                "to %s: delete them (onevm snapshot-delete), or migrate without --live",
                migration->action->domain, count, migration->action->destination);
    return FALSE;
}

void vmm_migrate(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(Migration) migration = {.job = job, .action = action, .figures = MIGRATE_FIGURES_NONE};
    g_autoptr(GError) error = NULL;
    if (!can_migrate(&migration, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    migration.source = libvirt_pool_get(action->host, &error);
    if (migration.source)
        migration.destination = libvirt_pool_get(action->destination, &error);
    if (!migration.destination) {
        driver_job_fail(job, "nothing was begun: %s", error->message);
        return;
    }
    g_auto(VmmSight) here = vmm_look(action, migration.source);
    if (here.domain && migration_is_stray(action->vid, here.domain)) {
        (void)migration_wait_for_stray(job, here.domain, 0);
        migration_settle(&migration);
        return;
    }
    g_auto(VmmSight) there = vmm_look(action, migration.destination);
    if (left_in_the_middle(&migration, &here, &there)) {
        migration_mend(&migration);
        migration_settle(&migration);
        return;
    }
    if (!ready(&migration, &there, &here))
        return;
    if (!take_snapshots(&migration, here.domain, &error)) {
        driver_job_fail(job, "nothing was begun: %s", error->message);
        return;
    }
    move(&migration, here.domain);
    migration_mend(&migration);
    migration_settle(&migration);
}
